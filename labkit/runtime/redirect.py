"""Keeps every AWS call on this machine.

botocore sends each request of each client through one method, ``URLLib3Session.send``: calls of
clients, of resources, and of credential providers that ask an instance's metadata, a container or
a single sign-on service.  :func:`install` replaces it on the class, so clients that exist already
are covered too.  A request goes

* to the address it names, if that is a loopback address that is not the local cloud's;
* to the local cloud otherwise; a host name of AWS's stays in its ``Host`` header, so that the cloud
  sees which service was meant.  In the place of any other stands the cloud's own, because it
  refuses names that might be a web page's; the signature says which service was meant.

Nothing falls through to the network.  Credentials are not looked up: sessions answer local ones,
and a signer whose credentials would have to be fetched or are missing signs with them as well.

Code that does not use botocore but speaks HTTPS to ``*.amazonaws.com`` through ``http.client`` or
urllib3 (so also through ``urllib.request`` and ``requests``) is connected to the local cloud in
plain text.  Not covered: sockets that a program opens by itself.

This module runs in the notebook's kernel and inside every function's process.  It uses the standard
library only and is imported there as the top-level module ``redirect``.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import io
import ipaddress
import os
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

ACCESS_KEY = "LABKITLOCALACCESSKEY"
SECRET_KEY = "labkit-local-secret-which-is-no-secret"

Address = tuple[str, int]

_target: Address | None = None
_former: set[Address] = set()
_connections = threading.local()
_open: weakref.WeakSet[_Connection] = weakref.WeakSet()
_originals: dict[str, Callable[..., Any]] = {}
_finder: _PatchOnImport | None = None
_acting: tuple[str, str, str] | None = None


def install(endpoint: str) -> None:
    """Send AWS calls of this process to the local cloud from now on.

    Calling it again changes the endpoint; addresses of earlier endpoints lead to the new one, so a
    client that was made for an earlier local cloud goes on working.

    Args:
        endpoint: the local cloud's address, ``http://127.0.0.1:N``.
    """
    global _target, _finder
    parts = urlsplit(endpoint)
    if not parts.hostname or not parts.port:
        raise ValueError(f"An endpoint looks like http://127.0.0.1:4566, not {endpoint!r}.")
    _target = (parts.hostname, parts.port)
    _former.add(_target)
    for name, patch in _PATCHES.items():
        module = sys.modules.get(name)
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            patch(module)
    if _finder is None:
        _finder = _PatchOnImport()
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Let AWS calls of this process go where they say again."""
    global _target
    _target = None
    for connection in list(_open):
        connection.close()


def target() -> str | None:
    """The endpoint that AWS calls are sent to, or ``None``."""
    return f"http://{_target[0]}:{_target[1]}" if _target else None


@contextmanager
def acting_as(access_key: str, secret_key: str, session_token: str) -> Iterator[None]:
    """Sign all AWS calls of this process with these credentials within the block.

    This holds for clients of any age and in every thread: what runs within the block acts in the
    credentials' account.

    Args:
        access_key: access key id.
        secret_key: secret access key.
        session_token: session token.
    """
    global _acting
    before = _acting
    _acting = (access_key, secret_key, session_token)
    try:
        yield
    finally:
        _acting = before


# -- where a request goes ------------------------------------------------------------------------


