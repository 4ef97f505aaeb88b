"""The command, with real servers, as small as can be; no time is judged."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from labkit.bench.command import BESIDE_PEERS, MEASUREMENTS, PEERS, main
from labkit.bench.deaf import Deaf
from labkit.bench.echo import Echo
from labkit.bench.idle import Idle
from labkit.bench.invocation import Invocation
from labkit.bench.load import Load
from labkit.bench.measurement import LAB, Measurement, measure
from labkit.bench.notify import Notify
from labkit.bench.pattern import Pattern
from labkit.bench.peer import Peer, System
from labkit.bench.rest import Rest
from labkit.bench.rush import Rush
from labkit.bench.start import FirstEcho, FirstResult, Start
from labkit.bench.viewed import Viewed

SMALL: tuple[Measurement, ...] = (
    Start(),
    FirstEcho(),
    FirstResult(),
    Invocation(functions=1, invocations=3),
    Echo(messages=5, pauses=2, warm_up=1),
    Pattern(orders=2, warm_up=1),
    Pattern(orders=2, warm_up=1, portable=True),
    Load(3, messages=2),
    Viewed(2, messages=2, rounds=1),
    Idle(20, watched=0.2),
    Rest(20, watched=0.2),
    Notify(10),
    Rush(3),
    Deaf(1, messages=5),
)


@dataclass(frozen=True)
class Running:
    """A peer whose server runs already, so that not each test waits for a start."""

    name: str
    system: System

    def serve(self) -> AbstractContextManager[System]:
        return nullcontext(self.system)


@pytest.fixture(scope="module")
def peers() -> Iterator[list[Peer]]:
    with ExitStack() as servers:
        yield [Running(peer.name, servers.enter_context(peer.serve())) for peer in PEERS]


@pytest.mark.parametrize("measurement", SMALL, ids=lambda one: str(one.name))
def test_each_measurement_gives_all_its_figures(
    measurement: Measurement, peers: list[Peer]
) -> None:
    results = measure([measurement], peers, 1)
    assert not results.failures
    measured = {row.quantity.key for row in results.rows}
    if sys.platform == "linux":
        assert measured == {quantity.key for quantity in measurement.quantities}
    assert all(LAB in row.peers for row in results.rows)
    assert all(value >= 0 for row in results.rows for value in row.peers[LAB].values)


def test_every_kind_of_measurement_is_tried_here() -> None:
    assert {type(one) for one in SMALL} == {type(one) for one in MEASUREMENTS}


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch.dict(os.environ):  # the command forgets profiles and endpoints
        assert main(["--only", "start", "--runs", "1", "--json"]) == 0
    told = capsys.readouterr()
    assert [row["key"] for row in json.loads(told.out)["rows"]] == ["imports", "start"]
    assert "start: run 1 of 1, labkit" in told.err


@pytest.mark.parametrize(
    "arguments", [["--runs", "0"], ["--runs", "x"], ["--only", "speed"], ["--soak", "0"]]
)
def test_a_wrong_command_line_is_told(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "labkit bench: error:" in capsys.readouterr().err


def test_without_peers_it_says_how_to_install_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--peers", str(tmp_path)])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "bench/peers/install.py FOLDER" in told
    assert str(tmp_path) in told


def test_what_is_measured_beside_peers_is_there() -> None:
    assert set(BESIDE_PEERS) <= {one.name for one in MEASUREMENTS}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_ends_it_and_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labkit", "bench", "--only", "echo"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        assert "echo: run 1" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode != 0
    left = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/environ")
        if f"TMPDIR={tmp_path}".encode() in _read(path)
    ]
    assert left == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
