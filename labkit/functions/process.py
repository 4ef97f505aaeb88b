"""One process of a function: an execution environment, in AWS's words.

::

    STARTING ──/next──▶ READY ──invoke──▶ RUNNING ──/response──▶ RETURNED ──/next──▶ READY …
        └──────────────────────────────────┴──────── any exit ──────────▶ ENDED

It serves one invocation at a time and keeps what the handler's module keeps between them.  While it
is READY it is frozen (SIGSTOP), as on AWS: "Lambda freezes the execution environment" when the
runtime asks for the next invocation, so a thread that a handler leaves behind goes on only during a
later one.

Source: "Lambda execution environment lifecycle" in the AWS Lambda developer guide.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from labkit.functions import outcome as outcomes
from labkit.functions import runtime_api
from labkit.functions.forks import POSIX, Child
from labkit.functions.log_stream import Lines, LogStream
from labkit.functions.outcome import Outcome
from labkit.functions.runtime_api import Call, Event, Parser, Request
from labkit.trace import Trace

STOP = getattr(signal, "SIGSTOP", None)
CONTINUE = getattr(signal, "SIGCONT", None)

FREEZE_AFTER = 0.01
"""Seconds without an invocation after which a process is frozen, or a little more.

Stopping and continuing a process costs as much as an echo; a process that gets one invocation after
the other, in turns with a second one, is not stopped between them.  AWS does not say how soon it
freezes."""

MEMORY_KNOWN = 0.05
"""Seconds for which a process's use of memory is taken for known."""

GRACE = 0.5
"""Seconds that a runtime whose answer was refused has to end by itself."""


class State(Enum):
    """What a process does."""

    STARTING = auto()
    READY = auto()
    RUNNING = auto()
    RETURNED = auto()
    ENDED = auto()


@dataclass(eq=False, slots=True)
class Running:
    """The invocation that a process is busy with.

    Attributes:
        event: what the runtime got.
        trace: the trace that what the function does belongs to.
        began: when, on the performance counter.
        outcome: resolved when the runtime has answered or the process is gone.
        duration_ms: how long it took, once it is over.
        lines: what it has written to the log.
        timer: strikes at the time-out.
    """

    event: Event
    trace: Trace
    began: float
    outcome: asyncio.Future[Outcome]
    duration_ms: float = 0.0
    lines: list[str] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