@functools.lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking a resolver."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def goes_elsewhere(url: str) -> bool:
    """Whether a request to ``url`` is none of the local cloud's business."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    return is_loopback(host) and (host, port) not in _former


# -- sending -------------------------------------------------------------------------------------


class _Body(io.BytesIO):
    """A response's body as botocore reads it (urllib3's interface, as far as botocore uses it)."""

    def stream(self, amt: int = 65_536, decode_content: bool | None = None) -> Iterator[bytes]:
        while chunk := self.read(amt):
            yield chunk

    def release_conn(self) -> None:
        """There is no pool to give a connection back to."""


class _Connection:
    """A kept-alive connection to the local cloud.

    The cloud always says how long an answer is, so reading one takes a few lines.  ``http.client``
    reads headers with the parser for e-mail and sends a body behind its head: together a tenth of
    the time of a call from a function.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._socket: socket.socket | None = None
        self._answers: Any = None

    @property
    def is_open(self) -> bool:
        """Whether it has been used and not been closed."""
        return self._socket is not None

    def ask(
        self, method: str, head: bytes, body: bytes, timeout: float | None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer; ``ConnectionResetError`` if there is none."""
        if self._socket is None:
            self._socket = socket.create_connection(self.address, timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._answers = self._socket.makefile("rb")
        else:
            self._socket.settimeout(timeout)
        self._socket.sendall(head + body)
        status = self._line().split(b" ", 2)
        if len(status) < 2 or not status[0].startswith(b"HTTP/1."):
            raise ConnectionError("what answered does not speak HTTP")
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        code = int(status[1])
        length = 0 if method == "HEAD" or code in (204, 304) else int(headers["content-length"])
        content = self._answers.read(length)
        if len(content) < length:
            raise ConnectionAbortedError("the answer broke off")
        return code, headers, content

    def _line(self) -> bytes:
        line: bytes = self._answers.readline(65_536)
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the connection was closed")
        return line.rstrip(b"\r\n")

    def close(self) -> None:
        """Close it; the next request opens it again."""
        for part in (self._answers, self._socket):
            if part is not None:
                part.close()
        self._answers = self._socket = None

    def __del__(self) -> None:
        # The thread that it belonged to has ended.
        self.close()


def exchange(
    method: str, url: str, headers: dict[str, str], body: bytes, timeout: float | None
) -> tuple[int, dict[str, str], bytes]:
    """Send one request to the local cloud and read its answer.

    Args:
        method: HTTP method.
        url: where the caller meant to send it; its host, if it is AWS's, becomes the ``Host`` header.
        headers: the caller's headers.
        body: the request's body.
        timeout: seconds without an answer after which ``TimeoutError`` is raised; ``None`` waits.

    Returns:
        Status, headers (names in lower case) and body.

    Raises:
        OSError: the local cloud does not answer.
        ValueError: a header's value has a line break in it.
    """
    if _target is None:
        raise ConnectionRefusedError("no local cloud is installed as a target")
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    if not _is_aws(parts.hostname or ""):
        host = f"{_target[0]}:{_target[1]}"
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a header must not have a line break in it")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    connection: _Connection | None = getattr(_connections, "connection", None)
    if connection is None or connection.address != _target:
        if connection is not None:
            connection.close()
        connection = _connections.connection = _Connection(_target)
        _open.add(connection)
    rested = connection.is_open
    try:
        try:
            answer = connection.ask(method, head, body, timeout)
        except (ConnectionResetError, BrokenPipeError):
            if not rested:
                raise
            # The server may close a connection that rested; a fresh one tells the truth.
            connection.close()
            answer = connection.ask(method, head, body, timeout)
    except BaseException:  # a time-out or Ctrl-C leaves an answer unread on the connection
        connection.close()
        raise
    if answer[1].get("connection", "").lower() == "close":
        connection.close()
    return answer


_DROPPED = frozenset({"host", "expect", "content-length", "transfer-encoding", "connection"})


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if hasattr(body, "read"):
        content = body.read()
        return content.encode() if isinstance(content, str) else bytes(content)
    return b"".join(body)


def _patch_httpsession(module: ModuleType) -> None:
    original = _remember("send", module.URLLib3Session, "send")
    awsrequest = importlib.import_module("botocore.awsrequest")
    exceptions = importlib.import_module("botocore.exceptions")

    def send(self: Any, request: Any) -> Any:
        if _target is None or goes_elsewhere(request.url):
            return original(self, request)
        timeout = self._get_request_timeout(request) or self._timeout
        timeout = getattr(timeout, "read_timeout", timeout)  # urllib3's Timeout
        headers = {
            _text(name): _text(value)
            for name, value in request.headers.items()
            if _text(name).lower() not in _DROPPED
        }
        try:
            status, answered, content = exchange(
                request.method, request.url, headers, _bytes(request.body), _seconds(timeout)
            )
        except TimeoutError as error:
            raise exceptions.ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except (OSError, KeyError, ValueError) as error:
            raise exceptions.EndpointConnectionError(
                endpoint_url=request.url,
                error=f"the local cloud at {target()} does not answer ({error}); "
                "start it again with Lab.start()",
            ) from error
        return awsrequest.AWSResponse(request.url, status, answered, _Body(content))

    module.URLLib3Session.send = send


# -- credentials ---------------------------------------------------------------------------------


def _local_credentials() -> Any:
    made = importlib.import_module("botocore.credentials").Credentials
    return made(*(_acting or (ACCESS_KEY, SECRET_KEY)))


def _patch_session(module: ModuleType) -> None:
    original = _remember("get_credentials", module.Session, "get_credentials")

    def get_credentials(self: Any) -> Any:
        if _target is None or self._credentials is not None or _in_function():
            return original(self)
        return _local_credentials()

    module.Session.get_credentials = get_credentials


def _patch_signers(module: ModuleType) -> None:
    original = _remember("get_auth_instance", module.RequestSigner, "get_auth_instance")
    refreshable = importlib.import_module("botocore.credentials").RefreshableCredentials

    def get_auth_instance(
        self: Any,
        signing_name: str,
        region_name: str,
        signature_version: str | None = None,
        request_credentials: Any = None,
        **kwargs: Any,
    ) -> Any:
        held = request_credentials or self._credentials
        if _target is not None and (_acting or held is None or isinstance(held, refreshable)):
            request_credentials = _local_credentials()
        return original(
            self, signing_name, region_name, signature_version, request_credentials, **kwargs
        )

    module.RequestSigner.get_auth_instance = get_auth_instance


def _patch_credentials(module: ModuleType) -> None:
    original = _remember("_refresh", module.RefreshableCredentials, "_refresh")

    def _refresh(self: Any) -> None:
        # Nothing is fetched: the signer does not use these credentials, see _patch_signers.
        if _target is None:
            original(self)

    module.RefreshableCredentials._refresh = _refresh


def _in_function() -> bool:
    """Inside a function's process, Lambda's own variables hold the credentials."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def _patch_useragent(module: ModuleType) -> None:
    """Clean the words of the User-Agent header once: botocore does it anew for each call.

    They are the same few dozen each time, and it is a sixth of a call's time.
    """
    clean = _remember("sanitize", module, "sanitize_user_agent_string_component")
    module.sanitize_user_agent_string_component = functools.lru_cache(1_024)(clean)  # type: ignore[attr-defined]


# -- HTTPS without botocore ----------------------------------------------------------------------


def _is_aws(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def _patch_connect(module: ModuleType) -> None:
    connection = module.HTTPSConnection
    original = _remember(f"{module.__name__}.connect", connection, "connect")

    def connect(self: Any) -> None:
        if _target is None or not _is_aws(self.host):
            original(self)
            return
        self.sock = socket.create_connection(_target, timeout=_seconds(self.timeout))
        self.is_verified = True

    connection.connect = connect


def _seconds(timeout: Any) -> float | None:
    return float(timeout) if isinstance(timeout, int | float) else None


# -- patching, now or when a module is imported --------------------------------------------------


def _remember(name: str, owner: type | ModuleType, attribute: str) -> Callable[..., Any]:
    """The method as it was before the first patch, however often patches are made."""
    return _originals.setdefault(name, getattr(owner, attribute))


_PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "botocore.credentials": _patch_credentials,
    "botocore.httpsession": _patch_httpsession,
    "botocore.session": _patch_session,
    "botocore.signers": _patch_signers,
    "botocore.useragent": _patch_useragent,
    "http.client": _patch_connect,
    "urllib3.connection": _patch_connect,
}


class _PatchOnImport(importlib.abc.MetaPathFinder):
    """Patches a module as soon as it has been imported, so that nothing is imported for it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = _PATCHES.get(fullname)
        if patch is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec


def _forget_connections() -> None:
    """A forked child must not share a connection with its parent."""
    global _connections
    _connections = threading.local()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
