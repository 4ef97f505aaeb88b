"""``labkit prove 03``: try the known answers of a lesson's exercises on their checks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.exercise import CourseError
from labkit.course.proof.desk import Desk
from labkit.course.proof.prover import PROMPT, Proof, Prover
from labkit.course.proof.trial import Fate
from labkit.course.source import answers, exercise_sources
from labkit.lab import Lab, running


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: ``[NN | N.M …]``.

    Returns:
        The exit status: 1 if an answer does not meet its fate.
    """
    parser = argparse.ArgumentParser(
        prog="labkit prove",
        description="Try the solution, the stub and the known answers of exercises on their checks.",
    )
    parser.add_argument(
        "what",
        nargs="*",
        help="a lesson's number or an exercise's; the whole course if none is given",
    )
    options = parser.parse_args(arguments)
    return run(catalogue.lessons(), options.what)


def run(
    lessons: Sequence[Lesson], wanted: Sequence[str] = (), *, say: Callable[[str], None] = print
) -> int:
    """Prove exercises, and say how each stands.

    Args:
        lessons: all lessons.
        wanted: numbers of lessons and exercises; all of them if empty.
        say: gets the result, line by line.

    Returns:
        The exit status.

    Raises:
        CourseError: there is no such lesson or exercise, or a source is malformed.
    """
    chosen = _chosen(lessons, wanted)
    failed = 0
    with running() as lab:
        for lesson, numbers in chosen:
            for proof in proofs(lesson, numbers, lab):
                say(line(proof))
                for failure in proof.failures:
                    say(f"    {failure}")
                failed += bool(proof.failures)
    say(f"{failed} exercises are not proven." if failed else "All of them are proven.")
    return 1 if failed else 0


def proofs(lesson: Lesson, numbers: Iterable[str], lab: Lab) -> Iterable[Proof]:
    """The proofs of exercises of a lesson, one by one.

    Args:
        lesson: the lesson.
        numbers: of the exercises.
        lab: the lab that runs.
    """
    sources, known = exercise_sources(lesson), answers(lesson)
    exercises = {exercise.number: exercise for exercise in lesson.exercises}
    for number in numbers:
        if number not in sources or number not in exercises:
            missing = "exercises.md" if number not in sources else "checks.py"
            raise CourseError(f"{lesson.folder.name}/{missing} has no exercise {number}. Write it.")
        try:
            with Desk(sources[number], lab) as desk:
                yield Prover(exercises[number], sources[number], known, desk).proof()
        except CourseError as error:
            yield Proof(exercises[number], failures=[str(error)])


def line(proof: Proof) -> str:
    """How an exercise stands, in a line."""
    wrong, right = (f"{proof.kept[f]} of {proof.tried[f]}" for f in (Fate.WRONG, Fate.RIGHT))
    seconds, what = proof.slowest
    slow = f" ({what})" if seconds > PROMPT else ""
    stands = "not proven" if proof.failures else "proven"
    return (
        f"{proof.exercise.number:5} {stands:10}  wrong rejected {wrong}, right accepted {right}, "
        f"slowest check {seconds * 1000:.0f} ms{slow}"
    )


def _chosen(lessons: Sequence[Lesson], wanted: Sequence[str]) -> list[tuple[Lesson, list[str]]]:
    """The exercises that are wanted, by lesson."""
    chosen: list[tuple[Lesson, list[str]]] = []
    unknown = set(wanted)
    for lesson in lessons:
        there = dict.fromkeys([e.number for e in lesson.exercises] + list(exercise_sources(lesson)))
        whole = {word for word in wanted if word.isdecimal() and int(word) == lesson.number}
        numbers = [number for number in there if not wanted or whole or number in wanted]
        unknown -= whole | set(numbers)
        if numbers:
            chosen.append((lesson, numbers))
    if unknown:
        names = ", ".join(lesson.name for lesson in lessons) or "none"
        raise CourseError(f"There is no {min(unknown)} to prove. Lessons: {names}.")
    return chosen
