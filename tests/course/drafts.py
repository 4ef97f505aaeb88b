"""A copy of the fixture's lesson that a test may spoil."""

import dataclasses
import shutil
from pathlib import Path

from labkit.course import catalogue
from labkit.course.catalogue import Lesson

PACKAGE = "tests.course.fixture"
FIXTURE = Path(__file__).parent / "fixture"


class Draft:
    """The lesson 01 of the fixture in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "l01_greeting"
        shutil.copytree(FIXTURE / "l01_greeting", self.folder)
        self.lessons = tuple(
            dataclasses.replace(each, folder=self.folder) if each.number == 1 else each
            for each in catalogue.lessons(PACKAGE)
        )

    @property
    def lesson(self) -> Lesson:
        return self.lessons[1]

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace what stands in a file exactly once."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new), "utf-8")

    def line(self, name: str, text: str) -> int:
        """The line of a file that a text stands in, which is the only one."""
        lines = (self.folder / name).read_text("utf-8").splitlines()
        (found,) = [number for number, line in enumerate(lines, 1) if text in line]
        return found

    def change_exercise(self, number: str, **changes: object) -> None:
        """Change the facts of an exercise's box."""
        exercises = tuple(
            dataclasses.replace(each, **changes) if each.number == number else each
            for each in self.lesson.exercises
        )
        changed = dataclasses.replace(self.lesson, exercises=exercises)
        self.lessons = tuple(changed if each.number == 1 else each for each in self.lessons)
