"""The proof of one exercise: its answers and its mutants are tried, and each must meet its fate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from labkit.course.exercise import Exercise
from labkit.course.proof import survivor
from labkit.course.proof.demand import shortfalls
from labkit.course.proof.desk import BREAKS, PASSES, Desk
from labkit.course.proof.mutant import Mutant, mutants
from labkit.course.proof.survivor import Listed
from labkit.course.proof.trial import SEEDS, Fate, Trial, trials
from labkit.course.source import Answer, ExerciseSource

PROMPT = 0.5
"""Seconds within which a check answers."""


@dataclass(slots=True)
class Proof:
    """What was proven of an exercise.

    Attributes:
        number: the exercise's.
        tried: how many answers of each fate were tried.
        met: how many of them met it.
        mutants: how many mutants were tried.
        killed: how many of them were rejected.
        slowest: seconds of the slowest check of a known answer, and what the answer was.
        failures: what is wrong, in words; the exercise is proven if there is none.
    """

    number: str
    tried: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    met: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    mutants: int = 0
    killed: int = 0
    slowest: tuple[float, str] = (0.0, "")
    failures: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """What was tried and met its fate, for a table."""
        return {
            "exercises proven": (not self.failures, 1),
            "wrong answers rejected": (self.met[Fate.WRONG], self.tried[Fate.WRONG]),
            "right answers accepted": (self.met[Fate.RIGHT], self.tried[Fate.RIGHT]),
            "mutants killed": (self.killed, self.mutants),
        }


Counts = Mapping[str, tuple[int, int]]
"""By what is counted: how many met their fate, and how many were tried."""


def table(counts: Iterable[Counts]) -> list[str]:
    """The sums of counts, a line each; what was not tried is left out."""
    sums: dict[str, list[int]] = {}
    for each in counts:
        for name, (met, tried) in each.items():
            row = sums.setdefault(name, [0, 0])
            row[0] += met
            row[1] += tried
    return [f"{name:22} {met:5} of {tried:5}" for name, (met, tried) in sums.items() if tried]


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
        self.proof = Proof(exercise.number)

    def try_answers(self) -> None:
        """Try all known answers, on three sets of data each."""
        proof = self.proof
        proof.failures += shortfalls(self._exercise, self._source, self._trials)
        for trial in self._trials:
            proof.tried[trial.fate] += 1
            complaint, seconds = self._try(trial)
            if complaint:
                proof.failures.append(complaint)
            else:
                proof.met[trial.fate] += 1
            proof.slowest = max(proof.slowest, (seconds, trial.what))

    def try_mutants(self, listed: Listed) -> None:
        """Try all mutants.

        Args:
            listed: those that may pass.
        """
        proof, passed = self.proof, []
        for mutant in self.mutants:
            proof.mutants += 1
            outcome = self._fate(mutant)
            if outcome == PASSES:
                passed.append(mutant.name)
            else:
                proof.killed += 1
        names = [mutant.name for mutant in self.mutants]
        proof.failures += survivor.differences(self._source, listed, passed, names)

    @cached_property
    def mutants(self) -> list[Mutant]:
        """The mutants of the solution, without those that are known to be right."""
        right = [trial.code for trial in self._trials if trial.fate is Fate.RIGHT]
        return mutants(self._source, right)

    def first_complaint(self) -> str:
        """What is wrong with the first known answer that does not meet its fate; empty if all do."""
        return next(filter(None, (self._try(trial)[0] for trial in self._trials)), "")

    def _try(self, trial: Trial) -> tuple[str, float]:
        """What is wrong with what comes of an answer, and the seconds of its quickest check.

        The quickest, because a cloud's first calls of a kind take longer than all that follow.
        """
        seconds = []
        for seed in SEEDS:
            tried = self._desk.try_out(self._exercise, trial.code, seed)
            seconds.append(tried.seconds)
            complaint = trial.complaint(tried, seed)
            if complaint:
                return complaint, min(seconds)
        return "", min(seconds)

    def _fate(self, mutant: Mutant) -> str:
        """What comes of a mutant on the first set of data that does not let it pass."""
        for seed in SEEDS:
            tried = self._desk.try_out(self._exercise, mutant.code, seed)
            if tried.outcome == BREAKS and not tried.raised:
                self.proof.failures.append(
                    f"{self._trials[0].where}: the check breaks on a mutant: {mutant.name}\n"
                    f"      {tried.said}\n      Let it say what is wrong instead, by a diagnosis."
                )
            if tried.outcome != PASSES or tried.raised:
                return tried.raised or tried.outcome
        return PASSES
