"""What processes use, from /proc."""

import subprocess
import sys

import pytest

from labkit.bench.process_tree import Watch, memory, usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells")

PROGRAM = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
held = bytearray(30_000_000)
sum(range(3_000_000))
print("ready", flush=True)
sys.stdin.read()
child.communicate(b"\\n")
"""


def test_a_process_and_its_children_are_counted() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with Watch(process.pid) as watch:
            used = usage(process.pid)
            held = memory(process.pid)
        process.communicate(b"")
    assert used is not None
    assert used.processes == 2
    assert used.cpu > 0
    assert held is not None
    assert held > 30_000_000
    assert watch.processes == 2


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert usage(process.pid) is None
    assert memory(process.pid) is None
