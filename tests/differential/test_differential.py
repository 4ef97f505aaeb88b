"""The local cloud does as AWS does; where other emulators do not, it stands in docs/differences.md."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from tests.differential.behaviours import OTHERS, behaviours
from tests.differential.document import PATH, document
from tests.differential.emulator import NAMES, emulator
from tests.differential.recorder import Recorder
from tests.differential.script import OBSERVATIONS, Scene

BEHAVIOURS = behaviours()

pytestmark = pytest.mark.timeout(180)  # another emulator's first start, and its slow answers


@pytest.fixture(scope="module", params=NAMES)
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("services")
    aside = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (
        mock.patch.dict(os.environ, aside, clear=True),  # nobody's own profile or endpoint
        Recorder() as recorder,
        emulator(request.param, folder, recorder.port) as running,
    ):
        if running is None:
            pytest.skip(f"{request.param} is not installed; bench/peers/install.py does so")
        yield Scene(running, recorder)


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_an_emulator_does_as_aws_or_differs_as_written(scene: Scene, name: str) -> None:
    assert OBSERVATIONS[name](scene) == BEHAVIOURS[name].expected(scene.emulator.name)


def test_each_observation_has_its_behaviour_and_each_behaviour_is_observed() -> None:
    assert list(OBSERVATIONS) == list(BEHAVIOURS)


def test_a_difference_is_one() -> None:
    differences = [
        (one.aws, difference.observed)
        for one in BEHAVIOURS.values()
        for difference in one.differences.values()
    ]
    assert len(differences) > len(BEHAVIOURS)
    assert [pair for pair in differences if pair[0] == pair[1]] == []


def test_the_local_cloud_has_no_difference() -> None:
    assert "labkit" not in OTHERS
    assert {*OTHERS, "labkit"} == set(NAMES)


def test_the_page_is_what_the_data_says() -> None:
    assert PATH.read_text("utf-8") == document(), "python -m tests.differential writes it anew"
