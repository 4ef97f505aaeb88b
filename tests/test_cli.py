"""The ``labkit`` command: which verb is run, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

import labkit
from labkit.cli import VERBS, main, usage

COMMAND = [sys.executable, "-m", "labkit"]


# "lab" hands its options on to JupyterLab.
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "lab"])
def test_every_verb_has_a_program_that_explains_itself(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        import_module(VERBS[verb][0]).main(["--help"])
    assert ended.value.code == 0
    assert f"labkit {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["help"], ["-h"], ["--help"]])
def test_without_a_verb_the_verbs_are_told(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    told = capsys.readouterr().out
    assert told == usage() + "\n"
    assert all(f"  {verb} " in told for verb in VERBS)


def test_unknown_verb_is_said_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dmeo"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("labkit: there is no verb 'dmeo'.")
    assert usage() in told


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"labkit {labkit.__version__}\n"


def test_error_of_the_lab_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--order", "nowhere.json"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("labkit demo: nowhere.json cannot be read")


def test_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        run = subprocess.run(
            [*COMMAND, "help"], stdout=output, stderr=subprocess.PIPE, check=False, timeout=30
        )
    assert (run.returncode, run.stderr) == (141, b"")
