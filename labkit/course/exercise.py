"""What an exercise is: the facts of its box, its hints, its diagnoses and its check.  No I/O.

A lesson's ``checks.py`` holds one function for each exercise::

    @exercise(
        "1.3",
        "Route by action",
        kind=Kind.FILL_IN,
        difficulty=2,
        minutes=8,
        needs=("1.1",),
        hints=("A question that points the way.", "The concept.", "Nearly the code."),
        diagnoses={"NO_DEFAULT": "send what matches no route to $default"},
    )
    def route_by_action(attempt: Attempt, select: Select) -> None:
        if select('{"action": "nonsense"}') != "$default":
            raise attempt.not_yet("NO_DEFAULT", did="…", expected="…")

The function gets an :class:`Attempt` and what the student gave to ``check``; it returns if the answer
is right.  Task, stub and solution lie beside it in ``exercises.md``, wrong and right answers in
``answers.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from labkit.course.verdict import NotYet
from labkit.errors import LabError

if TYPE_CHECKING:
    from labkit.course.sandbox import Sandbox

NUMBER = re.compile(r"(?P<lesson>\d{1,2})\.(?P<exercise>\d{1,2})")


class CourseError(LabError):
    """The course's own material is at fault, or something was asked for that it does not have."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of the frames of the lab's own machinery, which say nothing here.
        return [f"{type(self).__name__}: {self}"]


class Kind(Enum):
    """What a student does in an exercise; the value is how the box names it."""

    FILL_IN = "fill in code"
    STATE_MACHINE = "complete a state machine"
    PREDICT = "predict"
    ORDER_LINES = "put lines in order"
    FIND_THE_FAULT = "find the fault"
    WRITE_THE_CHECK = "write the check"
    MAKE = "make"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with an answer, and what helps.

    Attributes:
        next: what to do next, in one sentence without a full stop.
        hints: three hints for this very mistake; the exercise's own if empty.
    """

    next: str
    hints: tuple[str, ...] = ()


ALWAYS: Mapping[str, Diagnosis] = {
    "NOTHING_YET": Diagnosis("write your answer in the cell above, run it, then check again"),
    "WRONG_KIND": Diagnosis("give check() what the task asks for"),
    "YOUR_CODE_RAISED": Diagnosis("read the error above from its last line upwards"),
    "NOT_JSON": Diagnosis("mend the JSON at the place that is shown"),
}
"""Diagnoses that every exercise may give."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a check.

    Attributes:
        exercise: what is checked.
        sandbox: opens an AWS account of the attempt's own; use it in a ``with`` statement.
        seed: differs from attempt to attempt; fresh data is made from it.
    """

    exercise: Exercise
    sandbox: Callable[[], Sandbox]
    seed: int

    def not_yet(
        self, diagnosis: str, *, did: str, expected: str, frames: tuple[str, ...] = ()
    ) -> NotYet:
        """The exception to raise for an answer that is not right yet.

        Args:
            diagnosis: one of the exercise's diagnoses, or of :data:`ALWAYS`.
            did: what the student's answer did.
            expected: what a right answer does.
            frames: lines of a traceback, for an error in the student's own code.
        """
        return NotYet(
            number=self.exercise.number,
            title=self.exercise.title,
            diagnosis=diagnosis,
            did=did,
            expected=expected,
            next_step=self.exercise.diagnosis(diagnosis).next,
            frames=frames,
        )


Check = Callable[..., None]
"""``(attempt, *what the student gave)``; returns if the answer is right, raises :class:`NotYet` if not."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """An exercise; made by :func:`exercise`.

    Attributes:
        number: lesson and position, such as ``"1.3"``.
        title: as in the notebook's heading.
        kind: what the student does.
        difficulty: from 1 to 5.
        minutes: about how long it takes.
        needs: numbers of exercises that come before it.
        hints: a question, the concept, and nearly the code.
        diagnoses: by code.
        check: the check.
        solved: a sentence or two of background, shown when it is solved.
    """

    number: str
    title: str
    kind: Kind
    difficulty: int
    minutes: int
    hints: tuple[str, str, str]
    diagnoses: Mapping[str, Diagnosis]
    check: Check
    needs: tuple[str, ...] = ()
    solved: str = ""

    def diagnosis(self, code: str) -> Diagnosis:
        """A diagnosis by its code.

        Raises:
            CourseError: the exercise has none of that code.
        """
        found = self.diagnoses.get(code) or ALWAYS.get(code)
        if found is None:
            known = ", ".join([*self.diagnoses, *ALWAYS])
            raise CourseError(
                f"Exercise {self.number} has no diagnosis {code!r}. It has: {known}. "
                "Add it to `diagnoses` in the lesson's checks.py."
            )
        return found

    def hint(self, level: int, diagnosis: str | None = None) -> str:
        """A hint.

        Args:
            level: 1 is a question, 2 the concept, 3 nearly the code.
            diagnosis: the last check's; its own hints come before the exercise's.
        """
        own = self.diagnosis(diagnosis).hints if diagnosis else ()
        return own[level - 1] if len(own) >= level else self.hints[level - 1]

    @property
    def position(self) -> tuple[int, int]:
        """Lesson and place in it, for ordering."""
        lesson, _, place = self.number.partition(".")
        return int(lesson), int(place)


@dataclass(slots=True)
class _Problems:
    found: list[str] = field(default_factory=list)

    def unless(self, condition: Any, problem: str) -> None:
        if not condition:
            self.found.append(problem)


def exercise(
    number: str,
    title: str,
    *,
    kind: Kind,
    difficulty: int,
    minutes: int,
    hints: tuple[str, str, str],
    diagnoses: Mapping[str, str | Diagnosis],
    needs: tuple[str, ...] = (),
    solved: str = "",
) -> Callable[[Check], Exercise]:
    """Make an exercise of its check.  The arguments are :class:`Exercise`'s attributes.

    In ``diagnoses``, a sentence stands for a :class:`Diagnosis` without hints of its own.

    Raises:
        CourseError: something about the exercise is malformed; the message lists all of it.
    """
    problems = _Problems()
    problems.unless(NUMBER.fullmatch(number), "its number must look like '1.3'")
    problems.unless(1 <= difficulty <= 5, "difficulty must be from 1 to 5")
    problems.unless(minutes > 0, "minutes must be more than 0")
    problems.unless(all(hints), "none of its three hints may be empty")
    problems.unless(len(set(diagnoses)) >= 3, "it must have at least three diagnoses")
    for code in diagnoses:
        problems.unless(re.fullmatch(r"[A-Z][A-Z0-9_]+", code), f"{code!r} must be CAPITALS")
    if not problems.found:
        made = tuple(map(int, number.split(".")))
        for other in needs:
            if not NUMBER.fullmatch(other) or tuple(map(int, other.split("."))) >= made:
                problems.found.append(f"it needs {other}, which does not come before it")
    if problems.found:
        raise CourseError(f"Exercise {number}: {'; '.join(problems.found)}.")

    def make(check: Check) -> Exercise:
        return Exercise(
            number=number,
            title=title,
            kind=kind,
            difficulty=difficulty,
            minutes=minutes,
            hints=hints,
            diagnoses={
                code: said if isinstance(said, Diagnosis) else Diagnosis(said)
                for code, said in diagnoses.items()
            },
            check=check,
            needs=needs,
            solved=solved,
        )

    return make
