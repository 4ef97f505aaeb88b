"""Keeps every AWS call on this machine.

botocore sends each request of each client through one method, ``URLLib3Session.send``: calls of
clients, of resources, and of credential providers that ask an instance's metadata, a container or
a single sign-on service.  :func:`install` replaces it on the class, so clients that exist already
are covered too.  A request goes

* to the address it names, if that is a loopback address that is not the local cloud's;
* to the local cloud otherwise, with its ``Host`` header unchanged, so that the cloud sees which
  service was meant.

Nothing falls through to the network.  Credentials are not looked up: sessions answer local ones,
and a signer whose credentials would have to be fetched or are missing signs with them as well.

Code that does not use botocore but speaks HTTPS to ``*.amazonaws.com`` through ``http.client`` or
urllib3 (so also through ``urllib.request`` and ``requests``) is connected to the local cloud in
plain text.  Not covered: sockets that a program opens by itself.

This module runs in the notebook's kernel and inside every function's process.  It uses the standard
library only and is imported there as the top-level module ``redirect``.
"""

from __future__ import annotations

import http.client
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
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

ACCESS_KEY = "LABKITLOCALACCESSKEY"
SECRET_KEY = "labkit-local-secret-which-is-no-secret"

Address = tuple[str, int]

_target: Address | None = None
_former: set[Address] = set()
_connections = threading.local()
_open: weakref.WeakSet[http.client.HTTPConnection] = weakref.WeakSet()
_originals: dict[str, Callable[..., Any]] = {}
_finder: _PatchOnImport | None = None


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


# -- where a request goes ------------------------------------------------------------------------


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


class _Connection(http.client.HTTPConnection):
    """A kept-alive connection that does not wait for more data before it sends (Nagle)."""

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def exchange(
    method: str, url: str, headers: dict[str, str], body: bytes, timeout: float | None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send one request to the local cloud and read its answer.

    Args:
        method: HTTP method.
        url: where the caller meant to send it; its host becomes the ``Host`` header.
        headers: the caller's headers.
        body: the request's body.
        timeout: seconds without an answer after which ``TimeoutError`` is raised; ``None`` waits.

    Raises:
        OSError: the local cloud does not answer.
    """
    if _target is None:
        raise ConnectionRefusedError("no local cloud is installed as a target")
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept: _Connection | None = getattr(_connections, "connection", None)
    if kept is not None and (kept.host, kept.port) != _target:
        kept.close()
        kept = None
    for connection in (kept, None):
        fresh = connection is None
        if connection is None:
            connection = _Connection(*_target)
            _open.add(connection)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", parts.netloc.rpartition("@")[2])
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The server may close a connection that rested; a fresh one tells the truth.
            connection.close()
            _connections.connection = None
            if fresh:
                raise
            continue
        except BaseException:  # a time-out or Ctrl-C leaves an answer unread on the connection
            connection.close()
            _connections.connection = None
            raise
        _connections.connection = None if answer.will_close else connection
        return answer.status, answer.headers, content
    raise AssertionError("unreachable: a fresh connection answers or raises")


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
        except (OSError, http.client.HTTPException) as error:
            raise exceptions.EndpointConnectionError(
                endpoint_url=request.url,
                error=f"the local cloud at {target()} does not answer ({error}); "
                "start it again with Lab.start()",
            ) from error
        return awsrequest.AWSResponse(request.url, status, answered, _Body(content))

    module.URLLib3Session.send = send


# -- credentials ---------------------------------------------------------------------------------


def _local_credentials() -> Any:
    return importlib.import_module("botocore.credentials").Credentials(ACCESS_KEY, SECRET_KEY)


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
        if _target is not None and (held is None or isinstance(held, refreshable)):
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


def _remember(name: str, owner: type, attribute: str) -> Callable[..., Any]:
    """The method as it was before the first patch, however often patches are made."""
    return _originals.setdefault(name, getattr(owner, attribute))


_PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "botocore.credentials": _patch_credentials,
    "botocore.httpsession": _patch_httpsession,
    "botocore.session": _patch_session,
    "botocore.signers": _patch_signers,
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
