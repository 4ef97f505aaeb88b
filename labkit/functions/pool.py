"""The processes of one function: which one serves an invocation, and when another is started.

On AWS every invocation that finds no free execution environment starts one.  On one machine that is
a stampede: a hundred messages that take two milliseconds each are served sooner by two warm
processes than by a hundred cold ones.  So an invocation waits a little, and another process is
started only if that helps: while fewer processes than the machine has cores are working through the
queue quickly.  A process whose invocation has gone on for :data:`STUCK` seconds waits for something
(or computes for long) and does not count, so functions that wait run side by side after a moment.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from labkit.errors import AwsError
from labkit.functions import outcome as outcomes
from labkit.functions.model import FunctionConfiguration
from labkit.functions.process import Process, State
from labkit.trace import Trace

STUCK = 0.03
"""Seconds after which an invocation no longer counts as one that is soon over."""

LOOK_AGAIN = 0.005
"""Seconds between looks at a queue that has not become empty."""

LATE = 0.01
"""Seconds that a look may be late and still be believed."""

INIT_SECONDS = 10.0
"""How long initialisation may take: "The Init phase is limited to 10 seconds"."""

NO_ROOM_SECONDS = 15.0
"""How long an invocation waits when every process that may run is busy; then it is throttled."""

KEPT = 2
"""Idle processes of a function that stay."""

IDLE_SECONDS = 30.0
"""How long further ones stay."""

CORES = max(2, os.cpu_count() or 2)


def wanted(waiting: int, starting: int, running_for: list[float], cores: int = CORES) -> bool:
    """Whether one more process would serve the queue sooner.

    Args:
        waiting: invocations in the queue.
        starting: processes that are being started.
        running_for: for each process, the seconds since its invocation began, or since it answered
            without having asked for another; 0 while it waits for one.
        cores: how many processes can really work at a time.
    """
    quick = sum(seconds < STUCK for seconds in running_for)
    return waiting > starting and quick + starting < cores


def _since(process: Process, now: float) -> float:
    """When a process began what it is busy with; it may never ask for another invocation."""
    if process.running is not None:
        return process.running.began
    return process.returned if process.state is State.RETURNED else now


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a process.

    Attributes:
        init_seconds: how long its initialisation may take.
        again: it is the second attempt, after one that took too long.
        trace: the trace of the invocation that it is started for.
    """

    init_seconds: float
    again: bool
    trace: Trace | None


@dataclass(eq=False, slots=True)
class _Waiting:
    """An invocation in the queue."""

    process: asyncio.Future[Process]
    since: float
    trace: Trace | None


