"""Which web pages may use the local cloud: none but those of this machine, and those that are named.

Every page that the machine's browser shows can send requests to a port of the machine, open a
WebSocket to it, and, once its own host name has been made to mean 127.0.0.1 (DNS rebinding), read
the answers.  So each request is looked at, whatever its path:

* ``Host`` is a loopback name, a host name of AWS's, or the host of an origin that was named.  A page
  that was rebound cannot choose it: the browser sends the page's own.
* The page that sends the request, if there is one, is of this machine or was named.  ``Origin`` names
  it.  A browser leaves that out when a page of another site only fetches (an image, a script, a link
  that is followed), and then says ``Sec-Fetch-Site: cross-site``, with the page in ``Referer``.

A program that is no browser sends neither header, and may do what it wants: it runs on this machine,
as this cloud does.

AWS has no such check: there, an API is public, and authorizers and signatures protect it.

Source: the Fetch standard (``Origin``), W3C's Fetch Metadata Request Headers, RFC 6454.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_AMAZON = re.compile(r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws)\.?$")


class Origins:
    """The origins whose pages may use the cloud, beside those of this machine.

    Args:
        named: origins, such as ``https://hub.example.com``.

    Raises:
        ValueError: one of them is no origin.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(_origin(name) for name in named)
        self._hosts = frozenset(urlsplit(name).hostname for name in self._named)

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """Why a request is refused, and what to do about it; ``None`` if it is not.

        Args:
            headers: the request's headers, under any case that ``Mapping.get`` finds.
        """
        host = headers.get("Host")
        if host and not self._allows_host(host):
            return (
                f"A request for the host {host!r} is none for the local cloud, which answers to "
                "127.0.0.1, localhost and AWS's host names only, so that no web page reaches it under "
                f"a name of its own. {_cure(f'{_scheme(headers)}://{host}')}"
            )
        page = page_of(headers)
        if page is not None and not self.allows_page(page):
            return (
                f"A web page of another origin ({page}) may not use the local cloud. {_cure(page)}"
            )
        return None

    def allows_page(self, page: str) -> bool:
        """Whether the page with this ``Origin`` may use the cloud."""
        if is_local(page):
            return True
        try:
            return _origin(page) in self._named
        except ValueError:
            return False

    def _allows_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return _is_loopback(name) or bool(_AMAZON.search(name)) or name in self._hosts


def page_of(headers: Mapping[str, str]) -> str | None:
    """The origin of the web page that sends a request; ``None`` if none of another site does.

    Args:
        headers: the request's headers, under any case that ``Mapping.get`` finds.

    Returns:
        ``null`` for a page that does not say who it is.
    """
    origin = headers.get("Origin")
    if origin is not None:
        return origin
    if headers.get("Sec-Fetch-Site") != "cross-site":
        return None
    parts = urlsplit(headers.get("Referer", ""))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "null"


def is_local(origin: str) -> bool:
    """Whether a web page of this machine sent the ``Origin``: one on loopback, or a file."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == "file" or _is_loopback(parts.hostname or "")


def _scheme(headers: Mapping[str, str]) -> str:
    """How the browser reached the first of the proxies on the way, if there are any."""
    first = headers.get("X-Forwarded-Proto", "").partition(",")[0].strip()
    return first if first in ("http", "https") else "http"


def _is_loopback(name: str) -> bool:
    return name in _LOOPBACK or name.endswith(".localhost")


def _origin(text: str) -> str:
    """An origin as browsers write it: scheme, host, and the port unless it is the scheme's own."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise ValueError(f"{text!r} is no origin; one looks like https://hub.example.com.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    own = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, own) else f":{port}")


def _cure(origin: str) -> str:
    return (
        f"If it is yours, name it: Lab.start(allow_origins=[{origin!r}]), or labkit serve "
        f"--allow-origin {origin}."
    )
