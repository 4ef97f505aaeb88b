"""The task ``apigateway:invoke``: the request it sends, and what it makes of the answer.

Source: AWS Step Functions developer guide, "Create API Gateway REST APIs with Step Functions".  Any
2xx answer is a success; another is the error ``ApiGateway.<status>`` with the body as its cause.
Not verified: that a ``RequestBody`` which is a string is sent as a JSON string, and that an empty
answer is the ``ResponseBody`` ``""``; that ``RESOURCE_POLICY`` signs as ``IAM_ROLE`` does.

What is signed has a signature that is empty, because nothing here checks one.
"""

from __future__ import annotations

import http
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from labkit.wire import Headers

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
PARAMETERS = frozenset(
    {
        "ApiEndpoint",
        "Method",
        "Headers",
        "Stage",
        "Path",
        "QueryParameters",
        "RequestBody",
        "AllowNullValues",
        "AuthType",
    }
)
AUTH_TYPES = ("NO_AUTH", "IAM_ROLE", "RESOURCE_POLICY")
"""How a call may be authorized; the first is the default, and signs nothing."""

_ENDPOINT = re.compile(r"^[0-9a-z]+\.execute-api\.(?P<region>[0-9a-z-]+)\.amazonaws\.com(\.cn)?$")
_REFUSED = frozenset(
    {
        "authorization",
        "connection",
        "content-md5",
        "expect",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "www-authenticate",
    }
)
_REFUSED_PREFIXES = ("x-forwarded", "x-amz", "x-amzn")
_IN_A_PATH = "/%:@!$&'()*+,;=-._~"
"""What stands in a URL's path as it is (RFC 3986, ``pchar``); ``%``, so that what is already encoded
is not encoded twice."""


class ApiCallError(Exception):
    """The task fails.

    Attributes:
        error: ``ApiGateway.410``, for instance.
        cause: the answer's body, or what is wrong with the parameters.
    """

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to an API."""

    host: str
    path: str
    method: str
    query: str
    headers: Headers
    body: bytes


def request_of(parameters: Mapping[str, Any]) -> ApiRequest:
    """The request that a task's parameters describe.

    Args:
        parameters: ``ApiEndpoint``, ``Method`` and the optional ones.

    Raises:
        ApiCallError: a parameter is missing or wrong.
    """
    unknown = sorted(set(parameters) - PARAMETERS)
    if unknown:
        raise _invalid(f"The field '{unknown[0]}' is not supported by Step Functions")
    host = str(parameters.get("ApiEndpoint", ""))
    endpoint = _ENDPOINT.match(host)
    if not endpoint:
        raise _invalid(
            f"The field 'ApiEndpoint' is a host name '<API ID>.execute-api.<region>.amazonaws.com',"
            f" not '{host}'"
        )
    method = str(parameters.get("Method", ""))
    if method not in METHODS:
        raise _invalid(f"The field 'Method' is one of {', '.join(sorted(METHODS))}, not '{method}'")
    auth_type = str(parameters.get("AuthType") or AUTH_TYPES[0])
    if auth_type not in AUTH_TYPES:
        raise _invalid(f"The field 'AuthType' is one of {', '.join(AUTH_TYPES)}, not '{auth_type}'")
    segments = [str(parameters.get(name) or "").strip("/") for name in ("Stage", "Path")]
    path = "/" + "/".join(quote(segment, safe=_IN_A_PATH) for segment in segments if segment)
    if str(parameters.get("Path") or "").endswith("/") and not path.endswith("/"):
        path += "/"
    headers = Headers({"Accept": "application/json"})
    for name, value in (parameters.get("Headers") or {}).items():
        if name.lower() in _REFUSED or name.lower().startswith(_REFUSED_PREFIXES):
            raise _invalid(f"The 'Headers' field contains unsupported values: {name}")
        headers[name] = ",".join(_values(value))
    query = urlencode(
        [
            (name, one)
            for name, value in (parameters.get("QueryParameters") or {}).items()
            for one in _values(value) or [""]
        ]
    )
    body = b""
    if parameters.get("RequestBody") is not None:
        if method not in {"POST", "PUT", "PATCH"}:
            raise _invalid("The field 'RequestBody' is for POST, PUT and PATCH")
        content = parameters["RequestBody"]
        if not parameters.get("AllowNullValues"):
            content = _without_nulls(content)
        body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "replace"
        )
        headers["Content-Type"] = "application/json"
    if auth_type != AUTH_TYPES[0]:
        scope = f"role/19700101/{endpoint['region']}/execute-api/aws4_request"
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}"
    return ApiRequest(host, path, method, query, headers, body)


def result_of(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """The task's result.

    Args:
        status: the answer's HTTP status.
        headers: its headers.
        body: its body.

    Returns:
        ``Headers`` (each a list), ``ResponseBody``, ``StatusCode`` and ``StatusText``.

    Raises:
        ApiCallError: the status is not 2xx.
    """
    text = body.decode("utf-8", "replace")
    if not 200 <= status < 300:
        raise ApiCallError(f"ApiGateway.{status}", text)
    shown: dict[str, list[str]] = {}
    for name, value in headers:
        shown.setdefault(name, []).append(value)
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    return {
        "Headers": shown,
        "ResponseBody": content,
        "StatusCode": status,
        "StatusText": http.HTTPStatus(status).phrase,
    }


def _invalid(cause: str) -> ApiCallError:
    return ApiCallError("ApiGateway.InvalidParameters", cause)


def _values(value: Any) -> list[str]:
    """A header's or query parameter's values; AWS takes lists, a single value is meant as one."""
    values = value if isinstance(value, list) else [value]
    return [one if isinstance(one, str) else json.dumps(one) for one in values if one is not None]


def _without_nulls(content: Any) -> Any:
    """``AllowNullValues`` is false by default: null values are not sent."""
    if isinstance(content, dict):
        return {name: _without_nulls(v) for name, v in content.items() if v is not None}
    if isinstance(content, list):
        return [_without_nulls(one) for one in content]
    return content
