"""``labkit verify``: whether the whole course is as it must be, on one page.  For instructors.

Each step is a command that can be run by itself; what a failed one printed follows its line.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.jupyter import project_root

SHOWN = 25
"""Lines of a failed command's output that are shown, from its end."""

NBVAL = (
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:asyncio",
    "-c",
    os.devnull,
    "--rootdir=.",
)
"""Without the project's settings for its own tests, whose plugins an instructor need not have."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that must hold.

    Attributes:
        what: what holds if it passes.
        command: a Python module and its arguments; status 0 means that it holds.
        quick: whether only ``--quick`` runs it, or only a run without; both if ``None``.
    """

    what: str
    command: tuple[str, ...]
    quick: bool | None = None


STEPS = (
    Step("The environment is in order", ("labkit", "doctor")),
    Step("The notebooks are what their sources give", ("labkit", "build", "--check"), quick=False),
    Step(
        "Lessons and solutions give what they store", (*NBVAL, "--nbval", "notebooks", "solutions")
    ),
    Step(
        "Unsolved exercises fail at their checks, and nowhere else",
        (*NBVAL, "--nbval-lax", "--labkit-unsolved", "exercises"),
    ),
    Step("The checks tell right answers from wrong ones", ("labkit", "prove"), quick=True),
    Step(
        "The checks tell right answers from wrong ones and notice changed solutions",
        ("labkit", "prove", "--mutants"),
        quick=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step.

    Attributes:
        step: the step.
        passed: whether it holds.
        output: what the command printed.
        seconds: how long it took.
    """

    step: Step
    passed: bool
    output: str
    seconds: float


Run = Callable[[Sequence[str]], tuple[int, str]]
"""Runs ``python -m MODULE ARGUMENTS…``; its exit status and what it printed."""


def verify(steps: Sequence[Step], run: Run) -> Iterator[Outcome]:
    """Run steps, all of them, whatever fails.

    Args:
        steps: in their order.
        run: runs a command.
    """
    for step in steps:
        begun = time.monotonic()
        status, output = run(step.command)
        yield Outcome(step, status == 0, output, time.monotonic() - begun)


def line(outcome: Outcome) -> str:
    """How a step stands, in a line; below it what a failed one printed, and how to run it alone."""
    state = "passed" if outcome.passed else "FAILED"
    said = f"{state}  {outcome.seconds:6.1f} s  {outcome.step.what}"
    if outcome.passed:
        return said
    printed = outcome.output.rstrip().splitlines()
    shown = [f"    {text}".rstrip() for text in printed[-SHOWN:]]
    alone = f"    By itself: python -m {' '.join(outcome.step.command)}"
    return "\n".join([said, *shown, alone])


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: ``[--quick]``.

    Returns:
        The exit status: 0 if everything holds.
    """
    parser = argparse.ArgumentParser(
        prog="labkit verify",
        description="Say whether the course is as it must be: environment, notebooks, checks.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="leave out building all notebooks, and mutants"
    )
    quick = parser.parse_args(arguments).quick
    root = project_root()
    steps = [step for step in STEPS if step.quick in (None, quick)]
    print(f"{len(steps)} things are looked at; this takes a few minutes.", flush=True)
    failed = 0
    for outcome in verify(steps, lambda command: _run(command, root)):
        print(line(outcome), flush=True)
        failed += not outcome.passed
    said = "All of it holds." if not failed else f"{failed} of {len(steps)} do not hold."
    print(f"\n{said}")
    return 1 if failed else 0


def _run(command: Sequence[str], root: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout
