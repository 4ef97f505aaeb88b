"""Who a request is for: the rules by which one port stands for all of AWS's host names.

Three things can name the addressee, tried in this order:

1. the path: ``/execute-api/{apiId}/…`` is an API, ``/_labkit/…`` is the lab itself;
2. the host: ``{apiId}.execute-api.{region}.amazonaws.com`` is an API;
3. the credential scope of the signature (``Credential=KEY/DATE/REGION/SERVICE/aws4_request``), as AWS
   Signature Version 4 defines it; without a signature, the host ``{service}.{region}.amazonaws.com``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

EXECUTE_API = "/execute-api/"
LAB = "/_labkit"
CLIENT = f"{LAB}/client/"
"""Where the local cloud serves the browser client; ``pattern/page/reach.js`` knows it too."""

_API_HOST = re.compile(
    r"^(?P<api>[a-z0-9]+)\.execute-api\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$"
)
_SERVICE_HOST = re.compile(
    r"^(?:[^.]+\.)??(?P<service>[a-z0-9-]+)(?:\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d))?"
    r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$"
)
_SCOPE = re.compile(
    r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]*)/(?P<service>[^/,\s]+)/aws4_request"
)
_ALGORITHMS = ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ")
_HOST_SERVICE = {"sync-states": "states", "ddb": "dynamodb"}
"""Hosts that botocore prefixes or renames for some operations, and the service behind them."""


@dataclass(frozen=True, slots=True)
class ToLab:
    """A request to the lab itself; ``path`` is what follows ``/_labkit``."""

    path: str


@dataclass(frozen=True, slots=True)
class ToApi:
    """A request to a deployed API; ``path`` is what follows the API's id, percent-encoded."""

    api_id: str
    path: str

    def stage_and_rest(self) -> tuple[str, str]:
        """The first segment, decoded, and what follows it (beginning with ``/``, or empty)."""
        stage, slash, rest = self.path.removeprefix("/").partition("/")
        return unquote(stage), slash + rest


@dataclass(frozen=True, slots=True)
class ToService:
    """A call of an AWS service's API."""

    service: str
    region: str


def addressee(path: str, host: str, headers: Mapping[str, str]) -> ToLab | ToApi | ToService | None:
    """Whom a request is for, or ``None`` if nothing in it says so.

    Args:
        path: percent-encoded path, without the query.
        host: the ``Host`` header.
        headers: all headers, under any case that ``Mapping.get`` finds.
    """
    if path == LAB or path.startswith(LAB + "/"):
        return ToLab(path[len(LAB) :])
    if path.startswith(EXECUTE_API):
        api_id, slash, rest = path[len(EXECUTE_API) :].partition("/")
        return ToApi(unquote(api_id), slash + rest)
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    if found := _API_HOST.match(name.lower()):
        return ToApi(found["api"], path)
    if found := _SCOPE.search(headers.get("Authorization", "")):
        return ToService(found["service"].lower(), found["region"] or "us-east-1")
    if found := _SERVICE_HOST.match(name.lower()):
        service = found["service"]
        return ToService(_HOST_SERVICE.get(service, service), found["region"] or "us-east-1")
    return None


def access_key(headers: Mapping[str, str]) -> str:
    """The access key id that signed a request, or an empty string."""
    found = _SCOPE.search(headers.get("Authorization", ""))
    return found["key"] if found else ""


def is_signed(headers: Mapping[str, str], query: str) -> bool:
    """Whether a request carries a signature of AWS Signature Version 4, whatever it is worth.

    Args:
        headers: with names in any case, or ``Authorization`` as it is written here.
        query: the query string, which a presigned URL has the signature in.
    """
    return headers.get("Authorization", "").startswith(_ALGORITHMS) or bool(
        parse_qs(query).get("X-Amz-Signature")
    )
