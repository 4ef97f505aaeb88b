"""Events and answers of HTTP APIs, against events of AWS and the guide's tables."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.apigateway.http_events import MalformedAnswer, event_of, response_of
from labkit.apigateway.http_message import HttpRequest
from labkit.apigateway.http_routes import Match
from labkit.apigateway.model import Api, Protocol, Route, Stage, StageSettings
from labkit.trace import Trace
from tests.fidelity.plugin import Values

EVENTS = Path(__file__).parent.parent / "events"
API = Api("a1b2c3d4e5", "orders", Protocol.HTTP, "123456789012", "us-east-1", "")
V1 = Stage(StageSettings("v1", variables={"kokokara": "hajimaru"}), API)
DEFAULT = Stage(StageSettings("$default"), API)
REQUEST = HttpRequest(
    method="POST",
    path="/v1/xxx/yyy/hello",
    query="colour=red&colour=blue&size=",
    headers=[
        ("Host", "127.0.0.1:4000"),
        ("User-Agent", "curl/7.68.0"),
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("Content-Length", "11"),
        ("X-Foo", "bar"),
        ("x-foo", "baz"),
        ("Cookie", "session=abc; theme=dark"),
        ("Connection", "keep-alive"),
    ],
    body=b'{"aaa":123}',
    source_ip="203.0.113.7",
)
MATCH = Match(
    Route(id="r", key="ANY /{param1}/{param2}/hello", integration_id="i"),
    {"param1": "xxx", "param2": "yyy"},
)
CATCH_ALL = Match(Route(id="r", key="$default", integration_id="i"), {})


def event(
    request: HttpRequest = REQUEST, *, stage: Stage = V1, match: Match = MATCH, version: str = "2.0"
) -> dict[str, Any]:
    return event_of(
        stage,
        match,
        request,
        version=version,
        request_id="BitA2hMuNjMEPFQ=",
        now=1624726430873,
        trace=Trace("1-60d75b9e-0d9a8b2473795833227c3af2", 7),
    )


@pytest.mark.behaviour("http.integration.event")
@pytest.mark.parametrize("version", ["2.0", "1.0"])
def test_event_is_that_of_aws(version: str) -> None:
    golden = json.loads((EVENTS / f"http_{version.replace('.', '_')}.json").read_text("utf-8"))
    assert event(version=version) == golden
    assert list(event(version=version)) == list(golden)


@pytest.mark.behaviour("http.integration.empty")
def test_maps_are_absent_when_empty(expected: Values) -> None:
    bare = event(HttpRequest("GET", "/"), stage=DEFAULT, match=CATCH_ALL)
    assert [name for name in event() if name not in bare] == expected.absent
    assert (bare["rawQueryString"], bare["isBase64Encoded"]) == ("", False)
    assert (bare["routeKey"], bare["requestContext"]["stage"]) == ("$default", "$default")


@pytest.mark.behaviour("http.integration.empty-1")
def test_maps_are_null_when_empty_in_format_1() -> None:
    bare = event(HttpRequest("GET", "/"), stage=DEFAULT, match=CATCH_ALL, version="1.0")
    for name in (
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ):
        assert bare[name] is None


def test_path_and_query_parameters_are_decoded_and_the_raw_query_is_not() -> None:
    request = HttpRequest("GET", "/caf%C3%A9%20noir", query="q=a%20b%26c&q=d+e")
    made = event(request, stage=DEFAULT, match=CATCH_ALL)
    assert made["rawPath"] == made["requestContext"]["http"]["path"] == "/café noir"
    assert made["rawQueryString"] == "q=a%20b%26c&q=d+e"
    assert made["queryStringParameters"] == {"q": "a b&c,d e"}


def test_callers_address_is_added_to_those_that_were_forwarded() -> None:
    request = HttpRequest("GET", "/", headers=[("X-Forwarded-For", "198.51.100.1")])
    made = event(request, stage=DEFAULT, match=CATCH_ALL)
    assert made["headers"]["x-forwarded-for"] == "198.51.100.1, 127.0.0.1"


def test_headers_of_one_connection_are_not_handed_on() -> None:
    hop_by_hop = ["Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Upgrade"]
    request = HttpRequest("GET", "/", headers=[(name, "x") for name in hop_by_hop])
    made = event(request, stage=DEFAULT, match=CATCH_ALL)
    assert {name.lower() for name in hop_by_hop}.isdisjoint(made["headers"])


@pytest.mark.behaviour("http.integration.text")
@pytest.mark.parametrize("version", ["2.0", "1.0"])
def test_body_of_some_types_is_text(version: str, expected: Values) -> None:
    def body(content_type: str) -> tuple[str, bool]:
        headers = [("Content-Type", content_type)]
        made = event(HttpRequest("POST", "/", headers=headers, body=b"a \xc3\xa9"), version=version)
        return made["body"], made["isBase64Encoded"]

    others = ["application/octet-stream", "application/x-www-form-urlencoded", "image/png"]
    types = ["text/plain", "application/json", "application/xml", "application/javascript"]
    assert [each for each in types + others if body(each) == ("a é", False)] == expected.types
    assert body("TEXT/HTML; charset=utf-8") == body("application/json;a=b") == ("a é", False)


@pytest.mark.behaviour("http.integration.text")
@pytest.mark.parametrize(
    "content_type",
    ["application/octet-stream", "image/png", "application/x-www-form-urlencoded", None],
)
def test_body_of_any_other_type_is_base64(content_type: str | None) -> None:
    headers = [("Content-Type", content_type)] if content_type else []
    made = event(HttpRequest("POST", "/", headers=headers, body=b"a=1"))
    assert (made["body"], made["isBase64Encoded"]) == ("YT0x", True)


@given(st.binary(min_size=1), st.sampled_from(["text/plain", "application/json", "image/png", ""]))
def test_no_body_is_lost(body: bytes, content_type: str) -> None:
    made = event(HttpRequest("POST", "/", headers=[("content-type", content_type)], body=body))
    if made["isBase64Encoded"]:
        assert base64.b64decode(made["body"]) == body
    else:
        assert made["body"].encode() == body


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=40))
def test_every_event_is_json(query: str) -> None:
    request = HttpRequest("GET", "/", query=query, headers=[("X-Any", query)])
    for version in ("1.0", "2.0"):
        made = event(request, version=version)
        assert json.loads(json.dumps(made)) == made


def answered(answer: Any, version: str = "2.0") -> tuple[int, dict[str, str], bytes]:
    response = response_of(json.dumps(answer).encode(), version=version)
    return response.status, dict(response.headers), response.body


@pytest.mark.behaviour("http.integration.inferred")
@pytest.mark.parametrize(
    "answer", ["Hello from Lambda!", {"message": "Hello from Lambda!"}, [1, 2], None, 5, {}]
)
def test_answer_without_status_is_inferred_as_200_with_that_json(
    answer: Any, expected: Values
) -> None:
    headers = {"content-type": expected.type}
    assert answered(answer) == (expected.status, headers, json.dumps(answer).encode())


@pytest.mark.behaviour("http.integration.inferred-1")
@pytest.mark.parametrize("answer", ["Hello", {"message": "Hello"}, None])
def test_format_1_infers_nothing(answer: Any) -> None:
    with pytest.raises(MalformedAnswer, match=r"format 1\.0 asks for an object"):
        answered(answer, "1.0")


@pytest.mark.parametrize("version", ["2.0", "1.0"])
def test_status_headers_and_body_are_the_functions(version: str) -> None:
    answer = {"statusCode": 201, "headers": {"Content-Type": "text/html", "X-A": 1}, "body": "é"}
    expected = (201, {"Content-Type": "text/html", "X-A": "1"}, "é".encode())
    assert answered(answer, version) == expected


@pytest.mark.behaviour("http.integration.plain")
def test_answer_without_a_content_type_is_plain_text(expected: Values) -> None:
    answer = {"statusCode": 200, "body": "hi"}
    assert answered(answer) == (200, {"content-type": expected.type}, b"hi")


def test_status_may_be_a_number_in_a_string() -> None:
    assert answered({"statusCode": "404"})[0] == 404


def test_base64_body_is_decoded() -> None:
    assert answered({"statusCode": 200, "isBase64Encoded": True, "body": "AP8="})[2] == b"\x00\xff"


@pytest.mark.behaviour("http.integration.cookies")
def test_each_cookie_becomes_a_header(expected: Values) -> None:
    answer = {"statusCode": 200, "cookies": ["a=1; Secure", "b=2"], "headers": {"x": "y"}}
    response = response_of(json.dumps(answer).encode(), version="2.0")
    assert [value for name, value in response.headers if name == expected.header] == [
        "a=1; Secure",
        "b=2",
    ]


def test_multi_value_headers_of_format_1_go_before_single_ones() -> None:
    answer = {
        "statusCode": 200,
        "headers": {"Set-Cookie": "c=3", "x": "y"},
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]},
    }
    response = response_of(json.dumps(answer).encode(), version="1.0")
    assert ("set-cookie", "a=1") in response.headers
    assert ("set-cookie", "b=2") in response.headers
    assert ("Set-Cookie", "c=3") not in response.headers
    assert ("x", "y") in response.headers


def test_length_and_request_id_are_the_gateways_own() -> None:
    headers = {"Content-Length": "99", "Apigw-Requestid": "mine", "Connection": "close"}
    names = answered({"statusCode": 200, "headers": headers, "body": ""})[1]
    assert names == {"content-type": "text/plain; charset=utf-8"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"statusCode": "ok"}, "'statusCode' must be a number from 200 to 599, not 'ok'"),
        ({"statusCode": 0}, "'statusCode' must be a number"),
        ({"statusCode": True}, "'statusCode' must be a number"),
        ({"statusCode": None}, "'statusCode' must be a number"),
        ({"statusCode": 200, "body": {"a": 1}}, r"must be a string, not an object; json\.dumps"),
        ({"statusCode": 200, "headers": ["a"]}, "'headers' must be an object, not a list"),
        ({"statusCode": 200, "headers": {"a": []}}, "value of 'a' must be a string, not a list"),
        ({"statusCode": 200, "headers": {"a": "b\r\nc: d"}}, "holds a line break"),
        ({"statusCode": 200, "cookies": "a=1"}, "'cookies' must be a list of strings"),
        ({"statusCode": 200, "body": "%", "isBase64Encoded": True}, "'body' is not base64"),
    ],
)
def test_answer_out_of_form_says_what_is_wrong_with_it(answer: Any, why: str) -> None:
    with pytest.raises(MalformedAnswer, match=why):
        answered(answer)


def test_answer_that_is_no_json_is_out_of_form() -> None:
    with pytest.raises(MalformedAnswer, match="not JSON"):
        response_of(b"<html>", version="2.0")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded"),
            json_values,
        ),
    ),
    st.sampled_from(["1.0", "2.0"]),
)
def test_any_answer_is_a_response_or_malformed(answer: dict[str, Any], version: str) -> None:
    try:
        response = response_of(json.dumps(answer).encode(), version=version)
    except MalformedAnswer:
        return
    assert 200 <= response.status <= 599
    assert all(isinstance(value, str) for _, value in response.headers)
