"""An AWS API call on the wire, before and behind the service that answers it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from labkit.errors import AwsError
from labkit.trace import HEADER, Trace

LOCAL_ACCOUNT = "123456789012"
"""The account that a caller belongs to unless its credentials say otherwise."""

LARGEST_INFLATED = 16 * 1024 * 1024
"""Bytes that a packed body may unpack to (our choice; AWS takes 1 MB where its SDKs pack)."""


class Headers(MutableMapping[str, str]):
    """HTTP headers: one value a name, case does not matter, the first spelling is kept."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        for name, value in items.items() if isinstance(items, Mapping) else items:
            self[name] = value

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        self._items[name.lower()] = (name, value)

    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)


def as_text(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers whose values can go on as JSON.

    RFC 9110, 5.5: values were "allowed … in other charsets" once, ISO-8859-1 above all.  A value that is
    no UTF-8 is read as that (our choice; AWS documents none), so that no event holds what is no character.

    Args:
        headers: names and values as aiohttp reads them: with half a surrogate pair for each byte that is
            no UTF-8.
    """
    return [(name, _text(value)) for name, value in headers]


def _text(value: str) -> str:
    if value.isascii():
        return value
    try:
        value.encode()
        return value
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")


@dataclass(slots=True)
class AwsRequest:
    """A request to an AWS API.

    Attributes:
        method: ``GET``, ``POST``, …
        service: the service's name as in its endpoint: ``dynamodb``, ``lambda``, ``states``,
            ``apigateway``, ``logs``.
        region: such as ``us-east-1``.
        path: percent-encoded path as sent, beginning with ``/``.
        query: query string as sent, without ``?``.
        headers: the request's headers.
        body: the request's body.
        operation: the operation's name where it is known without parsing (``PutItem``), else "".
    """

    method: str
    service: str
    region: str
    path: str
    query: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    operation: str = ""

    @property
    def trace(self) -> Trace | None:
        """The trace that the caller passed on."""
        return Trace.parse(self.headers.get(HEADER))

    def inflate(self) -> None:
        """Unpack a body that came packed, as an SDK packs a large one (``Content-Encoding: gzip``).

        S3 keeps what it is sent: there the header describes the object.

        Raises:
            AwsError: the body is not what the header says, or unpacks to more than :data:`LARGEST_INFLATED`
                bytes (``SerializationException``).
        """
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("gzip", "deflate") or self.service == "s3":
            return
        inflating = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # either form, as its head says
        try:
            body = inflating.decompress(self.body, LARGEST_INFLATED + 1)
        except zlib.error as error:
            raise AwsError(
                "SerializationException", f"The body is not packed by {encoding}, as its head says."
            ) from error
        if len(body) > LARGEST_INFLATED:
            raise AwsError(
                "SerializationException",
                f"The body, packed by {encoding}, unpacks to more than {LARGEST_INFLATED} bytes. "
                "Send it as it is.",
            )
        if not inflating.eof:
            raise AwsError("SerializationException", f"The body, packed by {encoding}, is cut off.")
        self.body = body
        del self.headers["Content-Encoding"]

    def json(self) -> dict[str, Any]:
        """The members of the JSON object in the body; an empty body has none.

        Raises:
            AwsError: the body is no JSON object (``SerializationException``).
        """
        try:
            members = json.loads(self.body or b"{}")
        except RecursionError as error:
            raise AwsError(
                "SerializationException", "The body is JSON that is nested too deep to be read."
            ) from error
        except ValueError as error:
            raise AwsError("SerializationException", f"The body is not JSON: {error}") from error
        if not isinstance(members, dict):
            raise AwsError("SerializationException", "The body is JSON, but not an object.")
        return members


@dataclass(slots=True)
class AwsResponse:
    """An AWS API's answer."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @classmethod
    def json(cls, data: Any, status: int = 200, **headers: str) -> AwsResponse:
        """An answer with a JSON body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(
            status,
            Headers({"Content-Type": "application/json", **named}),
            json.dumps(data).encode(),
        )

    @classmethod
    def error(cls, error: AwsError) -> AwsResponse:
        """The answer that boto3 turns into the exception with the error's code."""
        body = {
            "__type": error.code,
            "message": error.message,
            "Message": error.message,
            **error.extra,
        }
        return cls(
            error.status,
            Headers({"Content-Type": "application/json", "x-amzn-ErrorType": error.code}),
            json.dumps(body).encode(),
        )
