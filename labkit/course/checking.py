"""``check``: try out a student's answer and say what it does."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sysconfig
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from labkit.course import catalogue, not_run
from labkit.course.answer_text import own_text, whole_text
from labkit.course.exercise import Attempt, CourseError, Exercise
from labkit.course.hinting import upcoming
from labkit.course.journal import Journal
from labkit.course.sandbox import Sandbox
from labkit.course.verdict import NotYet
from labkit.errors import LabNotRunning
from labkit.jupyter import work_folder
from labkit.lab import Lab

SEED = "LABKIT_SEED"
"""Environment variable that makes checks use the same data each time."""


def check(number: str, *answer: Any) -> None:
    """Check an exercise, and write down what came of it, unless there is no answer yet.

    Args:
        number: the exercise's number, such as ``"1.3"``.
        answer: what the exercise asks for: a function, a handler's file, a text, a choice.

    Raises:
        NotYet: the answer is not right yet; it says why and what to do next.
        NotRun: the answer is an older one, because its cell failed or did not run.
        LabNotRunning: the lab does not run.
        CourseError: there is no such exercise.
    """
    exercise = catalogue.exercise(number)
    not_run.refuse(answer)
    note(exercise, judge(exercise, *answer), answer, Journal(work_folder()))
    print(f"Exercise {exercise.number} {exercise.title}: solved")
    if exercise.solved:
        print(textwrap.fill(exercise.solved, 88, initial_indent="  ", subsequent_indent="  "))


def note(
    exercise: Exercise, verdict: NotYet | None, answer: Sequence[Any], journal: Journal
) -> None:
    """Write down what a check found.

    Args:
        exercise: what was checked.
        verdict: what is not right yet, or ``None``.
        answer: what the student gave.
        journal: where it is written down.

    Raises:
        NotYet: the verdict, with the hint that comes next.
    """
    if verdict is not None:
        if verdict.diagnosis != "NOTHING_YET":  # running all cells is no attempt at each exercise
            journal.add(exercise.number, "not yet", diagnosis=verdict.diagnosis)
        verdict.next_hint = next(iter(upcoming(exercise, journal.standing(exercise.number))), None)
        raise verdict
    journal.add(exercise.number, "solved", answer=whole_text(answer[0]) if answer else "")


def judge(exercise: Exercise, *answer: Any, seed: int | None = None) -> NotYet | None:
    """Run an exercise's check; nothing is written down.

    Args:
        exercise: the exercise.
        answer: what the student gave.
        seed: of the check's data; a fresh one if ``None``.

    Returns:
        What is not right yet, or ``None`` if the answer is right.
    """
    lab = Lab.current()
    if lab is None:
        raise LabNotRunning(
            "The lab does not run, so nothing can be checked. Run the notebook's first cell "
            "(Lab.start()), then this one again."
        )
    if seed is None:
        chosen = os.environ.get(SEED)
        seed = int(chosen) if chosen else int.from_bytes(os.urandom(6), "big")
    opened: list[Sandbox] = []

    def sandbox() -> Sandbox:
        opened.append(Sandbox(lab, seed + len(opened)))
        return opened[-1]

    attempt = Attempt(exercise, sandbox, seed)
    gap = next(filter(None, map(_gap, answer)), "")
    if gap:
        return attempt.not_yet(
            "NOTHING_YET", did=f"your answer still has a gap: {gap}", expected="an answer of yours"
        )
    try:
        exercise.check(attempt, *answer)
    except NotYet as verdict:
        theirs = {own_text(part) for part in answer}
        crashes = [
            crash
            for each in opened
            for crash in each.crashes
            if not crash.sources or crash.sources & theirs  # no function of the check's own
        ]
        if crashes and not verdict.frames:
            last = crashes[-1]
            told = _own_lines(last.lines)
            verdict.frames = (f"From the log of your function {last.function}:", *told, "")
        return verdict
    except (CourseError, KeyboardInterrupt):
        raise
    except Exception as error:
        checks = inspect.getfile(exercise.check)
        frames = _own_frames(error.__traceback__, checks)
        if not frames and not isinstance(error, TypeError):
            raise
        if not frames:  # a call with other arguments than the function takes
            where = traceback.extract_tb(error.__traceback__)[-1].filename
            if where != checks:
                raise
        return attempt.not_yet(
            "YOUR_CODE_RAISED",
            did=textwrap.shorten(f"{type(error).__name__}: {error}", 160, placeholder=" …"),
            expected="no error",
            frames=(*frames, f"{type(error).__name__}: {error}", ""),
        )
    return None


# -- the student's own code ----------------------------------------------------------------------

_LAB = str(Path(__file__).resolve().parent.parent)
_LIBRARIES = tuple(str(Path(path).resolve()) for path in {*sysconfig.get_paths().values()} if path)


def _own_frames(trace: TracebackType | None, checks: str) -> tuple[str, ...]:
    """The frames of a traceback that are the student's own, as Python shows them."""
    own = [
        frame
        for frame in traceback.extract_tb(trace)
        if not frame.filename.startswith((_LAB, checks, *_LIBRARIES, "<frozen"))
    ]
    lines = [
        line
        for frame in own
        for line in (
            f"{_shown(frame.filename)}, line {frame.lineno}, in {frame.name}",
            f"    {frame.line}",
        )
    ]
    return ("In your code:", *lines) if lines else ()


def _own_lines(log: Sequence[str]) -> Iterator[str]:
    """A function's log with the frames of its own code, and how many of other code were left out."""
    others = 0
    own = True
    for line in (*log, None):
        if line is not None and line.startswith('  File "'):
            own = line.startswith('  File "/var/task/')
            others += not own
        elif line is None or not line.startswith("    "):
            own = True
        if own and others:
            frames = "1 frame" if others == 1 else f"{others} frames"
            yield f"  … {frames} of boto3 and Python left out"
            others = 0
        if own and line is not None:
            yield line


def _shown(filename: str) -> str:
    return "this notebook" if "ipykernel" in filename or filename.startswith("<") else filename


def _gap(answer: Any) -> str:
    """What an answer still has of the stub: ``...`` or ``"?"``, and where; empty if it has none."""
    if answer is None or answer is ...:
        return "..."
    text = own_text(answer)
    if isinstance(answer, str):
        lines = [number for number, line in enumerate(text.splitlines(), 1) if '"?"' in line]
        if lines:
            return f'"?" in line {lines[0]} of the text'
        return '"?"' if text.strip() in ("", "?") else ""
    if not (callable(answer) or isinstance(answer, Path)):
        gaps = isinstance(answer, list | tuple) and any(part is ... for part in answer)
        return "..." if gaps else ""
    try:
        tree = ast.parse(textwrap.dedent(re.sub(r"\A%%handler", "# %%handler", text)))
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value is ...:
            where = "cell" if isinstance(answer, Path) else "function"
            return f"... in line {node.lineno} of the {where}"
    return ""
