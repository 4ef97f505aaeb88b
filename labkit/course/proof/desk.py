"""A desk: where one answer after the other is tried, each as in a notebook that was just opened.

The cells above the answer are run once, in IPython's own shell.  What an answer changes is put back
before the next one: names and the data they stand for, files of the work folder, environment
variables, and what was made in the student's AWS account.  A student's own work folder is not touched.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import types
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from labkit.course.checking import judge
from labkit.course.exercise import CourseError, Exercise
from labkit.course.source import ExerciseSource
from labkit.course.verdict import NotYet
from labkit.jupyter import WORK_VARIABLE
from labkit.lab import Lab
from labkit.wire import LOCAL_ACCOUNT

PASSES = "passes"
RAISES = "the answer's own cell raises"
BREAKS = "the check breaks"
ENDLESS = "it does not end"

SECONDS = 15.0
"""For an answer and its check.  A check gives up long before; this ends a loop of the answer's own."""

_READS = re.compile(r"Get|List|Describe|Query|Scan|BatchGet|AssumeRole")
_MODULE = "notebook"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of an answer.

    Attributes:
        outcome: the verdict's diagnosis, or one of :data:`PASSES`, :data:`RAISES`, :data:`BREAKS` and
            :data:`ENDLESS`.
        said: what the student would read, in a line or more.
        seconds: how long the check took.
        raised: what the answer's own cell raised before it was checked; empty if it did not.
    """

    outcome: str
    said: str
    seconds: float
    raised: str = ""


class Endless(KeyboardInterrupt):
    """Code that was ended because it ran for too long; checks let an interrupt through."""


class Desk:
    """A notebook with one exercise, up to its answer cell.  Use it in a ``with`` statement.

    Args:
        source: the exercise.
        lab: the lab that runs.
        seconds: for an answer and its check.

    Raises:
        CourseError: a cell above the answer fails.
    """

    def __init__(self, source: ExerciseSource, lab: Lab, seconds: float = SECONDS) -> None:
        self._lab = lab
        self._seconds = seconds
        self._check = source.check
        code = [
            cell for cell in source.cells if cell.kind == "code" and "solution" not in cell.tags
        ]
        roles = [source.role(cell) for cell in code]
        answer, check = roles.index("answer"), roles.index("check")
        given = [(cell.source, "raises-exception" in cell.tags) for cell in code[:answer]]
        self._above = [*((text, False) for text in source.setup), *given]
        self._between = [cell.source for cell in code[answer + 1 : check]]
        self._number = source.number
        self._open = ExitStack()
        self._begun = lab.log.last

    def __enter__(self) -> Desk:
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self) -> None:
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="labkit-")))
        self._work, self._kept = folder / "work", folder / "kept"
        self._open.enter_context(_surroundings())
        os.environ[WORK_VARIABLE] = str(self._work)
        self._module = types.ModuleType(_MODULE)
        config = Config()
        config.HistoryManager.enabled = False
        self._shell = InteractiveShell(
            config=config, user_module=self._module, ipython_dir=str(folder / "ipython")
        )
        for method in ("showtraceback", "showsyntaxerror"):  # nobody reads tracebacks here
            setattr(self._shell, method, lambda *_, **__: None)
        self._open.callback(self._shell.restore_sys_module_state)
        self._prepare(first=True)

    def __exit__(self, *error: object) -> None:
        if self._touched(self._begun):
            self._forget()
        self._open.close()

    def try_out(self, exercise: Exercise, answer: str, seed: int) -> Tried:
        """Run an answer cell and the check cell, as a student does.

        Args:
            exercise: whose check judges.
            answer: the text of the answer cell.
            seed: of the check's data.
        """
        self._restore()
        verdicts: list[NotYet | None] = []
        seconds = 0.0

        def check(_: str, *given: Any) -> None:
            nonlocal seconds
            begun = time.monotonic()
            try:
                verdicts.append(judge(exercise, *given, seed=seed))
            finally:
                seconds += time.monotonic() - begun
            if verdicts[-1] is not None:
                raise verdicts[-1]

        self._shell.user_ns["check"] = check
        with _limit(self._seconds):
            error = self._run(answer)
            raised = "" if error is None else _named(error)
            for cell in (*self._between, self._check):
                if not isinstance(error, Endless):
                    error = self._run(cell)
        if isinstance(error, Endless):
            return Tried(ENDLESS, f"ended after {self._seconds:g} s", seconds, raised)
        verdict = verdicts[-1] if verdicts else None
        if verdict is not None:
            said = f"Did: {verdict.did} · Expected: {verdict.expected}"
            return Tried(verdict.diagnosis, said, seconds, raised)
        if raised and not verdicts:
            return Tried(RAISES, raised, seconds, raised)
        if error is not None or not verdicts:
            said = _named(error) if error else "the check cell did not call check"
            return Tried(BREAKS, said, seconds, raised)
        return Tried(PASSES, "", seconds, raised)

    # -- before and after ------------------------------------------------------------------------

    def _prepare(self, *, first: bool = False) -> None:
        """Run the cells above the answer, and remember what there is then."""
        self._begun = self._lab.log.last
        if not first:
            self._shell.reset(new_session=False)
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        os.chdir(self._work)
        for cell, may_raise in self._above:
            with _limit(SECONDS):
                error = self._run(cell)
            if error is not None and not may_raise:
                raise CourseError(
                    f"Exercise {self._number} cannot be tried: the cell that begins with "
                    f"{cell.strip().splitlines()[0]!r} fails: {_named(error)}"
                )
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self._work, self._kept)
        self._names = Snapshot(self._shell.user_ns)
        self._environment = dict(os.environ)
        self._faults = {fault.id for fault in self._lab.faults}
        self._ready = self._lab.log.last

    def _restore(self) -> None:
        """Put back what the answer before has changed."""
        os.environ.clear()
        os.environ.update(self._environment)
        for fault in self._lab.faults:
            if fault.id not in self._faults:
                self._lab.faults.clear(fault)
        if self._touched(self._ready):
            self._forget()
            self._prepare()
            return
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._kept, self._work)
        os.chdir(self._work)
        self._names.restore(self._shell.user_ns)

    def _touched(self, after: int) -> bool:
        """Whether something was written in the student's account."""
        return any(
            event.kind == "aws.call"
            and event.get("account", LOCAL_ACCOUNT) == LOCAL_ACCOUNT
            # A message to a client makes nothing that stays.
            and event["service"] != "apigatewaymanagementapi"
            and not _READS.match(event["operation"])
            for event in self._lab.log.after(after)
        )

    def _forget(self) -> None:
        """Remove all that the student's account holds."""
        request = urllib.request.Request(
            f"{self._lab.endpoint}/_labkit/accounts/{LOCAL_ACCOUNT}", method="DELETE"
        )
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()

    def _run(self, cell: str) -> BaseException | None:
        """Run a cell; what it raised."""
        with capture_output():
            result = self._shell.run_cell(cell, store_history=False)
        error: BaseException | None = result.error_before_exec or result.error_in_exec
        return error


