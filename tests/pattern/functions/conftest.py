"""The functions in this process, and a world for their calls."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.pattern.conftest import PATTERN
from tests.pattern.in_process import Aws, World, imported


@pytest.fixture(scope="module")
def aws() -> Aws:
    return Aws()


@pytest.fixture(scope="module")
def modules(aws: Aws) -> Iterator[dict[str, ModuleType]]:
    with imported(aws, PATTERN) as modules:
        yield modules


@pytest.fixture
def world(aws: Aws) -> World:
    """An empty shop."""
    world = World()
    aws.answer = world.answer
    return world