@dataclass(eq=False)
class Process:
    """One process of a function, from its start to its end.

    Args:
        stream: where its log goes.
        on_ready: called whenever it can take an invocation.
        on_lines: called with lines of its log, between and during invocations.
        on_outcome: called when an invocation is over, before the next one can begin.
        on_end: called once, when it is gone, with the reason.

    Attributes:
        state: see the module's picture.
        child: the operating system's process, once there is one.
        began: when it was started, on the performance counter.
        init_ms: how long initialisation took, once it is over.
        served: how many invocations it has been given.
        returned: when it last answered, on the performance counter.
        failure: if initialisation failed, what an invocation with this id gets.
        init_lines: what it has written to the log before its first invocation.
        running: the invocation that it is busy with.
        retired: it is ended on purpose; its end is no failure.
        frozen: it is stopped.
    """

    stream: LogStream
    on_ready: Callable[[Process], None]
    on_lines: Callable[[Process, list[str]], None]
    on_outcome: Callable[[Process, Running, Outcome], None]
    on_end: Callable[[Process, str], None]
    state: State = State.STARTING
    child: Child | None = None
    began: float = field(default_factory=time.perf_counter)
    init_ms: float | None = None
    served: int = 0
    returned: float = 0.0
    failure: Callable[[str], Outcome] | None = None
    init_lines: list[str] = field(default_factory=list)
    running: Running | None = None
    retired: bool = False
    frozen: bool = False
    _memory: Memory | None = None
    _memory_mb: int = 0
    _memory_due: float = 0.0
    _next: Connection | None = None
    _early: Connection | None = None
    _freezer: asyncio.TimerHandle | None = None
    _rests_since: float = 0.0
    _refused: bool = False
    _reason: str = ""
    _output: Output | None = None
    _server: asyncio.Server | None = None
    _connections: set[Connection] = field(default_factory=set)
    _init_timer: asyncio.TimerHandle | None = None

    async def listen(self) -> str:
        """Open the Runtime API of this process.

        Returns:
            ``host:port``.
        """
        # asyncio turns Nagle's algorithm off only for sockets that say they are TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.bind(("127.0.0.1", 0))
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Connection(self), sock=listener, backlog=8
            )
        except BaseException:
            listener.close()
            raise
        host, port = listener.getsockname()
        return f"{host}:{port}"

    def run(self, child: Child, output: Output, init_seconds: float) -> None:
        """Take charge of the operating system's process.

        Args:
            child: the process.
            output: what it writes.
            init_seconds: how long initialisation may take.
        """
        self.child = child
        self._memory = Memory(child.pid)
        self._output = output
        output.attach(lambda: self._drain(final=False))
        child.on_exit = self._exited
        if child.exit is not None:
            self._exited(child.exit)
            return
        if self.state is State.STARTING:
            loop = asyncio.get_running_loop()
            self._init_timer = loop.call_later(init_seconds, self._init_timed_out)
        if self._early is not None:
            early, self._early = self._early, None
            self._asked_for_next(early)

    def abandon(self) -> None:
        """Give up a process that could not be started."""
        self.state = State.ENDED
        self._close()

    # -- invoking -----------------------------------------------------------------------------

    def invoke(self, event: Event, trace: Trace, timeout: float) -> Running:
        """Give the process an invocation.  It must be READY.

        Args:
            event: what the runtime gets.
            trace: the trace that what the function does belongs to.
            timeout: seconds until it is killed.

        Returns:
            The invocation; its ``outcome`` always comes.
        """
        assert self.state is State.READY
        assert self._next is not None
        loop = asyncio.get_running_loop()
        running = Running(event, trace, time.perf_counter(), loop.create_future())
        self.running = running
        self.served += 1
        self.state = State.RUNNING
        self._thaw()
        connection, self._next = self._next, None
        connection.send(runtime_api.invocation(event, time.time() + timeout))
        running.timer = loop.call_later(timeout, self._timed_out, timeout)
        return running

    def rest(self) -> None:
        """Have it stopped in a moment, until its next invocation."""
        loop = asyncio.get_running_loop()
        self._rests_since = loop.time()
        # One timer for many invocations: it looks how long the process has rested when it strikes.
        if self._freezer is None and STOP is not None:
            self._freezer = loop.call_later(FREEZE_AFTER, self._freeze)

    def _freeze(self) -> None:
        self._freezer = None
        if self.state is not State.READY or self.child is None or STOP is None:
            return
        loop = asyncio.get_running_loop()
        left = self._rests_since + FREEZE_AFTER - loop.time()
        if left > 0:
            self._freezer = loop.call_later(left, self._freeze)
        else:
            self.frozen = self.child.signal(STOP)

    def _thaw(self) -> None:
        if self.frozen and self.child is not None and CONTINUE is not None:
            self.child.signal(CONTINUE)
        self.frozen = False

    def end(self, reason: str) -> None:
        """Kill the process.

        Args:
            reason: for the event log.
        """
        self._reason = self._reason or reason
        if self.child is not None:
            self.child.kill()

    def _finish(self, outcome: Outcome) -> None:
        running = self.running
        if running is None:
            return
        running.duration_ms = (time.perf_counter() - running.began) * 1000
        if running.timer is not None:
            running.timer.cancel()
        self._drain(final=True)
        self.running = None
        self.on_outcome(self, running, outcome)
        if not running.outcome.done():
            running.outcome.set_result(outcome)

    def _timed_out(self, seconds: float) -> None:
        if self.running is not None:
            self.used_memory()
            self.end("timeout")
            self._finish(outcomes.timed_out(self.running.event.request_id, seconds, time.time()))

    def _init_timed_out(self) -> None:
        if self.state is State.STARTING:
            duration = (time.perf_counter() - self.began) * 1000
            self.on_lines(self, [outcomes.init_report_line(duration, "timeout")])
            self.end("init timeout")

    def _exited(self, code: int) -> None:
        if self.state is State.ENDED:
            return
        starting = self.state is State.STARTING
        self.state = State.ENDED
        for timer in (self._init_timer, self._freezer):
            if timer is not None:
                timer.cancel()
        self._drain(final=True)
        if starting and self.failure is None and self._reason != "init timeout":
            duration = (time.perf_counter() - self.began) * 1000
            self.failure = lambda request_id: outcomes.exited(request_id, code)
            line = outcomes.init_report_line(duration, "error", "Runtime.ExitError")
            self.on_lines(self, [line])
        if self.running is not None:
            self._finish(outcomes.exited(self.running.event.request_id, code))
        self._close()
        self.on_end(self, self._reason or outcomes.exit_reason(code))

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        if self._output is not None:
            self._output.close()
        if self._memory is not None:
            self._memory.close()

    # -- the Runtime API ----------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        """A runtime has opened a connection."""
        self._connections.add(connection)

    def disconnected(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if self._next is connection:
            # It does not wait for an invocation any more; it may ask again.
            self._next = None
            if self.state is State.READY:
                self._returned()
                self._thaw()  # or it could neither ask again nor end

    def requested(self, connection: Connection, request: Request) -> None:
        """Answer a runtime's request."""
        if runtime_api.is_from_a_page(request.headers):
            connection.send(runtime_api.NO_PAGE)
            return
        match runtime_api.call_of(request.method, request.path):
            case (Call.NEXT, _):
                self._asked_for_next(connection)
            case (Call.RESPONSE, str(request_id)):
                connection.send(self._answered(request_id, request, failed=False))
            case (Call.ERROR, str(request_id)):
                connection.send(self._answered(request_id, request, failed=True))
            case (Call.INIT_ERROR, _):
                connection.send(self._init_failed(request.body))
            case int(status):
                connection.send(runtime_api.no_call(status, request))

    def _asked_for_next(self, connection: Connection) -> None:
        if self.state is State.RUNNING or self._next is not None or connection.refused:
            connection.send(runtime_api.WRONG_STATE)
            return
        if self.state is State.ENDED:
            connection.close()
            return
        if self._refused:  # AWS's runtimes end when an answer of theirs is refused
            asyncio.get_running_loop().call_later(GRACE, self.end, "answer too large")
            return
        if self.child is None:  # it is faster than the news of its start
            self._early = connection
            return
        if self.state is State.STARTING:
            self.init_ms = (time.perf_counter() - self.began) * 1000
            if self._init_timer is not None:
                self._init_timer.cancel()
            self._drain(final=False)
        self._next = connection
        self.state = State.READY
        self.on_ready(self)

    def _answered(self, request_id: str, request: Request, *, failed: bool) -> bytes:
        if self.running is None or self.state is not State.RUNNING:
            return runtime_api.WRONG_STATE
        if request_id != self.running.event.request_id:
            return runtime_api.WRONG_ID
        self._returned()
        if request.too_large:
            self._refused = True
            self._finish(outcomes.too_large())
            return runtime_api.TOO_LARGE
        self._finish(outcomes.failed(request.body) if failed else Outcome(request.body))
        return runtime_api.ACCEPTED

    def _returned(self) -> None:
        self.state = State.RETURNED
        self.returned = time.perf_counter()

    def _init_failed(self, payload: bytes) -> bytes:
        if self.state is not State.STARTING:
            return runtime_api.WRONG_STATE
        self._drain(final=True)
        outcome = outcomes.failed(payload)
        self.failure = lambda _: outcome
        duration = (time.perf_counter() - self.began) * 1000
        self.on_lines(self, [outcomes.init_report_line(duration, "error", outcome.error)])
        self._reason = f"init failed: {outcome.error}"
        return runtime_api.ACCEPTED

    # -- output and memory --------------------------------------------------------------------

    def _drain(self, *, final: bool) -> None:
        if self._output is not None and (lines := self._output.read(final=final)):
            self.on_lines(self, lines)

    def used_memory(self) -> int:
        """The most memory that it has used so far, in MB; 0 where that is not known.

        Looked up at most every :data:`MEMORY_KNOWN` seconds: it costs as much as a small function.
        """
        now = time.perf_counter()
        if self._memory is not None and now >= self._memory_due:
            self._memory_mb = max(self._memory_mb, self._memory.peak_mb())
            self._memory_due = now + MEMORY_KNOWN
        return self._memory_mb


class Memory:
    """How much memory a process has used at most, as Linux counts it.

    Args:
        pid: the process.
    """

    def __init__(self, pid: int) -> None:
        try:
            self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._status = -1

    def peak_mb(self) -> int:
        """Its largest resident set so far in MB; 0 if it has ended, or is not on Linux."""
        if self._status < 0:
            return 0
        try:
            status = os.pread(self._status, 4096, 0)
        except OSError:  # it has ended
            return 0
        at = status.find(b"VmHWM:")
        return int(status[at + 6 : at + 24].split()[0]) // 1024 if at >= 0 else 0

    def close(self) -> None:
        """Give the descriptor back."""
        if self._status >= 0:
            os.close(self._status)
            self._status = -1


class Connection(asyncio.Protocol):
    """A runtime's connection to the Runtime API of its process.

    Attributes:
        refused: an answer has just been refused, and more was asked together with it.  The runtime will
            end when it learns of that, so it gets no other invocation.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._parser = Parser()
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._more = False
        self._closing = False
        self.refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._process.connected(self)

    def data_received(self, data: bytes) -> None:
        """Read requests and have them answered."""
        try:
            requests = self._parser.feed(data)
        except runtime_api.BadRequest as error:
            self.send(runtime_api.refusal(400, "BadRequest", str(error), close=True))
            self.close()
            return
        self.refused = False
        for number, request in enumerate(requests, 1):
            self._more = number < len(requests)
            self._closing = not request.keep_alive
            self._process.requested(self, request)
        if self._parser.expects_continue:
            self._parser.expects_continue = False
            self.send(runtime_api.CONTINUE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the process."""
        self._process.disconnected(self)

    def send(self, data: bytes) -> None:
        """Send bytes to the runtime.

        A runtime that has asked for the next invocation already gets "accepted" together with that
        invocation: one system call and one wake-up less.
        """
        if self._more and data == runtime_api.ACCEPTED:
            self._held = data
            return
        if self._more and data in (runtime_api.WRONG_STATE, runtime_api.WRONG_ID):
            self.refused = True
        if self._transport is not None:
            self._transport.write(self._held + data if self._held else data)
            if self._closing:
                self._transport.close()
        self._held = b""

    def close(self) -> None:
        """End the connection once everything is sent."""
        if self._transport is not None:
            self._transport.close()


class Output:
    """What a process writes to its standard output and standard error, in one order.

    A pipe: what a function has written before it answers is in it when the answer arrives, so
    reading it empty at that moment loses nothing and mixes nothing up.  Where asyncio cannot watch
    pipes (Windows) it is a file.
    """

    def __init__(self) -> None:
        self._lines = Lines()
        self._watched = False
        if POSIX:
            self._source, self.target = os.pipe()
            os.set_blocking(self._source, False)
        else:  # pragma: no cover (Windows)
            handle, self._path = tempfile.mkstemp(prefix="labkit-", suffix=".log")
            self.target = handle
            self._source = os.open(self._path, os.O_RDONLY)

    def attach(self, readable: Callable[[], None]) -> None:
        """Let go of the process's end, and have ``readable`` called when there is output."""
        self._close_target()
        if POSIX:
            asyncio.get_running_loop().add_reader(self._source, readable)
            self._watched = True

    def read(self, *, final: bool) -> list[str]:
        """The lines that have been written; with ``final``, also the last one without an end."""
        lines: list[str] = []
        while self._source >= 0:
            try:
                data = os.read(self._source, 65_536)
            except BlockingIOError:
                break
            if not data:
                self._unwatch()
                break
            lines += self._lines.feed(data)
        return lines + self._lines.finish() if final else lines

    def _unwatch(self) -> None:
        if self._watched:
            asyncio.get_running_loop().remove_reader(self._source)
            self._watched = False

    def _close_target(self) -> None:
        if self.target >= 0:
            os.close(self.target)
            self.target = -1

    def close(self) -> None:
        """Give the descriptors back."""
        self._unwatch()
        self._close_target()
        if self._source >= 0:
            os.close(self._source)
            self._source = -1
        if not POSIX:  # pragma: no cover (Windows)
            with contextlib.suppress(OSError):
                os.unlink(self._path)
