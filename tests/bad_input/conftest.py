"""Bad input: one cloud for each file, at which everything is thrown that is wrong.

Hypothesis makes it up, the same in every run.  ``--hypothesis-profile=long`` makes up more, and other
input each time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from labkit.lab import running

pytest.register_assert_rewrite("tests.bad_input.port")

from tests.bad_input.port import Complaints, Port  # noqa: E402


@pytest.fixture(scope="module")
def complaints() -> Iterator[Complaints]:
    """What Python's loggers are told meanwhile: a traceback that a student would see."""
    handler = Complaints()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture(scope="module")
def port(complaints: Complaints, request: pytest.FixtureRequest) -> Iterator[Port]:
    """The port of a lab, whose timers run as fast as the file's ``SPEED`` says."""
    with running(speed=getattr(request.module, "SPEED", 1.0)) as lab:
        port = Port(lab, complaints)
        yield port
        port.close()
