"""What is tried on a check, and what must come of it.  No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from labkit.course.proof.desk import BREAKS, ENDLESS, PASSES, RAISES, Tried
from labkit.course.proof.form import with_json
from labkit.course.source import Answer, ExerciseSource, place

SEEDS = (1, 20_260_101, 271_828_182_845)
"""Three sets of fresh data: a check must judge the same on each."""


class Fate(Enum):
    """What must come of an answer; the value counts such answers in words."""

    RIGHT = "right"
    WRONG = "wrong"
    STUB = "stub"


@dataclass(frozen=True, slots=True)
class Trial:
    """An answer and its fate.

    Attributes:
        fate: what must come of it.
        code: the text of its answer cell.
        where: file and line, for messages.
        what: what it is, in words.
        diagnosis: what the check must give; only of a wrong answer.
    """

    fate: Fate
    code: str
    where: str
    what: str
    diagnosis: str = ""

    def complaint(self, tried: Tried, seed: int) -> str:
        """What is wrong with what came; empty if it is what must come.

        Args:
            tried: what came.
            seed: of the data it came of.
        """
        if self.fate is Fate.STUB:
            expected = "NOTHING_YET"
            met = tried.outcome not in (PASSES, RAISES, BREAKS, ENDLESS)
        else:
            expected = self.diagnosis or PASSES
            met = tried.outcome == expected
        if met and (self.fate is Fate.WRONG or not tried.raised):
            return ""
        came = tried.outcome
        said = tried.said
        if tried.raised and tried.outcome != RAISES:
            said = f"{said} · The answer's own cell raised {tried.raised}".strip(" ·")
        more = f"\n      {said}" if said else ""
        return (
            f"{self.where}: {self.what}\n      expected {expected}, came {came} (seed {seed}){more}"
        )


def trials(source: ExerciseSource, answers: Iterable[Answer]) -> Iterator[Trial]:
    """The solution, the stub and the known answers of an exercise.

    Args:
        source: the exercise.
        answers: of the lesson; those of other exercises are passed over.
    """
    here = place(source.path, source.line)
    yield Trial(Fate.RIGHT, source.solved, here, "the solution")
    yield Trial(Fate.STUB, source.stub, here, "the stub")
    for answer in answers:
        if answer.exercise == source.number:
            where = place(answer.path, answer.line)
            fate = Fate.WRONG if answer.wrong else Fate.RIGHT
            code = with_json(source.solved, answer.code)
            yield Trial(fate, code, where, answer.what, answer.wrong or "")
