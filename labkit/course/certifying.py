"""``certificate``: what a student has completed, to print; and the same verified from the notebooks."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.course import catalogue
from labkit.course.catalogue import Lesson
from labkit.course.certificate_page import (
    CLAIM,
    Certificate,
    Solved,
    as_page,
    as_text,
    digest,
    read,
)
from labkit.course.exercise import CourseError
from labkit.course.journal import Journal, Standing
from labkit.course.notebook import text as notebook_text
from labkit.course.workbook import Workbook
from labkit.errors import EnvironmentProblem
from labkit.jupyter import WORK_VARIABLE, project_root, work_folder
from labkit.lab import ENDPOINT_VARIABLE

if TYPE_CHECKING:
    from labkit.course.validation import Outcome, Record

LESSONS = range(1, 7)
"""The lessons whose exercises a certificate is about."""

FILE = "certificate.html"


def certificate(name: str = "") -> None:
    """Write a certificate into the work folder, or print what is missing.

    It is made of the notebooks as they were saved, so save them first.

    Args:
        name: yours, as it shall be printed.

    Raises:
        CourseError: a notebook or an answer is not there.
        EnvironmentProblem: the file cannot be written.
    """
    said, _ = certify(
        name,
        chapters(catalogue.lessons()),
        Journal(work_folder()).standings(),
        Workbook(project_root() / "exercises", work_folder()),
        work_folder() / FILE,
    )
    print(said)


def chapters(lessons: Sequence[Lesson], numbers: Sequence[int] = LESSONS) -> list[Lesson]:
    """The lessons that a certificate is about.

    Raises:
        CourseError: one of them is not there, or has no exercises.
    """
    there = {lesson.number: lesson for lesson in lessons if lesson.exercises}
    lacking = [f"{number:02}" for number in numbers if number not in there]
    if lacking:
        raise CourseError(
            f"This copy of the course has no exercises in lesson {', '.join(lacking)}, so nobody can "
            "complete it yet. A newer copy may have them."
        )
    return [there[number] for number in numbers]


def certify(
    name: str,
    lessons: Sequence[Lesson],
    standings: Mapping[str, Standing],
    workbook: Workbook,
    path: Path,
) -> tuple[str, bool]:
    """Write a certificate, if all is solved.

    Args:
        name: the student's.
        lessons: those that it is about.
        standings: by exercise number.
        workbook: the student's notebooks.
        path: the file to write.

    Returns:
        What to say, and whether the file was written.

    Raises:
        CourseError: a notebook or an answer is not there.
        EnvironmentProblem: the file cannot be written.
    """
    exercises = [exercise for lesson in lessons for exercise in lesson.exercises]
    unsolved = [e for e in exercises if not standings.get(e.number, Standing()).solved]
    if unsolved:
        lines = [f"{len(unsolved)} of {len(exercises)} exercises are to be solved yet:"]
        return "\n".join([*lines, *(f"  {e.number:5} {e.title}" for e in unsolved)]), False
    name = " ".join(name.split())
    if not name:
        return (
            f"All {len(exercises)} exercises are solved. Give your name, as it shall be printed: "
            'certificate("Ada Lovelace"), or on the command line: labkit certificate Ada Lovelace'
        ), False
    made = Certificate(
        name,
        datetime.now(UTC).astimezone().date().isoformat(),
        tuple(
            _solved(lesson, number, standings[number], workbook)
            for lesson in lessons
            for number in (exercise.number for exercise in lesson.exercises)
        ),
    )
    _write(path, as_page(made))
    shown = f"{path.parent.name}/{path.name}"
    return (
        f"{as_text(made)}\n\nTo print: {shown}\nTo verify it: labkit certificate --verify {shown}"
    ), True


def _solved(lesson: Lesson, number: str, standing: Standing, workbook: Workbook) -> Solved:
    answer = workbook.answer(lesson.name, number)
    if digest(answer) == digest(workbook.stub(lesson.name, number)):
        raise CourseError(
            f"Exercise {number} was solved, but its saved notebook holds the stub. Put your answer into "
            "it, save it, and ask again."
        )
    title = next(each.title for each in lesson.exercises if each.number == number)
    day = standing.solved[:10]
    return Solved(number, title, day, standing.taken, standing.revealed, digest(answer))


def _write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(text, encoding="utf-8", newline="\n")
        new.replace(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path} cannot be written: {error.strerror}. Make its folder writable, or free room."
        ) from error


# -- verifying ------------------------------------------------------------------------------------


def verify(
    page: str,
    lessons: Sequence[Lesson],
    workbook: Workbook,
    run: Callable[[Path], Record],
    folder: Path,
) -> tuple[str, bool]:
    """Compare a certificate with notebooks, and run these again with the course's own check cells.

    Args:
        page: the certificate's page.
        lessons: those that it is about.
        workbook: the notebooks that were handed in.
        run: runs one, as :func:`labkit.course.validation.validate` does.
        folder: where what is run is written.

    Returns:
        What was found, and whether the certificate holds.

    Raises:
        CourseError: the page is no certificate.
    """
    made = read(page)
    certified = {each.number: each for each in made.exercises}
    lines = [made.sentence]
    exercises = [exercise for lesson in lessons for exercise in lesson.exercises]
    width = max((len(exercise.title) for exercise in exercises), default=0)
    same = solved = 0
    for lesson in lessons:
        outcomes: Mapping[str, Outcome] = {}
        notebook = workbook.with_given_checks(lesson.name)
        if notebook is not None:
            path = folder / f"{lesson.name}.ipynb"
            _write(path, notebook_text(notebook))
            outcomes = run(path).outcomes
        for exercise in lesson.exercises:
            number = exercise.number
            answer = _compare(certified.pop(number, None), lesson, number, workbook)
            outcome = outcomes.get(number)
            state = outcome.state if outcome else "not reached"
            same, solved = same + (answer == "same answer"), solved + (state == "solved")
            why = outcome.why if outcome else ""
            row = f"  {number:5} {exercise.title:{width}}  {answer:15}  {state:11}  {why}"
            lines.append(row.rstrip())
    lines += [f"  {number:5} is not in this course" for number in certified]
    total = len(exercises)
    holds = same == solved == total and not certified
    lines.append(
        f"{same} of {total} answers are the certified ones; {solved} of {total} are right."
    )
    lines += [f"The certificate {'holds' if holds else 'does not hold'}.", CLAIM]
    return "\n".join(lines), holds


def _compare(certified: Solved | None, lesson: Lesson, number: str, workbook: Workbook) -> str:
    """Whether an answer is the certified one, in two words."""
    if certified is None:
        return "not certified"
    try:
        answer = workbook.answer(lesson.name, number)
    except CourseError:
        return "no answer"
    return "same answer" if digest(answer) == certified.digest else "another answer"


@contextmanager
def work_folder_of_its_own() -> Iterator[Path]:
    """A block in which a notebook that is run writes nothing into one's own work folder.

    Yields:
        The work folder in the block.
    """
    names = (WORK_VARIABLE, ENDPOINT_VARIABLE)
    before = {name: os.environ.pop(name, None) for name in names}
    with tempfile.TemporaryDirectory(prefix="labkit-", ignore_cleanup_errors=True) as work:
        os.environ[WORK_VARIABLE] = work
        try:
            yield Path(work)
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def main(arguments: Sequence[str]) -> int:
    """Run ``labkit certificate``.

    Args:
        arguments: a name, or ``--verify FILE``.

    Returns:
        The exit status: 0 if it was written, or holds.
    """
    parser = argparse.ArgumentParser(
        prog="labkit certificate",
        description="Write your certificate of completion, or verify one from the notebooks.",
    )
    parser.add_argument("name", nargs="*", help="yours, as it shall be printed")
    parser.add_argument(
        "--verify",
        metavar="FILE",
        type=Path,
        help="a certificate. The student's notebooks lie beside it; their code is run",
    )
    parser.add_argument(
        "--notebooks", metavar="FOLDER", type=Path, help="where they lie, if elsewhere"
    )
    options = parser.parse_args(arguments)
    lessons = chapters(catalogue.lessons())
    exercises = project_root() / "exercises"
    if options.verify is None:
        work = work_folder()
        said, done = certify(
            " ".join(options.name),
            lessons,
            Journal(work).standings(),
            Workbook(exercises, work),
            work / FILE,
        )
    else:
        from labkit.course.validation import validate

        try:
            page = options.verify.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CourseError(
                f"{options.verify} cannot be read: {error}. Name the file."
            ) from error
        folder = (options.notebooks or options.verify.parent).resolve()
        with work_folder_of_its_own() as own:
            said, done = verify(page, lessons, Workbook(exercises, folder), validate, own)
    print(said)
    return 0 if done else 1
