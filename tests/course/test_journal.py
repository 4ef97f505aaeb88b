"""The journal keeps what a student has done, whatever breaks off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.course.journal import FILE, Journal, Standing
from labkit.errors import EnvironmentProblem


def test_a_standing_is_read_off_the_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "work")
    for what, data in [
        ("not yet", {"diagnosis": "ONE"}),
        ("hint", {"text": "first"}),
        ("hint", {"text": "second"}),
        ("hint", {"text": "first"}),
        ("not yet", {"diagnosis": "TWO"}),
    ]:
        journal.add("1.1", what, **data)
    standing = journal.standing("1.1")
    assert (standing.attempts, standing.failed, standing.diagnosis) == (2, 2, "TWO")
    assert (standing.read, standing.taken) == (["first", "second"], 2)
    assert not standing.solved
    journal.add("1.1", "solved", answer="x = 1")
    journal.add("1.1", "solved", answer="")
    standing = journal.standing("1.1")
    assert standing.solved
    assert (standing.attempts, standing.failed, standing.diagnosis) == (4, 2, "")
    assert standing.answer == "x = 1"
    assert journal.standing("1.2") == Standing()


def test_a_solution_that_is_read_after_solving_does_not_count(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add("1.1", "solved", answer="")
    journal.add("1.1", "revealed")
    assert not journal.standing("1.1").revealed
    journal.add("1.2", "revealed")
    journal.add("1.2", "solved", answer="")
    assert journal.standing("1.2").revealed


def test_a_write_that_broke_off_anywhere_costs_no_other_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add("1.1", "solved", answer="π = 3")
    whole = (tmp_path / FILE).read_bytes()
    journal.add("1.2", "not yet", diagnosis="ONE")
    both = (tmp_path / FILE).read_bytes()
    assert len(both) > len(whole) > 50
    for cut in range(len(whole), len(both)):
        (tmp_path / FILE).write_bytes(both[:cut])
        assert journal.standing("1.1").answer == "π = 3"
        journal.add("1.3", "not yet", diagnosis="TWO")
        standings = journal.standings()
        assert standings["1.1"].answer == "π = 3"
        assert standings["1.3"].diagnosis == "TWO"
        # All but the last byte is a whole line that lacks its end.
        assert ("1.2" in standings) == (cut == len(both) - 1)


def test_a_process_that_is_killed_loses_nothing_that_it_has_written(tmp_path: Path) -> None:
    source = (
        "import itertools, pathlib, sys\n"
        "from labkit.course.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for count in itertools.count():\n"
        "    journal.add(f'1.{count}', 'solved', answer='x' * 5000)\n"
        "    print(count, flush=True)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    told = 0
    while told < 5:
        told = int(writer.stdout.readline())
    writer.kill()
    rest, _ = writer.communicate(timeout=10)
    told = int(([*map(str, range(told + 1)), *rest.split()])[-1])
    standings = Journal(tmp_path).standings()
    assert all(standings[f"1.{count}"].answer == "x" * 5000 for count in range(told + 1))


def test_processes_that_write_at_once_keep_all_lines(tmp_path: Path) -> None:
    source = (
        "import pathlib, sys\n"
        "from labkit.course.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for count in range(30):\n"
        "    journal.add(f'{sys.argv[2]}.{count}', 'solved', answer='x' * 3000)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", source, str(tmp_path), str(number)])
        for number in (1, 2)
    ]
    assert [writer.wait(timeout=30) for writer in writers] == [0, 0]
    assert len(Journal(tmp_path).standings()) == 60
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 60


def test_lines_that_say_nothing_are_passed_over(tmp_path: Path) -> None:
    entry = json.dumps({"exercise": "1.1", "what": "solved", "at": "2030-01-01"})
    (tmp_path / FILE).write_text(f"[]\n{{}}\n\n\x00\x00\n{entry}\n5\n")
    assert [*Journal(tmp_path).standings()] == ["1.1"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / FILE)
    with pytest.raises(EnvironmentProblem, match=r"cannot be written.*No space left.*free room"):
        Journal(tmp_path).add("1.1", "solved")
