"""The one port: reads HTTP, finds out whom a request is for, and lets that part answer.

Before anything else, a request is refused that comes from a web page of another origin
(:mod:`labkit.origin`).

Beside the APIs it serves the lab's own addresses.  Views and checks use them when they are attached to
a cloud in another process, and a browser:

``GET /_labkit``
    who answers here: ``{"endpoint": …, "pid": …, "version": …}``
``GET /_labkit/events?after=K[&follow=0]``
    the event log from behind event K, one JSON object a line; it goes on until the reader leaves,
    or ends at once with ``follow=0``
``GET /_labkit/faults``, ``POST``, ``DELETE [/ID]``
    the faults that are set; set one (the members are :meth:`labkit.faults.Faults.add`'s arguments,
    with ``match`` as an object); take one or all back
``GET /_labkit/client/[?orders=URL]``
    the browser client of the pattern (``labkit/pattern/page/``), and its files
``DELETE /_labkit/accounts/ID``
    end and forget all that an AWS account holds; checks work in accounts of their own
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import unquote

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler, _ErrInfo

import labkit
from labkit.address import LAB, ToApi, ToLab, ToService, addressee, is_signed
from labkit.apigateway.http_api import HttpApis
from labkit.apigateway.http_message import HttpRequest
from labkit.apigateway.model import Protocol, Stage
from labkit.apigateway.websocket_api import WebSocketApis
from labkit.aws_api import AwsApi
from labkit.client_page import page_file
from labkit.eventlog import Event, EventLog
from labkit.faults import Faults
from labkit.origin import Origins
from labkit.trace import HEADER, Trace
from labkit.wire import AwsRequest, AwsResponse, Headers, as_text

HOST = "127.0.0.1"
LAST_PORT = 65_535
CONNECTIONS = "@connections"
KEEP_ALIVE = 3_600.0
"""Seconds that a connection may rest; clients of this cloud keep theirs for the next call."""

LARGEST_REQUEST = 100 * 1024 * 1024
"""Bytes; the largest is ``CreateFunction`` with a 50 MB package, in base64."""

T = TypeVar("T")

_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "date"})


class Server:
    """Listens on one loopback port and hands each request to the part that answers it.

    Args:
        port: the port; 0 lets the system choose.
        stage: which stage of which API serves now.
        remove_account: ends and forgets all that an account holds.
        origins: the web pages that may use the port.

    Raises:
        ValueError: there is no such port.
    """

    def __init__(
        self,
        *,
        port: int,
        log: EventLog,
        faults: Faults,
        aws: AwsApi,
        websocket_apis: WebSocketApis,
        http_apis: HttpApis,
        stage: Callable[[str, str], Stage | None],
        remove_account: Callable[[str], Awaitable[None]],
        origins: Origins,
    ) -> None:
        if not 0 <= port <= LAST_PORT:
            raise ValueError(f"{port} is no port; ports are 0 (any free one) to {LAST_PORT}.")
        self._remove_account = remove_account
        self._origins = origins
        self._port = port
        self._log = log
        self._faults = faults
        self._aws = aws
        self._websocket_apis = websocket_apis
        self._http_apis = http_apis
        self._stage = stage
        self._runner: web.ServerRunner | None = None
        self._streams: set[asyncio.Event] = set()
        self.endpoint = ""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        server = _Listener(
            self._handle,
            request_factory=self._request,
            keepalive_timeout=KEEP_ALIVE,
            access_log=None,
            auto_decompress=False,  # a body is handed on as it was sent
        )
        server.refused = self._refused
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port, backlog=4_096)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        self.endpoint = f"http://{HOST}:{self._port}"

    async def stop(self) -> None:
        """Close the port and every connection; whoever reads the log is told that it ends."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            for more in self._streams:
                more.set()
            await runner.cleanup()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Any:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=LARGEST_REQUEST
        )

    def _refused(self, message: str) -> None:
        self._log.append("cloud.warning", message=message)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, _, query = request.raw_path.partition("?")
        refusal = self._origins.refusal(request.headers)
        if refusal is not None:
            self._log.append("cloud.warning", message=refusal)
            return _plain(403, refusal)
        try:
            match addressee(raw_path, request.headers.get("Host", ""), request.headers):
                case ToService(service, region):
                    return await self._serve_aws(request, service, region, raw_path, query)
                case ToApi() as target:
                    return await self._serve_api(request, target, query)
                case ToLab(path):
                    return await self._serve_lab(request, path)
                case None:
                    return _plain(
                        404,
                        "The local cloud cannot tell which AWS service this request is for: it is "
                        f"not signed and its Host is {request.headers.get('Host')!r}.",
                    )
        except web.HTTPException as error:
            return _plain(error.status, error.text or error.reason)
        except (asyncio.CancelledError, HttpProcessingError, ConnectionError):
            raise
        except Exception as error:
            self._log.append(
                "cloud.error",
                message=f"{type(error).__name__}: {error}",
                detail=traceback.format_exc(),
            )
            return _plain(
                500,
                f"The local cloud failed on this request: {type(error).__name__}: {error}. "
                "The event log has the details (kind cloud.error).",
            )

    # -- AWS ------------------------------------------------------------------------------------

    async def _serve_aws(
        self, request: web.BaseRequest, service: str, region: str, path: str, query: str
    ) -> web.Response:
        call = AwsRequest(
            request.method,
            service,
            region,
            path,
            query,
            Headers(as_text(request.headers.items())),
            await _body(request),
        )
        return _answer(await self._aws.answer(call))

    # -- APIs -----------------------------------------------------------------------------------

    async def _serve_api(
        self, request: web.BaseRequest, target: ToApi, query: str
    ) -> web.StreamResponse:
        stage_name, rest = target.stage_and_rest()
        if rest.startswith(f"/{CONNECTIONS}"):
            connection_id = rest.removeprefix(f"/{CONNECTIONS}").lstrip("/")
            return _answer(
                await self._websocket_apis.manage(
                    request.method,
                    target.api_id,
                    stage_name,
                    unquote(connection_id),
                    await _body(request),
                    trace=Trace.parse(request.headers.get(HEADER)),
                    signed=is_signed(request.headers, query),
                )
            )
        stage = self._stage(target.api_id, stage_name)
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if upgrade or (stage is not None and stage.api.protocol is Protocol.WEBSOCKET):
            return await self._websocket_apis.handshake(request, target.api_id, stage_name)
        answering = self._http_apis.answer(
            target.api_id,
            HttpRequest(
                method=request.method,
                path=target.path or "/",
                query=query,
                headers=as_text(request.headers.items()),
                body=await _body(request),
                source_ip=request.remote or HOST,
                trace=Trace.parse(request.headers.get(HEADER)),
            ),
        )
        answer = await _while_connected(request, answering)
        response = web.Response(status=answer.status, body=answer.body)
        for name, value in answer.headers:
            if name.lower() not in _HOP_BY_HOP:
                response.headers.add(name, value)
        return response

    # -- the lab itself -------------------------------------------------------------------------

    async def _serve_lab(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        match request.method, path.strip("/").split("/"):
            case "GET", [""]:
                who = {"endpoint": self.endpoint, "pid": os.getpid(), "version": labkit.__version__}
                return web.json_response(who)
            case "GET", ["events"]:
                return await self._stream_events(request)
            case "GET", ["faults"]:
                return web.json_response([fault.to_dict() for fault in self._faults])
            case "POST", ["faults"]:
                return await self._add_fault(request)
            case "DELETE", ["faults"]:
                self._faults.clear()
                return web.json_response([])
            case "DELETE", ["faults", number] if re.fullmatch(r"\d{1,18}", number):
                self._faults.clear(int(number))
                return web.json_response([fault.to_dict() for fault in self._faults])
            case "GET", ["client", *names] if len(names) < 2:
                return self._serve_page(request, path, names)
            case "DELETE", ["accounts", account] if re.fullmatch(r"\d{12}", account):
                await self._remove_account(account)
                return web.json_response({"account": account})
        known = (
            "GET /_labkit, GET /_labkit/events, GET, POST and DELETE /_labkit/faults, "
            "GET /_labkit/client/, DELETE /_labkit/accounts/ID (twelve digits)"
        )
        return _plain(404, f"The lab has no {request.method} {LAB}{path}. It has: {known}.")

    def _serve_page(self, request: web.BaseRequest, path: str, names: list[str]) -> web.Response:
        if path == "/client":
            # Relative, because a browser may know this address by another path, that of a proxy.
            query = request.rel_url.raw_query_string
            return web.Response(status=308, headers={"Location": f"client/?{query}"})
        found = page_file("".join(names))
        if found is None:
            return _plain(404, f"The browser client has no file {names[0]!r}.")
        content, kind = found
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)

    async def _add_fault(self, request: web.BaseRequest) -> web.Response:
        try:
            wish = json.loads(await _body(request) or b"{}")
            match = wish.pop("match", {})
            fault = self._faults.add(wish.pop("step"), wish.pop("action"), **wish, **match)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            return _plain(400, f"That is no fault: {error}")
        return web.json_response(fault.to_dict(), status=201)

    async def _stream_events(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            after = int(request.rel_url.query.get("after", "0"))
        except ValueError:
            return _plain(400, "after= takes the sequence number of an event.")
        follow = request.rel_url.query.get("follow", "1") != "0"
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        loop = asyncio.get_running_loop()
        more = asyncio.Event()

        def tell(_: Event) -> None:
            loop.call_soon_threadsafe(more.set)

        end = self._log.subscribe(tell) if follow else lambda: None
        self._streams.add(more)
        try:
            while True:
                more.clear()
                events = self._log.after(after)
                if events:
                    after = events[-1].seq
                    lines = "".join(json.dumps(event.to_dict()) + "\n" for event in events)
                    await response.write(lines.encode())
                if not follow or self._runner is None:
                    break
                await more.wait()
            await response.write_eof()
        except ConnectionError:
            pass  # the reader has left
        finally:
            end()
            self._streams.discard(more)
        return response


async def _body(request: web.BaseRequest) -> bytes:
    """A request's body, which its client may hold back until it is told to go on.

    RFC 9110, 10.1.1: a server "MUST send either" 100 (Continue) or a final status; an expectation of
    HTTP/1.0 "MUST" be ignored.

    Raises:
        HTTPRequestEntityTooLarge: more than :data:`LARGEST_REQUEST` bytes; the client is not told to go on.
    """
    if (size := request.content_length or 0) > LARGEST_REQUEST:
        raise web.HTTPRequestEntityTooLarge(LARGEST_REQUEST, size)
    expects = request.headers.get("Expect", "").lower() == "100-continue"
    if expects and request.version >= HttpVersion11 and request.can_read_body:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # nothing of the answer is sent yet
    return await request.read()


async def _while_connected(request: web.BaseRequest, work: Coroutine[Any, Any, T]) -> T:
    """What comes of the work, unless the client goes away before; then the work is cancelled.

    Raises:
        ConnectionResetError: the client has gone.
    """
    connection, task = request.protocol, asyncio.ensure_future(work)
    if not isinstance(connection, _Connection):
        return await task
    connection.lost = task.cancel
    try:
        return await task
    except asyncio.CancelledError:
        if connection.transport is None:
            raise ConnectionResetError("the client has gone") from None
        task.cancel()
        raise
    finally:
        connection.lost = None


class _Connection(RequestHandler):
    """A connection of aiohttp's whose refusals are JSON, and reach the event log instead of a logger.

    Attributes:
        lost: called when the client goes away while it is answered.
    """

    __slots__ = ("lost",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lost: Callable[[], object] | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes; where they cease to be HTTP within a body, whoever reads it is told.

        aiohttp keeps the error for when the request is answered, which its body would be awaited for.
        """
        super().data_received(data)
        wrong = self._messages[-1][0] if self._messages else None
        if isinstance(wrong, _ErrInfo):
            bodies = [body for _, body in self._messages]
            if self._current_request is not None:
                bodies.append(self._current_request.content)
            for body in bodies:
                if not body.is_eof():
                    body.set_exception(wrong.exc)
                    body.feed_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell whoever answers; and end what reads on behind a refusal, which aiohttp forgets."""
        reading = self._task_handler if self._current_request is None else None
        super().connection_lost(exc)
        if reading is not None:
            reading.cancel()
        if self.lost is not None:
            self.lost()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer bytes that are no request, or a body that is not what its head says."""
        if request.writer.output_size > 0:
            raise ConnectionError("half an answer is sent")
        said = message or getattr(exc, "message", "") or str(exc) or type(exc).__name__
        what = said.strip().partition("\n")[0].rstrip(":")
        refusal = f"What was sent is no HTTP request that can be read: {what}."
        if isinstance(self._manager, _Listener):
            self._manager.refused(refusal)
        answer = _plain(400, refusal)
        answer.force_close()
        return answer


class _Listener(web.Server):
    """aiohttp's server, with connections of the class above.

    Attributes:
        refused: told of each refusal.
    """

    refused: Callable[[str], None]

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


def _answer(response: AwsResponse) -> web.Response:
    answer = web.Response(status=response.status, body=response.body)
    for name, value in response.headers.items():
        if name.lower() not in _HOP_BY_HOP:
            answer.headers[name] = value
    return answer


def _plain(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
