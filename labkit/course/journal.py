"""What a student has done: a file that is only ever added to, one line of JSON an entry.

A crash in the middle of a write loses no line that was written before; two notebooks that write at the
same time each add their own lines.  What is known of an exercise or a question is read off its lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labkit.errors import EnvironmentProblem

FILE = "progress.jsonl"


@dataclass(slots=True)
class Standing:
    """Where a student stands with an exercise, or with a question of a quiz.

    Attributes:
        solved: when it was first solved, as ISO 8601; empty if it is not.
        attempts: checks so far, or answers to a question.
        failed: how many of them were not right yet.
        diagnosis: the last check's, if it failed.
        read: the texts of all hints taken, each once.
        revealed: whether the solution was shown before it was solved.
        answer: the last answer that passed, as text; empty if there is none or it has no text.
    """

    solved: str = ""
    attempts: int = 0
    failed: int = 0
    diagnosis: str = ""
    read: list[str] = field(default_factory=list)
    revealed: bool = False
    answer: str = ""

    @property
    def taken(self) -> int:
        """How many different hints were taken."""
        return len(self.read)


class Journal:
    """The journal in a folder.

    Args:
        folder: made when the first line is written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def add(self, exercise: str, what: str, **data: Any) -> None:
        """Add a line.

        Args:
            exercise: the exercise's number, or a question's.
            what: ``solved``, ``not yet``, ``hint`` or ``revealed``.
            data: JSON data: ``diagnosis`` of ``not yet``, ``answer`` of ``solved``, ``text`` of ``hint``.

        Raises:
            EnvironmentProblem: the file cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": now, "exercise": exercise, "what": what, **data})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            file = os.open(self._path, flags, 0o644)
            try:
                # A line that was cut off must not take the next one with it.
                text = ("\n" if _is_torn(file) else "") + line + "\n"
                rest = memoryview(text.encode())
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise EnvironmentProblem(
                f"Your progress cannot be written to {self._path}: {error.strerror}. "
                "Make its folder writable, or free room; then run the cell again."
            ) from error

    def lines(self) -> Iterator[dict[str, Any]]:
        """All entries that are whole, oldest first."""
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and "exercise" in entry and "what" in entry:
                yield entry

    def standings(self) -> dict[str, Standing]:
        """Where the student stands, by the number of an exercise or a question."""
        found: dict[str, Standing] = {}
        for entry in self.lines():
            standing = found.setdefault(entry["exercise"], Standing())
            match entry["what"]:
                case "solved":
                    standing.solved = standing.solved or entry.get("at", "")
                    standing.attempts += 1
                    standing.diagnosis = ""
                    standing.answer = entry.get("answer", "") or standing.answer
                case "not yet":
                    standing.attempts += 1
                    standing.failed += 1
                    standing.diagnosis = entry.get("diagnosis", "")
                case "hint":
                    if entry.get("text", "") not in standing.read:
                        standing.read.append(entry.get("text", ""))
                case "revealed":
                    standing.revealed = standing.revealed or not standing.solved
        return found

    def standing(self, exercise: str) -> Standing:
        """Where the student stands with one exercise."""
        return self.standings().get(exercise, Standing())


def _is_torn(file: int) -> bool:
    """Whether the last line of an open file was cut off."""
    if not os.lseek(file, 0, os.SEEK_END):
        return False
    os.lseek(file, -1, os.SEEK_END)
    return os.read(file, 1) != b"\n"
