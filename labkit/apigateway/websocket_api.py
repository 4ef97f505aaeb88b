"""WebSocket APIs: the opening handshake, messages on their way to functions, the end of connections.

The rules are elsewhere (:mod:`labkit.apigateway.handshake`, ``routes``, ``events``, ``integrations``,
``limits``); this module joins them to sockets, functions, faults and the event log.

Source: "About WebSocket APIs in API Gateway" and the chapters that it leads to.  In short:

- The ``$connect`` integration runs while the upgrade is pending.  Only after a 2xx does the
  connection exist; any other status becomes the handshake's.  Without a ``$connect`` route everybody
  is accepted.
- Each message is handled on its own, so that messages of one connection overlap.  The client hears
  of a function's answer only if the route has a route response, and of errors always; the connection
  stays open.
- ``$disconnect`` runs once, after the connection has ended, whoever ended it.

Our choices, where AWS documents nothing: 500 for an integration that cannot be invoked and 504 for one
that takes too long, both during ``$connect``; 1006 when the TCP connection is lost; the spacing of
error frames.

Not emulated: IAM authorization.  Who uses it gets a ``cloud.warning`` in the event log, and the handshake
fails instead of passing unchecked.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from aiohttp import web

from labkit.apigateway import events
from labkit.apigateway.access_log import AccessLogs, Write
from labkit.apigateway.admission import Admission
from labkit.apigateway.api_key import ApiKey
from labkit.apigateway.connection import ClientDoesNotRead, Connection, State, Upgraded, upgrade
from labkit.apigateway.data_mapping import RouteRequest
from labkit.apigateway.events import Origin
from labkit.apigateway.handshake import (
    BAD_REQUEST_BODY,
    FORBIDDEN,
    INTERNAL_SERVER_ERROR,
    TIMED_OUT,
    TOO_MANY_REQUESTS,
    Refused,
    check,
    switching_protocols,
)
from labkit.apigateway.integrations import (
    FunctionFailed,
    IntegrationProblem,
    NotEmulated,
    OutOfForm,
)
from labkit.apigateway.limits import AWS, Limits
from labkit.apigateway.management_api import ManagementApi
from labkit.apigateway.model import CallAws, Invoke, Protocol, Route, Stage
from labkit.apigateway.request_model import misfit
from labkit.apigateway.route_integrations import RouteIntegrations
from labkit.apigateway.routes import CONNECT, DEFAULT, DISCONNECT, select
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog, shorten
from labkit.faults import Action, Faults
from labkit.trace import HEADER, Trace
from labkit.wire import AwsResponse, as_text

GOING_AWAY = (1001, "Going away")
"""Code and reason of a connection that was idle for too long (captured) or has lasted too long."""

T = TypeVar("T")


def error_frame(
    message: str, connection_id: str, request_id: str, *, id_name: str = "requestId"
) -> bytes:
    """What a client receives when its message could not be handled."""
    return (
        f'{{"message": "{message}", "connectionId":"{connection_id}", "{id_name}":"{request_id}"}}'
    ).encode()


class WebSocketApis:
    """All WebSocket APIs of a cloud, and the connections to them.

    Everything happens on one event loop; call it from there only.

    Args:
        log: where everything is written that happens.
        faults: asked at the steps ``handshake``, ``frame.in``, ``frame.out``, ``connection`` and
            ``management``.
        clock: scales the idle and the duration limit.
        stage: which stage of which API serves now.
        invoke: runs a function.
        call_aws: calls an action of an AWS service.
        api_keys: the API keys of an account in a region.
        write_logs: writes an access log: account, region, group, stream and its lines.
        limits: what a connection may do.

    Attributes:
        connections: the connections that are open, by id.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        faults: Faults,
        clock: Clock,
        stage: Callable[[str, str], Stage | None],
        invoke: Invoke,
        call_aws: CallAws,
        api_keys: Callable[[str, str], Iterable[ApiKey]] = lambda account, region: (),
        write_logs: Write = lambda account, region, group, stream, lines: None,
        limits: Limits = AWS,
    ) -> None:
        self._log = log
        self._faults = faults
        self._clock = clock
        self._stage = stage
        self._limits = limits
        self._integrations = RouteIntegrations(
            invoke=invoke, call_aws=call_aws, limits=limits, warn=self._warn
        )
        self._admission = Admission(
            invoke=invoke, api_keys=api_keys, limits=limits, warn=self._warn
        )
        self._access_logs = AccessLogs(write=write_logs, warn=lambda text: self._warn(None, text))
        self._epoch = time.time() - time.monotonic()
        self._connections: dict[str, Connection] = {}
        self.connections: Mapping[str, Connection] = MappingProxyType(self._connections)
        self._sockets: set[Connection] = set()
        self._all_gone: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leaving: deque[tuple[Connection, int, str, Trace]] = deque()
        self._farewells = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._management = ManagementApi(
            log=log,
            faults=faults,
            limits=limits,
            stage=stage,
            connections=self.connections,
            send=self._send,
            time=self._time,
        )

    async def manage(
        self,
        method: str,
        api_id: str,
        stage: str,
        connection_id: str,
        body: bytes,
        *,
        trace: Trace | None = None,
        signed: bool,
    ) -> AwsResponse:
        """Answer a call to ``@connections``.

        Args:
            method: ``POST``, ``GET`` or ``DELETE``.
            api_id: the API that is addressed.
            stage: the stage that is addressed.
            connection_id: the connection's id, percent-decoded.
            body: the data to send.
            trace: the caller's trace.
            signed: whether the call carries a signature.

        Returns:
            AWS's answer, an error included.
        """
        return await self._management.answer(
            method, api_id, stage, connection_id, body, trace, signed
        )

    def drop(self, connection_id: str) -> None:
        """Cut a connection's socket without a close frame; nothing if there is none."""
        connection = self._connections.get(connection_id)
        if connection is not None:
            connection.cut()

    def suffer(self, connection_id: str) -> None:
        """Let a fault that was set for a connection cut it now; nothing if there is none."""
        connection = self._connections.get(connection_id)
        if connection is not None:
            self._cut_by_fault(connection, None)

    def close_api(self, api_id: str, stage: str | None = None) -> None:
        """Close all connections of an API, or of one of its stages, as when they have been idle.

        Args:
            api_id: the API's id.
            stage: the stage's name; ``None`` for all of them.
        """
        for connection in list(self._sockets):
            if connection.api_id == api_id and stage in (None, connection.stage_name):
                connection.hang_up(*GOING_AWAY)

    async def stop(self) -> None:
        """Close all connections, without ``$disconnect``, and end everything that runs.

        Idempotent.  Call it before the HTTP server is closed, which knows nothing of connections.
        """
        self._all_gone = asyncio.Event()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._sockets):
            connection.hang_up(*GOING_AWAY)
        self._leaving.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._access_logs.stop()
        if self._sockets:
            await self._all_gone.wait()

    # -- the opening handshake -------------------------------------------------------------------

    async def handshake(
        self, request: web.BaseRequest, api_id: str, stage_name: str
    ) -> web.StreamResponse:
        """Answer a request to open a connection.

        Args:
            request: the HTTP request.
            api_id: the API that is addressed.
            stage_name: the stage that is addressed.

        Returns:
            The refusal, or :class:`~labkit.apigateway.connection.Upgraded`: then the connection is
            open, and aiohttp has nothing to do with it any more.
        """
        started = time.monotonic()
        connection_id, request_id = events.new_id(), events.new_id()
        where = {"api": api_id, "stage": stage_name, "connection": connection_id}
        trace = self._begin(Trace.parse(request.headers.get(HEADER)))
        trace = trace.after(self._log.append("handshake.request", trace, **where).seq)
        origin = Origin(
            connection_id,
            self._time(started),
            sys.intern(request.remote or "127.0.0.1"),
            sys.intern(_user_agent(request)),
        )
        stage: Stage | None = None
        status, problem = 200, ""
        try:
            stage = await self._admit(request, api_id, stage_name, trace)
            self._admission.count(stage)
            origin, subprotocol = await self._connect(request, stage, origin, request_id, trace)
            head = switching_protocols(request.headers["Sec-WebSocket-Key"], subprotocol)

            def connection(transport: asyncio.Transport) -> Connection:
                return self._open(transport, origin, api_id, stage_name, trace)

            opened = upgrade(request, head, connection)
            if opened is None:
                raise Refused(499, "the client has gone while the handshake was pending")
        except Refused as refused:
            status, problem = refused.status, refused.reason
            self._log.append("handshake.refused", trace, **where, status=status, reason=problem)
            return web.Response(
                status=status,
                text=refused.body(connection_id, request_id),
                content_type="application/json",
                charset="UTF-8",
                headers={"x-amz-apigw-id": request_id},
            )
        finally:
            if stage is not None:
                self._record(stage, origin, CONNECT, "CONNECT", request_id, status, problem)
        return Upgraded()

    async def _admit(
        self, request: web.BaseRequest, api_id: str, stage_name: str, trace: Trace
    ) -> Stage:
        """The stage that a request addresses, if it may be asked at all."""
        if self._all_gone is not None:
            raise Refused(503, "the local cloud is stopping")
        fault = self._faults.strike("handshake", trace, api=api_id, stage=stage_name)
        if fault is not None:
            if fault.action is Action.DELAY:
                await asyncio.sleep(fault.seconds)
            elif fault.action is Action.THROTTLE:
                raise Refused(429, "a fault that was set: throttled")
            elif fault.action is Action.ERROR:
                raise Refused(fault.status, f"a fault that was set: {fault.code}")
        stage = self._stage(api_id, stage_name)
        if stage is None or stage.api.protocol is not Protocol.WEBSOCKET:
            raise Refused(
                403,
                f"no stage {stage_name!r} of a WebSocket API {api_id!r} serves: either there is "
                "none, or nothing is deployed to it",
            )
        url = f"wss://{stage.api.domain_name}/{stage_name}?{_query(request)}"
        check(request.method, request.headers, url, self._limits.url)
        return stage

    async def _connect(
        self, request: web.BaseRequest, stage: Stage, origin: Origin, request_id: str, trace: Trace
    ) -> tuple[Origin, str | None]:
        """Run the ``$connect`` route: who has come, and the subprotocol that it accepts."""
        route = stage.api.routes.get(CONNECT)
        if route is None:
            return origin, None
        try:
            origin = await self._admission.admit(
                request, stage, route, origin, request_id=request_id, now=self._now(), trace=trace
            )
            event = events.connect_event(
                stage,
                origin,
                request_id=request_id,
                now=self._now(),
                headers=as_text(request.headers.items()),
                query=_query(request),
                trace_root=trace.root,
            )
            answer = await self._integrations.run_within(stage, route, event, trace)
            subprotocol = answer.subprotocol
        except TimeoutError:
            raise Refused(504, "the $connect integration took too long") from None
        except AwsError as error:
            raise Refused(500, f"the $connect integration could not be invoked: {error}") from error
        except (NotEmulated, IntegrationProblem) as error:
            self._warn(trace, f"Route {route.key!r}: {error}")
            raise Refused(500, str(error)) from error
        except FunctionFailed as error:
            raise Refused(502, "the $connect function failed") from error
        except OutOfForm as error:
            self._warn(trace, _malformed(route, error))
            raise Refused(502, f"the $connect function's answer is malformed: {error}") from error
        if not 200 <= answer.status < 300:
            why = f"the $connect function answered {answer.status}"
            raise Refused(answer.status, why, answer.body)
        return origin, subprotocol

    def _open(
        self,
        transport: asyncio.Transport,
        origin: Origin,
        api_id: str,
        stage_name: str,
        trace: Trace,
    ) -> Connection:
        """The connection that exists from now on."""
        now = time.monotonic()
        connection = Connection(
            self,
            self._limits,
            transport,
            origin,
            sys.intern(api_id),
            sys.intern(stage_name),
            now,
        )
        self._sockets.add(connection)
        self._connections[connection.id] = connection
        self._log.append(
            "connection.opened", trace, api=api_id, stage=stage_name, connection=connection.id
        )
        if self._sweeper is None:
            self._sweep()
        return connection

    # -- messages --------------------------------------------------------------------------------

    def received(self, connection: Connection, message: str, size: int) -> None:
        """A message has arrived (the connection calls this)."""
        connection.active = time.monotonic()
        trace = Trace.new()
        seen = self._log.append(
            "frame.in", trace, connection=connection.id, size=size, body=shorten(message)
        )
        trace = trace.after(seen.seq)
        if self._cut_by_fault(connection, trace):
            return
        if connection.running < self._limits.at_once:
            connection.running += 1
            self._start(self._handle(connection, message, trace))
            return
        if connection.backlog is None:
            connection.backlog = deque()
            connection.pause()
        connection.backlog.append((message, trace))

    async def _handle(self, connection: Connection, message: str, trace: Trace) -> None:
        """Handle a message, and the one that has waited longest behind it."""
        request_id = events.new_id()
        try:
            await self._answer(connection, message, request_id, trace)
        except Exception as error:
            self._log.append(
                "cloud.error",
                trace,
                message=f"A message could not be handled: {type(error).__name__}: {error}",
                detail=traceback.format_exc(),
            )
            self._report(connection, INTERNAL_SERVER_ERROR, request_id, trace)
        self._log.append("message.handled", trace, connection=connection.id)
        backlog = connection.backlog
        if backlog:
            self._start(self._handle(connection, *backlog.popleft()))
            return
        connection.running -= 1
        if backlog is not None:
            connection.backlog = None
            connection.resume()

    async def _answer(
        self, connection: Connection, message: str, request_id: str, trace: Trace
    ) -> None:
        stage = self._stage(connection.api_id, connection.stage_name)
        api = stage.api if stage is not None else None
        key = select(api.route_selection_expression, message, api.routes) if api else None
        twice = False
        fault = self._faults.strike(
            "frame.in", trace, connection=connection.id, api=connection.api_id, route=key
        )
        if fault is not None:
            if fault.action is Action.DROP:
                return
            if fault.action is Action.DELAY:
                await asyncio.sleep(fault.seconds)
            twice = fault.action is Action.DUPLICATE
        if stage is None or key is None:
            self._report(connection, FORBIDDEN, request_id, trace)
            if stage is not None:
                self._record_message(connection, stage, "", request_id, 403, FORBIDDEN)
            return
        if not self._admission.takes(stage, key):
            self._report(connection, TOO_MANY_REQUESTS, request_id, trace)
            self._record_message(connection, stage, key, request_id, 429, TOO_MANY_REQUESTS)
            return
        selected = self._log.append("route.selected", trace, connection=connection.id, route=key)
        trace = trace.after(selected.seq)
        route = stage.api.routes[key]
        if twice:
            again = self._integrate(connection, stage, route, message, events.new_id(), trace)
            self._start(again)
        await self._integrate(connection, stage, route, message, request_id, trace)

    async def _integrate(
        self,
        connection: Connection,
        stage: Stage,
        route: Route,
        message: str,
        request_id: str,
        trace: Trace,
    ) -> None:
        """Run the integration of a message's route, and tell the client what it is to hear."""
        if route.authorization_type != "NONE":
            self._warn(
                trace,
                f"Route {route.key!r} has an authorizer, which has no effect: WebSocket APIs ask one "
                "for $connect only.",
            )
        if route.raw.get("ApiKeyRequired"):
            self._warn(
                trace,
                f"Route {route.key!r} requires an API key, which the local cloud checks for $connect "
                "only.",
            )
        message_id = events.new_id()
        event = events.message_event(
            stage,
            connection.origin,
            route_key=route.key,
            message_id=message_id,
            request_id=request_id,
            now=self._now(),
            body=message,
        )
        late = False
        status, problem = 200, ""

        def time_out() -> None:
            nonlocal late
            late = True
            self._report(connection, TIMED_OUT, request_id, trace)

        timer: asyncio.TimerHandle | None = None
        try:
            if route.raw.get("RequestModels"):
                seen = RouteRequest.of(event, stage.settings.variables)
                if why := misfit(stage.api, route, seen):
                    status, problem = 400, why
                    frame = error_frame(
                        BAD_REQUEST_BODY, connection.id, message_id, id_name="messageId"
                    )
                    self._tell(connection, frame, trace)
                    return
            seconds = self._integrations.seconds(stage, route)
            # Only a timer: the function goes on after it, as on AWS, and so does this coroutine.
            timer = asyncio.get_running_loop().call_later(seconds, time_out)
            answer = await self._integrations.run(stage, route, event, trace)
        except (AwsError, FunctionFailed) as error:
            status, problem = 500, str(error)
            if not late:  # the log has the function's own error
                self._report(connection, INTERNAL_SERVER_ERROR, request_id, trace)
        except (NotEmulated, IntegrationProblem) as error:
            status, problem = 500, str(error)
            self._warn(trace, f"Route {route.key!r}: {error}")
            if not late:
                self._report(connection, INTERNAL_SERVER_ERROR, request_id, trace)
        except OutOfForm as error:
            status, problem = 500, str(error)
            self._warn(trace, _malformed(route, error))
            if not late:
                self._report(connection, INTERNAL_SERVER_ERROR, request_id, trace)
        else:
            if not late and answer.body is not None and DEFAULT in route.response_keys:
                self._tell(connection, answer.body.encode("utf-8", "replace"), trace)
        finally:
            if timer is not None:
                timer.cancel()
            if late:
                status, problem = 504, TIMED_OUT
            self._record_message(
                connection, stage, route.key, request_id, status, problem, message_id
            )

    def _report(self, connection: Connection, message: str, request_id: str, trace: Trace) -> None:
        """Tell a client that its message could not be handled."""
        self._tell(connection, error_frame(message, connection.id, request_id), trace)

    def _tell(self, connection: Connection, message: bytes, trace: Trace) -> None:
        """Send what API Gateway itself has to say; a client that does not read misses it."""
        try:
            self._send(connection, message, trace)
        except ClientDoesNotRead as error:
            self._warn(trace, f"A message to {connection.id} was given up: {error}.")

    def _send(self, connection: Connection, message: bytes, trace: Trace | None) -> bool:
        """Send a message to a client; ``False`` if the connection is gone.

        Raises:
            ClientDoesNotRead: too much is unsent already.
        """
        if connection.state is State.ENDED or self._cut_by_fault(connection, trace):
            return False
        fault = self._faults.strike(
            "frame.out", trace, connection=connection.id, api=connection.api_id
        )
        if fault is not None:
            if fault.action is Action.DROP:
                return True
            if fault.action is Action.DELAY:
                self._start(self._send_later(connection, message, trace, fault.seconds))
                return True
            if fault.action is Action.DUPLICATE:
                self._write(connection, message, trace)
        self._write(connection, message, trace)
        return True

    def _write(self, connection: Connection, message: bytes, trace: Trace | None) -> None:
        text = message.decode("utf-8", "replace")
        if "\ufffd" in text:
            message = text.encode()
        connection.send(message)
        connection.active = time.monotonic()
        self._log.append(
            "frame.out", trace, connection=connection.id, size=len(message), body=shorten(text)
        )

    async def _send_later(
        self, connection: Connection, message: bytes, trace: Trace | None, seconds: float
    ) -> None:
        await asyncio.sleep(seconds)
        if connection.state is State.OPEN:
            try:
                self._write(connection, message, trace)
            except ClientDoesNotRead as error:
                self._warn(trace, f"A message to {connection.id} was given up: {error}.")

    def _cut_by_fault(self, connection: Connection, trace: Trace | None) -> bool:
        fault = self._faults.strike(
            "connection", trace, Action.DROP, connection=connection.id, api=connection.api_id
        )
        if fault is None:
            return False
        connection.cut()
        return True

    # -- the end of connections ------------------------------------------------------------------

    def ended(self, connection: Connection, code: int, reason: str, trace: Trace | None) -> None:
        """A connection is over (the connection calls this): ``$disconnect`` is due."""
        del self._connections[connection.id]
        trace = trace or Trace.new()
        closed = self._log.append(
            "connection.closed", trace, connection=connection.id, code=code, reason=reason
        )
        if self._all_gone is not None:
            return  # the cloud is stopping, and its functions with it
        self._leaving.append((connection, code, reason, trace.after(closed.seq)))
        if self._farewells < self._limits.farewells:
            self._farewells += 1
            self._start(self._say_farewells())

    def gone(self, connection: Connection) -> None:
        """A connection's socket is closed (the connection calls this)."""
        self._sockets.discard(connection)
        if self._all_gone is not None and not self._sockets:
            self._all_gone.set()

    async def _say_farewells(self) -> None:
        """Run ``$disconnect`` for those who leave, one after the other."""
        try:
            while self._leaving:
                connection, code, reason, trace = self._leaving.popleft()
                await self._disconnect(connection, code, reason, trace)
                self._log.append("disconnect.handled", trace, connection=connection.id)
        finally:
            self._farewells -= 1

    async def _disconnect(
        self, connection: Connection, code: int, reason: str, trace: Trace
    ) -> None:
        stage = self._stage(connection.api_id, connection.stage_name)
        route = stage.api.routes.get(DISCONNECT) if stage is not None else None
        if stage is None or route is None:
            return
        request_id = events.new_id()
        event = events.disconnect_event(
            stage,
            connection.origin,
            request_id=request_id,
            now=self._now(),
            code=code,
            reason=reason,
        )
        problem = ""
        try:
            await self._integrations.run_within(stage, route, event, trace)
        except (AwsError, FunctionFailed, OutOfForm, TimeoutError) as error:
            # nobody is left to be told; the log has what the function said
            problem = str(error) or TIMED_OUT
        except (NotEmulated, IntegrationProblem) as error:
            problem = str(error)
            self._warn(trace, f"Route {route.key!r}: {error}")
        except Exception as error:
            problem = INTERNAL_SERVER_ERROR
            self._log.append(
                "cloud.error",
                trace,
                message=f"$disconnect could not be run: {type(error).__name__}: {error}",
                detail=traceback.format_exc(),
            )
        status = 500 if problem else 200
        self._record(
            stage, connection.origin, DISCONNECT, "DISCONNECT", request_id, status, problem
        )

    def _sweep(self) -> None:
        """End connections that are idle or have lasted too long; come back when the next is due.

        A connection that opens later is due later than all that are there, and activity only
        postpones: so the next moment is known exactly, and one timer does for all of them.
        """
        idle = self._clock.real(self._limits.idle)
        duration = self._clock.real(self._limits.duration)
        now = time.monotonic()
        next_due = now + min(idle, duration)
        for connection in list(self._connections.values()):
            due = min(connection.active + idle, connection.opened + duration)
            if due <= now:
                connection.close(*GOING_AWAY)
            else:
                next_due = min(next_due, due)
        self._sweeper = None
        if self._connections:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(next_due - now, self._sweep)

    # -- access logs -----------------------------------------------------------------------------

    def _record_message(
        self,
        connection: Connection,
        stage: Stage,
        route_key: str,
        request_id: str,
        status: int,
        problem: str,
        message_id: str = "",
    ) -> None:
        origin, more = connection.origin, {"messageId": message_id}
        self._record(stage, origin, route_key, "MESSAGE", request_id, status, problem, more)

    def _record(
        self,
        stage: Stage,
        origin: Origin,
        route_key: str,
        event_type: str,
        request_id: str,
        status: int,
        problem: str,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a line of the stage's access log, if it has one."""
        if not stage.settings.raw.get("AccessLogSettings"):
            return
        now = self._now()
        context = events.request_context(
            stage, origin, route_key, event_type, request_id, now, more
        )
        context["status"] = status
        if problem:
            context["error"] = {"message": problem, "messageString": json.dumps(problem)}
        self._access_logs.record(stage, context, now)

    # -- small things ----------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _begin(self, sent: Trace | None) -> Trace:
        """The trace of a handshake: the client's own if it sent one, as with AWS X-Ray.

        A client's ``Parent`` is an event of this log only if there is such an event.
        """
        if sent is None:
            return Trace.new()
        known = sent.cause is not None and sent.cause <= self._log.last
        return sent if known else Trace(sent.root)

    def _warn(self, trace: Trace | None, message: str) -> None:
        self._log.append("cloud.warning", trace, message=message)

    def _time(self, moment: float) -> int:
        """Milliseconds since the epoch of a moment by ``time.monotonic``."""
        return int((self._epoch + moment) * 1000)

    def _now(self) -> int:
        return self._time(time.monotonic())


def _malformed(route: Route, error: OutOfForm) -> str:
    return (
        f"The answer of the function behind route {route.key!r} is not what API Gateway expects of "
        f'it: {error}. Return {{"statusCode": 200}}, with a body if there is one.'
    )


def _query(request: web.BaseRequest) -> str:
    return request.raw_path.partition("?")[2]


def _user_agent(request: web.BaseRequest) -> str:
    ((_, agent),) = as_text([("User-Agent", request.headers.get("User-Agent", ""))])
    return agent
