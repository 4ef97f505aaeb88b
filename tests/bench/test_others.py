"""Other emulators are measured by the same client; where none is installed, there is nothing to see."""

import os
from pathlib import Path

import pytest

from labkit.bench.echo import Echo
from labkit.bench.idle import Idle
from labkit.bench.load import Load
from labkit.bench.measurement import Measurement
from labkit.bench.ministack import Ministack, _by_path
from labkit.bench.others import FOLDER, installed
from labkit.bench.pattern import Pattern
from labkit.bench.peer import NotOffered
from labkit.bench.serverless_offline import ServerlessOffline

OTHERS = ("ministack", "sls-offline in process", "sls-offline")
SMALL: tuple[Measurement, ...] = (
    Echo(messages=5, pauses=2, warm_up=1),
    Pattern(orders=2, warm_up=1),
    Pattern(orders=2, warm_up=1, portable=True),
    Load(3, messages=2),
    Idle(10, watched=0.2),
)
OFFERED = {
    "ministack": {"echo", "pattern-portable", "load-3", "idle-10"},
    "sls-offline": {"echo", "load-3", "idle-10"},
    "sls-offline in process": {"echo", "load-3", "idle-10"},
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("measurement", SMALL, ids=lambda one: str(one.name))
@pytest.mark.parametrize("name", OTHERS)
def test_what_a_peer_offers_is_measured(name: str, measurement: Measurement) -> None:
    peers = {peer.name: peer for peer in installed(Path(os.environ.get(FOLDER, "nowhere")))}
    if name not in peers:
        pytest.skip(f"{name} is not installed; bench/peers/install.py does so")
    if measurement.name in OFFERED[name]:
        measured = measurement.run(peers[name])
        assert measured
        assert min(measured.values()) >= 0
    else:
        with pytest.raises(NotOffered):
            measurement.run(peers[name])


def test_a_folder_without_emulators_has_none(tmp_path: Path) -> None:
    assert installed(tmp_path) == []


def test_an_emulator_is_found_by_what_the_installer_leaves(tmp_path: Path) -> None:
    python = Ministack(tmp_path).python
    python.parent.mkdir(parents=True)
    python.touch()
    assert [peer.name for peer in installed(tmp_path)] == ["ministack"]


def test_the_modes_of_one_emulator_have_names_of_their_own(tmp_path: Path) -> None:
    modes = (ServerlessOffline(tmp_path), ServerlessOffline(tmp_path, in_process=True))
    assert len({mode.name for mode in modes}) == 2


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        (
            "http://1a2b3c4d.execute-api.us-east-1.amazonaws.com:4566/prod?ticket=t",
            "http://127.0.0.1:99/_aws/execute-api/1a2b3c4d/prod?ticket=t",
        ),
        (
            "http://1a2b3c4d.execute-api.us-east-1.amazonaws.com/orders",
            "http://127.0.0.1:99/_aws/execute-api/1a2b3c4d/orders",
        ),
    ],
)
def test_an_apis_own_host_name_leads_to_its_path(given: str, reached: str) -> None:
    assert _by_path(99)(given) == reached
