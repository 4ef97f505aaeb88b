"""A desk: where one answer after the other is tried, each as in a notebook that was just opened.

The cells above the answer are run once.  What an answer changes is put back before the next one: names
and the data they stand for, files of the work folder, environment variables, faults, and what was made in
the student's AWS account.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from labkit.course.checking import judge
from labkit.course.exercise import CourseError, Exercise
from labkit.course.proof.limit import Endless, limit
from labkit.course.proof.shell import Shell, named
from labkit.course.source import ExerciseSource
from labkit.course.verdict import NotYet
from labkit.lab import Lab

PASSES = "passes"
RAISES = "the answer's own cell raises"
BREAKS = "the check breaks"
ENDLESS = "it does not end"

SECONDS = 15.0
"""For an answer and its check.  A check gives up before; this ends a loop of the answer's own."""


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
        self._shell = Shell(lab)
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

    def __enter__(self) -> Desk:
        self._shell.__enter__()
        try:
            self._prepare()
        except BaseException:
            self._shell.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._shell.__exit__()

    def try_out(self, exercise: Exercise, answer: str, seed: int) -> Tried:
        """Run an answer cell and the check cell, as a student does.

        Args:
            exercise: whose check judges.
            answer: the text of the answer cell.
            seed: of the check's data.
        """
        if not self._shell.restore():
            self._prepare()
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

        self._shell.names["check"] = check
        with limit(self._seconds):
            error = self._shell.run(answer)
            raised = "" if error is None else named(error)
            for cell in (*self._between, self._check):
                if not isinstance(error, Endless):
                    error = self._shell.run(cell)
        if isinstance(error, Endless):
            return Tried(ENDLESS, f"ended after {self._seconds:g} s", seconds, raised)
        verdict = verdicts[-1] if verdicts else None
        if verdict is not None:
            said = f"Did: {verdict.did} · Expected: {verdict.expected}"
            return Tried(verdict.diagnosis, said, seconds, raised)
        if raised and not verdicts:
            return Tried(RAISES, raised, seconds, raised)
        if error is not None or not verdicts:
            said = named(error) if error else "the check cell did not call check"
            return Tried(BREAKS, said, seconds, raised)
        return Tried(PASSES, "", seconds, raised)

    def _prepare(self) -> None:
        """Run the cells above the answer, and remember what there is then."""
        self._shell.begin()
        for cell, may_raise in self._above:
            with limit(self._seconds):
                error = self._shell.run(cell)
            if error is not None and not may_raise:
                raise CourseError(
                    f"Exercise {self._number} cannot be tried: the cell that begins with "
                    f"{cell.strip().splitlines()[0]!r} fails: {named(error)}"
                )
        self._shell.keep()
