"""The proof of one exercise: its answers are tried, and each must meet its fate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labkit.course.exercise import Exercise
from labkit.course.proof.demand import shortfalls
from labkit.course.proof.desk import Desk, Tried
from labkit.course.proof.trial import SEEDS, Fate, Trial, trials
from labkit.course.source import Answer, ExerciseSource

PROMPT = 0.5
"""Seconds within which a check answers."""


@dataclass(slots=True)
class Proof:
    """What was proven of an exercise.

    Attributes:
        exercise: the exercise.
        kept: how many answers of each fate met it.
        tried: how many were tried.
        slowest: seconds of the slowest check of a known answer, and what the answer was.
        failures: what is wrong, in words; the exercise is proven if there is none.
    """

    exercise: Exercise
    kept: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    tried: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    slowest: tuple[float, str] = (0.0, "")
    failures: list[str] = field(default_factory=list)

    def note(self, trial: Trial, tried: Iterable[Tried], complaint: str) -> None:
        """Count a trial.

        Args:
            trial: the answer.
            tried: what came of it, once for each set of data.
            complaint: what is wrong with that; empty if it met its fate.
        """
        self.tried[trial.fate] += 1
        self.kept[trial.fate] += not complaint
        if complaint:
            self.failures.append(complaint)
        self.slowest = max(self.slowest, *((each.seconds, trial.what) for each in tried))


class Prover:
    """Proves an exercise at a desk.

    Args:
        exercise: the exercise.
        source: as its source has it.
        answers: of its lesson.
        desk: where answers are tried.
    """

    def __init__(
        self, exercise: Exercise, source: ExerciseSource, answers: Sequence[Answer], desk: Desk
    ) -> None:
        self._exercise = exercise
        self._source = source
        self._trials = list(trials(source, answers))
        self._desk = desk

    def proof(self) -> Proof:
        """Try all answers, on three sets of data each."""
        proof = Proof(self._exercise)
        proof.failures += shortfalls(self._exercise, self._source, self._trials)
        for trial in self._trials:
            proof.note(trial, *self._try(trial))
        return proof

    def _try(self, trial: Trial) -> tuple[list[Tried], str]:
        """What comes of an answer on each set of data, up to the one it fails on, and the complaint."""
        tried: list[Tried] = []
        for seed in SEEDS:
            tried.append(self._desk.try_out(self._exercise, trial.code, seed))
            complaint = trial.complaint(tried[-1], seed)
            if complaint:
                return tried, complaint
        return tried, ""
