import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.address import ToApi, ToLab, ToService, access_key, addressee, is_signed

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/{}/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=abc"
)


@pytest.mark.parametrize(
    ("path", "host", "signed_for", "expected"),
    [
        ("/_labkit/events", "127.0.0.1:4566", None, ToLab("/events")),
        ("/_labkit", "127.0.0.1:4566", None, ToLab("")),
        ("/execute-api/a1/prod", "127.0.0.1:4566", None, ToApi("a1", "/prod")),
        ("/execute-api/a1", "127.0.0.1:4566", None, ToApi("a1", "")),
        ("/execute-api/a1/prod/@connections/x%3D", "h", "execute-api", None),
        ("/prod", "a1.execute-api.us-east-1.amazonaws.com", None, ToApi("a1", "/prod")),
        ("/prod", "A1.EXECUTE-API.eu-west-1.amazonaws.com:443", None, ToApi("a1", "/prod")),
        ("/", "127.0.0.1:4566", "dynamodb", ToService("dynamodb", "eu-west-1")),
        ("/", "dynamodb.us-east-1.amazonaws.com", "dynamodb", ToService("dynamodb", "eu-west-1")),
        ("/", "dynamodb.us-east-1.amazonaws.com", None, ToService("dynamodb", "us-east-1")),
        ("/", "iam.amazonaws.com", None, ToService("iam", "us-east-1")),
        ("/", "sync-states.eu-west-1.amazonaws.com", None, ToService("states", "eu-west-1")),
        ("/", "123456789012.ddb.us-east-1.amazonaws.com", None, ToService("dynamodb", "us-east-1")),
        ("/k", "bucket.s3.us-west-2.amazonaws.com", None, ToService("s3", "us-west-2")),
    ],
)
def test_addressee(path: str, host: str, signed_for: str | None, expected: object) -> None:
    headers = {"Authorization": SIGNED.format(signed_for)} if signed_for else {}
    if expected is None:
        expected = ToApi("a1", "/prod/@connections/x%3D")
    assert addressee(path, host, headers) == expected


@pytest.mark.parametrize("host", ["127.0.0.1:4566", "example.com", "amazonaws.com", ""])
def test_an_unsigned_request_to_no_aws_host_has_no_addressee(host: str) -> None:
    assert addressee("/", host, {}) is None


def test_a_path_wins_over_a_signature() -> None:
    headers = {"Authorization": SIGNED.format("execute-api")}
    assert addressee("/execute-api/a/s/@connections/c", "127.0.0.1:1", headers) == ToApi(
        "a", "/s/@connections/c"
    )


def test_stage_and_rest() -> None:
    assert ToApi("a", "/prod/orders/1").stage_and_rest() == ("prod", "/orders/1")
    assert ToApi("a", "/prod").stage_and_rest() == ("prod", "")
    assert ToApi("a", "").stage_and_rest() == ("", "")
    assert ToApi("a", "/%24default/x").stage_and_rest() == ("$default", "/x")


def test_access_key_is_the_one_that_signed() -> None:
    assert access_key({"Authorization": SIGNED.format("sts")}) == "AKIDEXAMPLE"
    assert access_key({}) == ""


@pytest.mark.parametrize(
    ("authorization", "query", "signed"),
    [
        (SIGNED.format("execute-api"), "", True),
        ("AWS4-ECDSA-P256-SHA256 Credential=k", "", True),
        ("", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc", True),
        ("", "", False),
        ("Bearer AWS4-HMAC-SHA256 x", "", False),
        ("AWS4-HMAC-SHA256", "", False),
        ("", "X-Amz-Signature=", False),
        ("", "a=X-Amz-Signature", False),
    ],
)
def test_signature_is_in_the_header_or_in_the_query(
    authorization: str, query: str, signed: bool
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    assert is_signed(headers, query) is signed


@given(st.text(), st.text(), st.text())
def test_any_request_has_an_addressee_or_none(path: str, host: str, authorization: str) -> None:
    addressee(path, host, {"Authorization": authorization})
