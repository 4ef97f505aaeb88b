"""A program of somebody else's: waited for until it is ready, and ended with all that it started."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from labkit.bench.program import Program, ProgramFailed, free_port

CHILD = """
import signal, sys
pipe = open(sys.argv[1], "w")
pipe.write("here")
pipe.flush()
signal.pause()
"""
PARENT = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])
input()
"""


def test_a_program_is_waited_for(tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = [sys.executable, "-c", f"open({str(made)!r}, 'w'); input()"]
    with Program(command, output=tmp_path / "log") as program:
        program.until(made.exists)
    assert made.exists()


def test_a_program_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such port')"]
    with (
        Program(command, output=tmp_path / "log") as program,
        pytest.raises(ProgramFailed, match=r"ended with 1.*no such port"),
    ):
        program.until(lambda: False)


def test_a_program_that_is_not_ready_in_time_is_told(tmp_path: Path) -> None:
    with (
        Program([sys.executable, "-c", "input()"], output=tmp_path / "log") as program,
        pytest.raises(ProgramFailed, match=r"is not ready after 0\.1 s"),
    ):
        program.until(lambda: False, seconds=0.1)


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", PARENT, CHILD, str(pipe)]
    with ExitStack() as opened:
        with Program(command, output=tmp_path / "log"):
            held = opened.enter_context(pipe.open())
            assert held.read(4) == "here"
        assert held.read() == ""  # the child had it open for as long as it lived


def test_a_free_port_is_free() -> None:
    assert free_port() != free_port()