class Pool:
    """The processes of one revision of a function.

    Args:
        function: the function as it is deployed.
        launch: starts a process, and calls :meth:`launching` when it is there.
        room: whether one more process may run; it may end an idle one elsewhere to make room.
        check: has the state of processes brought up to date, before one that rested is used.
        init_seconds: how long initialisation may take.

    Attributes:
        processes: all that have been started and have not ended.
        ready: those that wait for an invocation, the longest idle first.
        retired: a newer revision has taken over; processes end once the queue is empty.
    """

    def __init__(
        self,
        function: FunctionConfiguration,
        launch: Callable[[Pool, Start], Awaitable[Process]],
        room: Callable[[Pool], bool],
        check: Callable[[], None],
        init_seconds: float = INIT_SECONDS,
    ) -> None:
        self.function = function
        self.processes: set[Process] = set()
        self.ready: list[Process] = []
        self.retired = False
        self._launch = launch
        self._room = room
        self._check = check
        self._init_limit = init_seconds
        self._waiting: deque[_Waiting] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._initialising: dict[Process, Start] = {}
        self._look_again: asyncio.TimerHandle | None = None
        self._trimmer: asyncio.TimerHandle | None = None

    @property
    def size(self) -> int:
        """Processes that run or are being started."""
        return len(self.processes) + len(self._starting)

    @property
    def unused(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.processes or self._starting or self._waiting)

    async def acquire(self, trace: Trace | None) -> Process:
        """A process for one invocation.

        Returns:
            A process that is READY, or one that has ended and whose ``failure`` says why it could
            not be initialised.

        Raises:
            AwsError: ``TooManyRequestsException``: every process that may run is busy.
        """
        while self.ready:
            process = self.ready.pop()
            if process.frozen:
                self._check()
            if process.state is State.READY:
                return process
        waiting = _Waiting(asyncio.get_running_loop().create_future(), time.perf_counter(), trace)
        self._waiting.append(waiting)
        if self.size == 0:
            self._consider()
        else:
            self._look_soon()
        try:
            return await waiting.process
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.process.done() and not waiting.process.cancelled():
                self.offer(waiting.process.result())
            raise

    def offer(self, process: Process) -> None:
        """Take a process that has become READY: for the queue, or to be kept."""
        if process.state is not State.READY or process in self.ready:
            return
        self._initialising.pop(process, None)
        if waiting := self._first():
            waiting.process.set_result(process)
        elif self.retired:
            process.end("replaced")
        else:
            process.rest()
            self.ready.append(process)
            if len(self.ready) > KEPT and self._trimmer is None:
                loop = asyncio.get_running_loop()
                self._trimmer = loop.call_later(IDLE_SECONDS, self._trim)

    def ended(self, process: Process) -> None:
        """Note that a process is gone."""
        self.processes.discard(process)
        if process in self.ready:
            self.ready.remove(process)
        start = self._initialising.pop(process, None)
        if start is not None and not process.retired:
            # It never got as far as its first invocation.
            if process.failure is None and not start.again:
                # "Lambda retries the Init phase at the time of the first function invocation with
                # the configured function timeout."
                self._start(Start(self.function.timeout, True, start.trace))
                return
            if process.failure is None:
                seconds = self.function.timeout
                process.failure = lambda request_id: outcomes.timed_out(
                    request_id, seconds, time.time()
                )
            if waiting := self._first():
                waiting.process.set_result(process)
        self._consider()

    def evict(self) -> bool:
        """End the process that has been idle longest; returns whether there was one."""
        if not self.ready:
            return False
        process = self.ready.pop(0)
        self.processes.discard(process)
        process.end("idle")
        return True

    def retire(self) -> None:
        """End processes as soon as the invocations that they serve are over."""
        self.retired = True
        ready, self.ready = self.ready, []
        for process in ready:
            process.end("replaced")

    def close(self) -> None:
        """End everything now; who still waits is refused."""
        self.retire()
        for timer in (self._look_again, self._trimmer):
            if timer is not None:
                timer.cancel()
        for task in list(self._starting):
            task.cancel()
        while waiting := self._first():
            waiting.process.set_exception(
                AwsError("ServiceException", "The local cloud is stopping.", 500)
            )
        for process in list(self.processes):
            process.retired = True
            process.end("stopped")

    # -- deciding -----------------------------------------------------------------------------

    def _first(self) -> _Waiting | None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.process.done():
                return waiting
        return None

    def _consider(self) -> None:
        """Start processes if that helps, and look again while there is a queue."""
        while self._waiting and wanted(len(self._waiting), self._pending(), self._running_for()):
            if not self._room(self):
                self._throttle()
                break
            self._start(Start(self._init_limit, False, self._waiting[0].trace))
        self._look_soon()

    def _look_soon(self) -> None:
        if self._waiting and self._look_again is None:
            loop = asyncio.get_running_loop()
            self._look_again = loop.call_later(LOOK_AGAIN, self._look, loop.time() + LOOK_AGAIN)

    def _look(self, due: float) -> None:
        self._look_again = None
        if asyncio.get_running_loop().time() - due > LATE:
            # The loop itself is behind; nothing is known of how long functions take.
            self._look_soon()
        else:
            self._consider()

    def _pending(self) -> int:
        return len(self._starting) + len(self._initialising)

    def _running_for(self) -> list[float]:
        now = time.perf_counter()
        return [
            now - _since(process, now)
            for process in self.processes
            if process not in self._initialising
        ]

    def _throttle(self) -> None:
        if self._pending() or time.perf_counter() - self._waiting[0].since < NO_ROOM_SECONDS:
            return
        if waiting := self._first():
            waiting.process.set_exception(
                AwsError(
                    "TooManyRequestsException",
                    "Rate Exceeded.",
                    429,
                    Reason="ConcurrentInvocationLimitExceeded",
                    Type="User",
                )
            )

    def _start(self, start: Start) -> None:
        task = asyncio.get_running_loop().create_task(self._started(start))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _started(self, start: Start) -> None:
        try:
            await self._launch(self, start)
        except AwsError as error:
            if waiting := self._first():
                waiting.process.set_exception(error)
            asyncio.get_running_loop().call_soon(self._consider)

    def launching(self, process: Process, start: Start) -> None:
        """Note a process that is being initialised."""
        self.processes.add(process)
        self._initialising[process] = start

    def _trim(self) -> None:
        self._trimmer = None
        while len(self.ready) > KEPT:
            self.evict()