class Snapshot:
    """The names of a notebook with their data as they were.

    Plain containers and objects of the notebook's own classes are copied; everything else, such as a
    client or a module, stays what it is.

    Args:
        names: the notebook's.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._shared: list[Any] = []
        written = io.BytesIO()
        _Writer(written, self._shared).dump(dict(names))
        self._written = written.getvalue()

    def restore(self, names: dict[str, Any]) -> None:
        """Put the names back, in the same dictionary: functions look them up there."""
        copied = _Reader(io.BytesIO(self._written), self._shared).load()
        names.clear()
        names.update(copied)


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(file, protocol=5)
        self._shared = shared

    def persistent_id(self, value: Any) -> int | None:
        kind = type(value)
        own = kind.__module__ == _MODULE and not isinstance(value, type)
        if own or kind in (dict, list, set, bytearray, tuple):
            return None
        self._shared.append(value)
        return len(self._shared) - 1


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, number: int) -> Any:
        return self._shared[number]


@contextmanager
def _surroundings() -> Iterator[None]:
    """Put back what a notebook may change of the process."""
    environment, folder, path = dict(os.environ), Path.cwd(), list(sys.path)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.path[:] = path
        sys.modules.pop(_MODULE, None)


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Interrupt code that runs too long, where the system can: on the main thread, not on Windows."""
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def end(*_: object) -> None:
        raise Endless

    # A test's own limit uses the same timer; it goes on where it was.
    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, end)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if rest:
            left = rest - (time.monotonic() - begun)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.001), interval)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
