"""What a student has done: a file that is only ever added to, one line of JSON an entry.

A crash in the middle of a write loses at most the line that was being written; two notebooks that
write at the same time each add their own lines.  What is known of an exercise is read off its lines.
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
    """Where a student stands with an exercise.

    Attributes:
        solved: when it was first solved, as ISO 8601; empty if it is not.
        attempts: checks so far.
        diagnosis: the last check's, if it failed.
        hints: hints taken since the last diagnosis of another kind.
        taken: all hints taken.
        revealed: whether the solution was shown.
        answer: the last answer that passed, as text; empty if there is none or it has no text.
    """

    solved: str = ""
    attempts: int = 0
    diagnosis: str = ""
    hints: int = 0
    taken: int = 0
    revealed: bool = False
    answer: str = ""
    choices: dict[str, str] = field(default_factory=dict)


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
            exercise: the exercise's number.
            what: ``solved``, ``not yet``, ``hint`` or ``revealed``.
            data: JSON data: ``diagnosis`` of ``not yet``, ``answer`` of ``solved``.

        Raises:
            EnvironmentProblem: the file cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": now, "exercise": exercise, "what": what, **data})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                # A line that was cut off must not take the next one with it.
                size = os.lseek(file, 0, os.SEEK_END)
                torn = size and os.pread(file, 1, size - 1) != b"\n" if hasattr(os, "pread") else 0
                os.write(file, (("\n" if torn else "") + line + "\n").encode())
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
        """Where the student stands, by exercise number."""
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
                    if entry.get("diagnosis") != standing.diagnosis:
                        standing.diagnosis, standing.hints = entry.get("diagnosis", ""), 0
                case "hint":
                    standing.hints += 1
                    standing.taken += 1
                case "revealed":
                    standing.revealed = True
        return found

    def standing(self, exercise: str) -> Standing:
        """Where the student stands with one exercise."""
        return self.standings().get(exercise, Standing())
