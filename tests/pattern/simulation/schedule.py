"""Virtual time, and the tasks that live in it.

A task is plain code that blocks: a function's handler with boto3, a client with a socket.  Each has
a thread of its own, and one runs at a time: whoever waits hands over to the schedule, which goes to
the next moment at which something happens.  So a seed decides everything, an hour takes no time, and
the same seed takes the same steps again.

Inside a task, ``time.time``, ``time.monotonic`` and ``time.sleep`` are those of the schedule.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

EPOCH = 1_800_000_000.0
"""What ``time.time()`` is at the beginning, in seconds: the same in each run, so that time stamps are."""

_THREADS = ThreadPoolExecutor(max_workers=256, thread_name_prefix="task")
_here = threading.local()


class Killed(BaseException):  # so that no handler catches it
    """The task's process is gone."""


class Promise:
    """Something that one task waits for."""

    def __init__(self) -> None:
        self.is_kept = False
        self.value: Any = None
        self.waiter: tuple[Task, int] | None = None


class Task:
    """Code that runs in virtual time.

    Attributes:
        name: what it is, for the timeline.
        process: whatever the code that started it keeps with it.
        over: kept when it has ended; its value is what it returned, or the exception that ended it.
        is_killed: whether it is gone as soon as it would go on.
    """

    def __init__(self, name: str, run: Callable[[], Any], process: Any) -> None:
        self.name = name
        self.process = process
        self.over = Promise()
        self.is_killed = False
        self.run = run
        self.waits = 0
        self.go = threading.Lock()
        self.go.acquire()
        self.is_started = False


class Schedule:
    """What happens when.

    Attributes:
        now: seconds since the beginning.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._todo: list[
            tuple[float, int, tuple[Task, int] | None, Callable[[], object] | None]
        ] = []
        self._numbers = itertools.count()
        self._living: dict[Task, None] = {}  # a set that keeps its order
        self._back = threading.Lock()
        self._back.acquire()

    # -- from anywhere ---------------------------------------------------------------------------

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        """Have something done that takes no time itself."""
        heapq.heappush(self._todo, (self.now + seconds, next(self._numbers), None, do))

    def start(self, name: str, run: Callable[[], Any], process: Any = None) -> Task:
        """Start a task; it begins now, after what is to happen now already."""
        task = Task(name, run, process)
        self._wake(0, task)
        return task

    def keep(self, promise: Promise, value: Any = None) -> None:
        """Keep a promise; whoever waits for it goes on."""
        if not promise.is_kept:
            promise.is_kept, promise.value = True, value
            if promise.waiter is not None:
                task, number = promise.waiter
                self._wake(0, task, number)

    def kill(self, task: Task) -> None:
        """End a task's process, wherever it is; what it has sent stays sent."""
        task.is_killed = True
        self._wake(0, task)

    def run(self) -> None:
        """Go on until nothing is left to happen.

        Raises:
            Exception: one ended a task that keeps no process, which is a mistake in the simulation.
        """
        try:
            self._run()
        finally:
            for task in [*self._living]:
                task.is_killed = True
                self._let_run(task)

    def _run(self) -> None:
        while self._todo:
            moment, _, woken, do = heapq.heappop(self._todo)
            if woken is None:
                self.now = moment
                do()
                continue
            task, number = woken
            if task.waits == number and not task.over.is_kept:  # else it went on long ago
                self.now = moment
                self._let_run(task)
                if task.process is None and isinstance(task.over.value, Exception):
                    raise task.over.value

    # -- from within a task ----------------------------------------------------------------------

    @property
    def task(self) -> Task:
        """The task that runs."""
        task: Task = _here.task
        return task

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._wake(max(0.0, seconds), self.task)
        self._block()

    def wait(self, promise: Promise, timeout: float | None = None) -> bool:
        """Wait until a promise is kept.

        Args:
            promise: nobody else waits for it.
            timeout: seconds after which it is given up.

        Returns:
            Whether it is kept.
        """
        if not promise.is_kept:
            task = self.task
            promise.waiter = (task, task.waits)
            if timeout is not None:
                self._wake(max(0.0, timeout), task)
            self._block()
            promise.waiter = None
        return promise.is_kept

    # -- one thread at a time --------------------------------------------------------------------

    def _wake(self, seconds: float, task: Task, number: int | None = None) -> None:
        woken = (task, task.waits if number is None else number)
        heapq.heappush(self._todo, (self.now + seconds, next(self._numbers), woken, None))

    def _block(self) -> None:
        task = self.task
        self._back.release()
        task.go.acquire()
        if task.is_killed:
            raise Killed

    def _let_run(self, task: Task) -> None:
        task.waits += 1
        if task.is_started:
            task.go.release()
        elif task.is_killed:
            self.keep(task.over, Killed())
            return
        else:
            task.is_started = True
            self._living[task] = None
            _THREADS.submit(self._thread, task)
        self._back.acquire()

    def _thread(self, task: Task) -> None:
        _here.task, _here.schedule = task, self
        try:
            value = task.run()
        except BaseException as error:
            value = error
        finally:
            del _here.task, _here.schedule
        del self._living[task]
        self.keep(task.over, value)
        self._back.release()


def current() -> Task | None:
    """The task that asks, of whichever schedule; ``None`` if it is none."""
    task: Task | None = getattr(_here, "task", None)
    return task


@contextmanager
def virtual_time() -> Iterator[None]:
    """Give each task the clock of its schedule; everybody else keeps the machine's."""
    real = time.time, time.monotonic, time.sleep

    def clock() -> float:
        schedule = getattr(_here, "schedule", None)
        return real[0]() if schedule is None else EPOCH + schedule.now

    def monotonic() -> float:
        schedule = getattr(_here, "schedule", None)
        return real[1]() if schedule is None else schedule.now

    def sleep(seconds: float) -> None:
        schedule = getattr(_here, "schedule", None)
        real[2](seconds) if schedule is None else schedule.sleep(seconds)

    time.time, time.monotonic, time.sleep = clock, monotonic, sleep
    try:
        yield
    finally:
        time.time, time.monotonic, time.sleep = real
