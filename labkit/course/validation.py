"""``labkit check 03``: nbval runs the student's notebook, and a table says how each exercise stands."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labkit.course import catalogue
from labkit.course.exercise import CourseError, Exercise
from labkit.course.restoring import workbook
from labkit.pytest_plugin import CELL_SECONDS, exercise_of

_DIAGNOSIS = re.compile(r"\[(?P<code>[A-Z][A-Z0-9_]+)\]$", re.MULTILINE)
_NEXT = re.compile(r"^\s*Next:\s*(?P<next>.+)$", re.MULTILINE)
_CELL = re.compile(r"\(\d+\.py, line ")
"""How Python names a cell: by a number that means nothing to anybody."""


@dataclass(slots=True)
class Outcome:
    """How an exercise stands after a run.

    Attributes:
        state: ``solved``, ``not yet``, ``open`` (there is no answer yet) or ``not reached``.
        why: a diagnosis with what to do next, or the error.
    """

    state: str
    why: str = ""


@dataclass(eq=False)
class Record:
    """What a run of nbval told; a pytest plugin.

    Attributes:
        outcomes: by the exercise's number.
        others: cells that failed and are neither checks nor told of beside one, in words.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    _raised: dict[str, str] = field(default_factory=dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: Any, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note down how a cell ended."""
        report = yield
        if call.when == "teardown" or (call.when == "setup" and report.passed):
            return report
        error = next((o for o in item.test_outputs or () if o.output_type == "error"), None)
        why = reason(error.ename, error.evalue) if error else _first_line(call.excinfo)
        if item.parent.timed_out:
            why = "it did not end in time"
        if number := exercise_of(item.cell, "check"):
            if report.passed:
                self.outcomes.setdefault(number, Outcome("solved"))
            else:
                ran = error is not None and not item.parent.timed_out
                self.outcomes[number] = self._failed(number, why if ran else "")
            if number in self._raised:
                self.others.append(f"the answer of {number}: {self._raised.pop(number)}")
        elif report.failed:
            if answered := exercise_of(item.cell, "answer"):
                self._raised[answered] = why
            else:
                self.others.append(f"cell {item.cell_num + 1}: {why}")
        return report

    def _failed(self, number: str, why: str) -> Outcome:
        """How an exercise stands whose check failed.

        Args:
            number: the exercise's.
            why: the check's reason; empty if it did not come to an end.
        """
        if why.startswith("[NOTHING_YET]"):
            return Outcome("open")
        if why.startswith("["):
            return Outcome("not yet", why)
        # What the check misses is what the answer's own cell would have made.
        raised = self._raised.pop(number, "")
        state = "not yet" if why else "not reached"
        why = why or "a cell did not end, or ended the kernel"
        return Outcome(state, f"your answer: {raised}" if raised else why)


def reason(name: str, said: str) -> str:
    """Why a cell failed, in a line.

    Args:
        name: the exception's name.
        said: its message.
    """
    code, following = _DIAGNOSIS.search(said), _NEXT.search(said)
    if name == "NotYet" and code and following:
        return f"[{code['code']}] {following['next']}"
    lines = _CELL.sub("(line ", said).strip().splitlines()
    return f"{name}: {lines[0]}" if lines else name


def validate(notebook: Path, *, seconds: float = CELL_SECONDS) -> Record:
    """Run a notebook with ``pytest --nbval-lax``.

    Args:
        notebook: the file.
        seconds: for one cell.

    Returns:
        What the run told.

    Raises:
        CourseError: pytest could not run it.
    """
    record = Record()
    plugins = ["-p", "labkit.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    # An empty configuration: whatever lies around the notebook is about other tests.
    plain = ["-c", os.devnull, f"--rootdir={notebook.parent}", "--color=no", "-q"]
    limit = f"--nbval-cell-timeout={seconds}"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = pytest.main(
            ["--nbval-lax", limit, *plugins, *plain, str(notebook)], plugins=[record]
        )
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise CourseError(f"pytest could not run {notebook.name}:\n{said.getvalue().strip()}")
    return record


def table(exercises: Sequence[Exercise], record: Record) -> tuple[str, bool]:
    """A line for each exercise.

    Args:
        exercises: of the lesson.
        record: of a run.

    Returns:
        The text, and whether all of them are solved.
    """
    missing = Outcome(
        "not reached", "its check cell is not in the notebook; labkit restore brings it"
    )
    rows = [(each, record.outcomes.get(each.number, missing)) for each in exercises]
    width = max((len(each.title) for each in exercises), default=0)
    lines = [
        f"  {each.number:5} {each.title:{width}}  {outcome.state:11}  {outcome.why}".rstrip()
        for each, outcome in rows
    ]
    solved = sum(outcome.state == "solved" for _, outcome in rows)
    lines += [f"  {said}" for said in record.others]
    lines.append(f"{solved} of {len(rows)} exercises solved.")
    for each, outcome in rows:
        if outcome.state != "solved":
            lines.append(f"Go on with {each.number}; `labkit hint {each.number}` helps.")
            break
    return "\n".join(lines), solved == len(rows)


def _lesson(text: str) -> int:
    """A lesson's number; that of an exercise says it too."""
    return int(text.partition(".")[0])


def _first_line(raised: pytest.ExceptionInfo[BaseException] | None) -> str:
    return str(raised.value).strip().partition("\n")[0] if raised else "it failed"


def main(arguments: Sequence[str]) -> int:
    """Run ``labkit check``.

    Args:
        arguments: the lesson's number.

    Returns:
        The exit status: 0 if all exercises are solved.
    """
    parser = argparse.ArgumentParser(
        prog="labkit check",
        description="Run your notebook of a lesson from top to bottom and say how each exercise stands.",
    )
    parser.add_argument("lesson", type=_lesson, help="its number, such as 03")
    lesson = catalogue.lesson(parser.parse_args(arguments).lesson)
    book = workbook()
    original = book.original(lesson.name)
    copy = book.find(lesson.name)
    if copy is None:
        print(
            f"There is no copy of {original.name} in your work folder, so exercises/{original.name} "
            "is checked. `labkit lab` makes the copy.",
            file=sys.stderr,
        )
    text, solved = table(lesson.exercises, validate(copy or original))
    print(text)
    return 0 if solved else 1
