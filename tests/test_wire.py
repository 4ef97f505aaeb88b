import json

import pytest

from labkit.errors import AwsError
from labkit.wire import AwsRequest, AwsResponse, Headers, as_text


def test_headers_find_any_case_and_keep_the_first_spelling() -> None:
    headers = Headers([("Content-Type", "text/plain")])
    assert headers["content-type"] == "text/plain"
    assert list(headers) == ["Content-Type"]
    assert "CONTENT-TYPE" in headers


def test_an_error_carries_its_type_in_the_header_that_boto3_reads() -> None:
    response = AwsResponse.error(AwsError("GoneException", "gone", 410, Reason="x"))
    assert response.status == 410
    assert response.headers["x-amzn-ErrorType"] == "GoneException"
    assert json.loads(response.body)["Reason"] == "x"


def test_a_body_that_is_no_json_is_aws_error() -> None:
    request = AwsRequest("POST", "dynamodb", "us-east-1", "/", body=b"{")
    with pytest.raises(AwsError, match="SerializationException"):
        request.json()


def test_an_empty_body_is_an_empty_object() -> None:
    assert AwsRequest("GET", "lambda", "us-east-1", "/").json() == {}


def test_header_that_is_no_utf_8_is_read_as_latin_1() -> None:
    # As aiohttp reads bytes: with half of a surrogate pair for each that is no UTF-8.
    sent = [(name, value.decode("utf-8", "surrogateescape")) for name, value in
            [("a", b"plain"), ("b", "schön €".encode()), ("c", b"sch\xf6n")]]  # fmt: skip
    assert as_text(sent) == [("a", "plain"), ("b", "schön €"), ("c", "schön")]
