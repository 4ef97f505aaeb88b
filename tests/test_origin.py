"""Which web pages may use the local cloud, as rules; over sockets, see test_security.py."""

from __future__ import annotations

import pytest

from labkit.origin import Origins, is_local, page_of

CLOUD = "127.0.0.1:4000"


@pytest.mark.parametrize(
    ("origin", "local"),
    [
        ("http://127.0.0.1:8888", True),
        ("http://[::1]:8888", True),
        ("http://localhost", True),
        ("file://", True),
        ("null", False),
        ("https://example.com", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://[::1", False),
    ],
)
def test_origin_is_local_only_on_loopback(origin: str, local: bool) -> None:
    assert is_local(origin) is local


@pytest.mark.behaviour("cloud.pages.host")
@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        (CLOUD, True),
        ("localhost:4000", True),
        ("LOCALHOST", True),
        ("[::1]:4000", True),
        ("app.localhost:4000", True),
        ("dynamodb.us-east-1.amazonaws.com", True),
        ("a1b2c3.execute-api.eu-west-1.amazonaws.com:443", True),
        ("lambda.cn-north-1.amazonaws.com.cn", True),
        ("lambda.us-east-1.api.aws", True),
        ("hub.example.com", True),
        ("hub.example.com:8443", True),
        ("evil.example", False),
        ("evil.example:4000", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:4000", False),
        ("amazonaws.com.evil.example", False),
        ("evilamazonaws.com", False),
        ("10.0.0.5:4000", False),
        ("[::1", False),
    ],
)
def test_host_is_of_this_machine_of_aws_or_named(host: str, allowed: bool) -> None:
    origins = Origins(["https://hub.example.com"])
    assert (origins.refusal({"Host": host}) is None) is allowed


@pytest.mark.behaviour("cloud.pages.named")
@pytest.mark.parametrize(
    ("named", "page", "allowed"),
    [
        ("https://hub.example.com", "https://hub.example.com", True),
        ("https://hub.example.com/", "https://hub.example.com", True),
        ("https://hub.example.com:443", "https://hub.example.com", True),
        ("https://HUB.example.com", "https://hub.example.com", True),
        ("http://[2001:db8::1]:8000", "http://[2001:db8::1]:8000", True),
        ("https://hub.example.com", "http://hub.example.com", False),
        ("https://hub.example.com", "https://hub.example.com:8443", False),
        ("https://hub.example.com", "https://evil.hub.example.com", False),
        ("https://hub.example.com", "null", False),
    ],
)
def test_origin_that_was_named_is_compared_as_a_whole(named: str, page: str, allowed: bool) -> None:
    refusal = Origins([named]).refusal({"Host": CLOUD, "Origin": page})
    assert (refusal is None) is allowed


@pytest.mark.parametrize(
    "text",
    ["hub.example.com", "*", "", "null", "ftp://a", "https://a/lab", "https://u@a", "https://a:x"],
)
def test_what_is_no_origin_cannot_be_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin; one looks like"):
        Origins([text])


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({}, None),
        ({"Referer": "https://evil.example/"}, None),
        ({"Sec-Fetch-Site": "same-origin"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
        ({"Sec-Fetch-Site": "none"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, "null"),
        (
            {"Sec-Fetch-Site": "cross-site", "Referer": "https://evil.example/x?y"},
            "https://evil.example",
        ),
        (
            {"Sec-Fetch-Site": "cross-site", "Referer": "http://localhost:8888/lab"},
            "http://localhost:8888",
        ),
        ({"Origin": "null", "Referer": "http://localhost/"}, "null"),
    ],
)
def test_page_is_named_by_origin_or_for_plain_fetches_by_referer(
    headers: dict[str, str], page: str | None
) -> None:
    assert page_of(headers) == page


def test_refusal_says_how_to_let_the_page_in() -> None:
    refusal = Origins().refusal({"Host": CLOUD, "Origin": "https://hub.example.com"})
    assert refusal is not None
    assert "Lab.start(allow_origins=['https://hub.example.com'])" in refusal
    assert "labkit serve --allow-origin https://hub.example.com" in refusal


@pytest.mark.parametrize(
    ("proxies", "origin"),
    [
        ({}, "http://hub.example.com"),
        ({"X-Forwarded-Proto": "https,http"}, "https://hub.example.com"),
        ({"X-Forwarded-Proto": "wais"}, "http://hub.example.com"),
    ],
)
def test_cure_names_the_origin_that_the_browser_is_at(proxies: dict[str, str], origin: str) -> None:
    refusal = Origins().refusal({"Host": "hub.example.com", **proxies})
    assert refusal is not None
    assert f"Lab.start(allow_origins=['{origin}'])" in refusal
    headers = {"Host": "hub.example.com", "Origin": origin, **proxies}
    assert Origins([origin]).refusal(headers) is None
