"""Every check of the course is proven: by answers whose fate is known, by mutants, and by doubles.

A class for each lesson, so that ``-n 2 --dist loadscope`` spreads them.  The table of what was proven
stands at the end of pytest's output.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.exercise import Attempt, Check, Exercise
from labkit.course.proof import survivor
from labkit.course.proof.command import KILLED
from labkit.course.proof.desk import Desk
from labkit.course.proof.mutant import mutants
from labkit.course.proof.prover import Prover
from labkit.course.source import Answer, ExerciseSource, answers, exercise_sources
from labkit.lab import Lab, running

Record = Callable[[str, object], None]
LESSONS = [lesson for lesson in catalogue.lessons() if lesson.exercises]

pytestmark = pytest.mark.timeout(400)
"""Seconds for all answers of one exercise, on a machine that is busy."""


@functools.cache
def material(folder: Path) -> tuple[dict[str, ExerciseSource], list[Answer], survivor.Listed]:
    """A lesson's exercises, answers and survivors."""
    (lesson,) = [each for each in LESSONS if each.folder == folder]
    return dict(exercise_sources(lesson)), answers(lesson), survivor.read(folder)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


def always_passes(attempt: Attempt, *answer: object) -> None:
    """A check that looks at nothing."""


def always_fails(attempt: Attempt, *answer: object) -> None:
    """A check that nothing satisfies."""
    code = next(iter(attempt.exercise.diagnoses))
    raise attempt.not_yet(code, did="anything", expected="something else")


class Proofs:
    """The proofs of a lesson's exercises."""

    lesson: Lesson

    def prover(self, exercise: Exercise, desk: Desk) -> Prover:
        sources, known, _ = material(self.lesson.folder)
        return Prover(exercise, sources[exercise.number], known, desk)

    def desk(self, exercise: Exercise, lab: Lab) -> Desk:
        sources, _, _ = material(self.lesson.folder)
        assert exercise.number in sources, f"exercises.md has no {exercise.number}"
        return Desk(sources[exercise.number], lab)

    def test_each_answer_meets_its_fate(
        self, exercise: Exercise, lab: Lab, record_property: Record
    ) -> None:
        with self.desk(exercise, lab) as desk:
            prover = self.prover(exercise, desk)
            prover.try_answers()
        record_property("proof", prover.proof.counts)
        assert not prover.proof.failures, "\n".join(prover.proof.failures)

    def test_mutants_are_rejected_or_listed(
        self, exercise: Exercise, lab: Lab, record_property: Record
    ) -> None:
        with self.desk(exercise, lab) as desk:
            prover = self.prover(exercise, desk)
            prover.try_mutants(material(self.lesson.folder)[2])
        record_property("proof", {"mutants killed": prover.proof.counts["mutants killed"]})
        assert prover.mutants
        assert not prover.proof.failures, "\n".join(prover.proof.failures)

    @pytest.mark.parametrize("double", [always_passes, always_fails])
    def test_a_check_that_does_not_look_is_noticed(
        self, exercise: Exercise, lab: Lab, double: Check
    ) -> None:
        with self.desk(exercise, lab) as desk:
            blind = dataclasses.replace(exercise, check=double)
            assert self.prover(blind, desk).first_complaint()


for lesson in LESSONS:
    name = f"TestLesson{lesson.number:02}"
    made = type(name, (Proofs,), {"lesson": lesson, "__doc__": f"Lesson {lesson.name}."})
    globals()[name] = pytest.mark.parametrize(
        "exercise", lesson.exercises, ids=lambda exercise: exercise.number
    )(made)


def test_nine_in_ten_mutants_are_rejected() -> None:
    """The others are listed, and the proofs above hold the lists to what happens."""
    sources = [each for lesson in LESSONS for each in material(lesson.folder)[0].values()]
    made = sum(len(mutants(source)) for source in sources)
    listed = sum(len(names) for lesson in LESSONS for names in material(lesson.folder)[2].values())
    assert made > 0
    assert listed <= (1 - KILLED) * made
