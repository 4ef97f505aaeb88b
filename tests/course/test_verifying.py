"""``labkit verify``: every step is run, and one page tells what does not hold."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from labkit.cli import VERBS
from labkit.course import verifying
from labkit.course.verifying import NBVAL, STEPS, Outcome, Step, line, main, verify

ROOT = Path(__file__).parent.parent.parent

STEP = Step("Tea is hot", ("labkit", "tea"))


def test_every_step_is_run_whatever_fails() -> None:
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> tuple[int, str]:
        asked.append(command)
        return (1, "cold\n") if "tea" in command else (0, "")

    outcomes = list(verify([STEP, Step("Cups are there", ("labkit", "cups"))], run))
    assert asked == [("labkit", "tea"), ("labkit", "cups")]
    assert [outcome.passed for outcome in outcomes] == [False, True]


def test_what_failed_shows_the_end_of_its_output_and_how_to_run_it_alone() -> None:
    output = "".join(f"line {number}\n" for number in range(100))
    said = line(Outcome(STEP, False, output, 1.25)).splitlines()
    assert said[0] == "FAILED     1.2 s  Tea is hot"
    assert said[1] == "    line 75"
    assert said[-2:] == ["    line 99", "    By itself: python -m labkit tea"]


def test_what_passed_takes_one_line() -> None:
    assert line(Outcome(STEP, True, "much\nto\nsay", 12)) == "passed    12.0 s  Tea is hot"


def test_commands_of_the_lab_exist() -> None:
    verbs = [step.command[1] for step in STEPS if step.command[0] == "labkit"]
    assert verbs
    assert set(verbs) <= set(VERBS)


@pytest.mark.parametrize(("status", "closing"), [(0, "All of it holds."), (1, "do not hold.")])
def test_the_status_says_whether_all_holds(
    status: int, closing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = (Step("Python runs", ("platform",)), Step("It may fail", ("this", "that")))
    if status:
        steps += (Step("A module is there", ("no_such_module_of_ours",)),)
    monkeypatch.setattr(verifying, "STEPS", steps)
    assert main([]) == status
    assert capsys.readouterr().out.rstrip().endswith(closing)


def test_quick_leaves_out_what_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = Step("It takes long", ("no_such_module_of_ours",), quick=False)
    monkeypatch.setattr(verifying, "STEPS", (Step("Python runs", ("platform",)), slow))
    assert main(["--quick"]) == 0
    assert "It takes long" not in capsys.readouterr().out


def test_a_full_run_does_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = Step("It is short", ("no_such_module_of_ours",), quick=True)
    monkeypatch.setattr(verifying, "STEPS", (Step("Python runs", ("platform",)), short))
    assert main([]) == 0
    assert "It is short" not in capsys.readouterr().out


def test_notebooks_run_where_the_plugins_of_the_projects_tests_are_missing() -> None:
    """`python lab.py` installs none of these, and the project's settings for pytest need them."""
    missing = ("xdist", "timeout", "hypothesispytest", "anyio")
    without = [word for name in missing for word in ("-p", f"no:{name}")]
    run = subprocess.run(
        [sys.executable, "-m", *NBVAL, *without, "--nbval", "tests/notebooks/wrong_output.ipynb"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "1 failed, 1 passed" in run.stdout, run.stdout + run.stderr
