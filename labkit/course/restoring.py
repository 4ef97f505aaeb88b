"""``restore``: one exercise back to its stub, in an open notebook and on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from labkit.course import catalogue
from labkit.course.exercise import CourseError
from labkit.course.workbook import Workbook
from labkit.jupyter import project_root, work_folder


def restore(number: str) -> None:
    """Put an exercise's stub into a new cell below; what you wrote stays where it is.

    The notebook is open in JupyterLab, so its file is not changed behind JupyterLab's back.  The
    command ``labkit restore 3.2`` changes the file, when the notebook is closed.

    Args:
        number: the exercise's number, such as ``"3.2"``.

    Raises:
        CourseError: there is no such exercise, or no notebook is running.
    """
    from IPython import get_ipython

    offer(_notebook_of(str(number)), str(number), workbook(), get_ipython())


def offer(name: str, number: str, workbook: Workbook, shell: Any) -> None:
    """Put the stub of an exercise into the next cell of a notebook.

    Args:
        name: the notebook's stem.
        number: the exercise's number.
        workbook: where the stub is found.
        shell: the notebook's shell, or ``None`` outside one.

    Raises:
        CourseError: there is no such exercise, or no shell.
    """
    if shell is None:
        raise CourseError(
            f"restore() fills a notebook's cell. Elsewhere, run: labkit restore {number}"
        )
    stub = workbook.stub(name, number)
    shell.set_next_input(stub, replace=False)
    print(
        f"The stub of exercise {number} is in the cell below. Your own text stays where it is: move "
        "the new cell there, and delete the one you do not want."
    )


def workbook() -> Workbook:
    """The lab's exercises and the student's copies."""
    return Workbook(project_root() / "exercises", work_folder())


def _notebook_of(number: str) -> str:
    exercise = catalogue.exercise(number)
    return catalogue.lesson(exercise.position[0]).name


def main(arguments: Sequence[str]) -> int:
    """Run ``labkit restore``.

    Args:
        arguments: the exercise's number.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="labkit restore",
        description="Bring one exercise of your notebook in work/ back to its stub. Your answer is kept.",
    )
    parser.add_argument("exercise", help="its number, such as 3.2")
    number = parser.parse_args(arguments).exercise
    print("\n".join(workbook().restore(_notebook_of(number), number)))
    return 0
