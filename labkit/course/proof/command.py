"""``labkit prove 03``: try the known answers of a lesson's exercises on their checks."""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.exercise import CourseError
from labkit.course.proof import left_out, survivor
from labkit.course.proof.desk import Desk
from labkit.course.proof.prover import PROMPT, Proof, Prover, table
from labkit.course.proof.trial import Fate
from labkit.course.source import answers, exercise_sources
from labkit.lab import ENDPOINT_VARIABLE, Lab, running

KILLED = 0.9
"""The part of the mutants that must be rejected."""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: ``[--mutants] [NN | N.M …]``.

    Returns:
        The exit status: 1 if an answer does not meet its fate.
    """
    parser = argparse.ArgumentParser(
        prog="labkit prove",
        description="Try the solution, the stub and the known answers of exercises on their checks.",
    )
    parser.add_argument(
        "--mutants",
        action="store_true",
        help="try changed solutions too, which must be rejected or be listed in survivors.md",
    )
    parser.add_argument(
        "what",
        nargs="*",
        help="a lesson's number or an exercise's; the whole course if none is given",
    )
    options = parser.parse_args(arguments)
    cores = os.cpu_count() or 1
    return run(catalogue.lessons(), options.what, mutants=options.mutants, processes=cores)


def run(
    lessons: Sequence[Lesson],
    wanted: Sequence[str] = (),
    *,
    mutants: bool = False,
    processes: int = 1,
    say: Callable[[str], None] = print,
) -> int:
    """Prove exercises, leave each out once, and say how each stands.

    Args:
        lessons: all lessons.
        wanted: numbers of lessons and exercises; all of them if empty.
        mutants: try mutants too.
        processes: how many exercises are proven at a time, each in a process with a cloud of its
            own; with 1 all of them in this one.
        say: gets the result, line by line.

    Returns:
        The exit status.

    Raises:
        CourseError: there is no such lesson or exercise, or a source is malformed.
    """
    done: list[Proof] = []
    tasks = [
        (lesson, number, mutants)
        for lesson, numbers in _chosen(lessons, wanted)
        for number in numbers
    ]
    with closing(_side_by_side(tasks, processes) if processes > 1 else _in_turn(tasks)) as proofs:
        for proof in proofs:
            done.append(proof)
            say(line(proof))
            for failure in proof.failures:
                say(f"    {failure}")
    say("\n".join(table(proof.counts for proof in done)))
    holes = not wanted and too_many(done)  # a rule about the course, not about each part of it
    if holes:
        say(f"At least {KILLED:.0%} of the course's mutants must be killed.")
    return 1 if any(proof.failures for proof in done) or holes else 0


def prove(lesson: Lesson, number: str, lab: Lab, *, mutants: bool = False) -> Proof:
    """The proof of an exercise by its answers.

    Args:
        lesson: its lesson.
        number: of the exercise.
        lab: the lab that runs.
        mutants: try mutants too.

    Raises:
        CourseError: there is no such exercise, or a source is malformed.
    """
    sources, known, listed = exercise_sources(lesson), answers(lesson), survivor.read(lesson.folder)
    exercises = {exercise.number: exercise for exercise in lesson.exercises}
    if number not in sources or number not in exercises:
        missing = "exercises.md" if number not in sources else "checks.py"
        raise CourseError(f"{lesson.folder.name}/{missing} has no exercise {number}. Write it.")
    try:
        with Desk(sources[number], lab) as desk:
            prover = Prover(exercises[number], sources[number], known, desk)
            prover.try_answers()
            if mutants:
                prover.try_mutants(listed)
        return prover.proof
    except CourseError as error:
        return Proof(number, failures=[str(error)])


Task = tuple[Lesson, str, bool]
"""A lesson, the number of an exercise in it, and whether mutants are tried."""


def _in_turn(tasks: Iterable[Task]) -> Generator[Proof]:
    with _own_lab() as lab:
        for lesson, number, mutants in tasks:
            yield _whole(lesson, number, lab, mutants=mutants)


def _side_by_side(tasks: Sequence[Task], processes: int) -> Generator[Proof]:
    """The proofs in the order of the tasks, so many at a time."""
    workers = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_begin
    )
    try:
        proofs = [
            workers.submit(_prove, lesson.number, number, mutants)
            for lesson, number, mutants in tasks
        ]
        for proof in proofs:
            yield proof.result()
    finally:
        workers.shutdown(cancel_futures=True)


def _begin() -> None:
    """Start a worker's cloud; it ends with the process."""
    os.environ.pop(ENDPOINT_VARIABLE, None)
    Lab.start()


def _prove(lesson: int, number: str, mutants: bool) -> Proof:
    return _whole(catalogue.lesson(lesson), number, Lab.start(), mutants=mutants)


def _whole(lesson: Lesson, number: str, lab: Lab, *, mutants: bool) -> Proof:
    """The proof by its answers, and by leaving it out of its lesson."""
    proof = prove(lesson, number, lab, mutants=mutants)
    proof.failures += left_out.complaints(lesson, number, lab)
    return proof


def line(proof: Proof) -> str:
    """How an exercise stands, in a line."""
    wrong, right = (f"{proof.met[f]} of {proof.tried[f]}" for f in (Fate.WRONG, Fate.RIGHT))
    seconds, what = proof.slowest
    slow = f" ({what})" if seconds > PROMPT else ""
    stands = "not proven" if proof.failures else "proven"
    killed = f"mutants killed {proof.killed} of {proof.mutants}, " if proof.mutants else ""
    return (
        f"{proof.number:5} {stands:10}  wrong rejected {wrong}, right accepted {right}, "
        f"{killed}slowest check {seconds * 1000:.0f} ms{slow}"
    )


def too_many(proofs: Sequence[Proof]) -> bool:
    """Whether more mutants pass than may, whatever the reasons that are listed."""
    mutants = sum(proof.mutants for proof in proofs)
    return sum(proof.killed for proof in proofs) < KILLED * mutants


def _chosen(lessons: Sequence[Lesson], wanted: Sequence[str]) -> list[tuple[Lesson, list[str]]]:
    """The exercises that are wanted, by lesson."""
    chosen: list[tuple[Lesson, list[str]]] = []
    unknown = set(wanted)
    for lesson in lessons:
        whole = {word for word in wanted if word.isdecimal() and int(word) == lesson.number}
        parts = {word for word in wanted if word.partition(".")[0] == f"{lesson.number}"} - whole
        if wanted and not whole and not parts:
            continue  # its sources may be in the making
        there = dict.fromkeys([e.number for e in lesson.exercises] + list(exercise_sources(lesson)))
        numbers = [number for number in there if not wanted or whole or number in parts]
        unknown -= whole | set(numbers)
        if numbers:
            chosen.append((lesson, numbers))
    if unknown:
        names = ", ".join(lesson.name for lesson in lessons) or "none"
        raise CourseError(f"There is no {min(unknown)} to prove. Lessons: {names}.")
    return chosen


@contextmanager
def _own_lab() -> Iterator[Lab]:
    """A cloud of its own: what answers make is removed, and a student's own must stay."""
    attached = os.environ.pop(ENDPOINT_VARIABLE, None)
    try:
        with running() as lab:
            yield lab
    finally:
        if attached is not None:
            os.environ[ENDPOINT_VARIABLE] = attached
