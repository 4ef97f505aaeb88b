"""Tests that are wrong on purpose; ``test_fidelity.py`` runs them, and pytest collects them nowhere."""

from __future__ import annotations

import pytest

from tests.fidelity.plugin import Values


@pytest.mark.behaviour("websocket.close.idle")
def test_blind_to_its_values(expected: Values) -> None:
    assert expected.reason


@pytest.mark.behaviour("websocket.nothing")
def test_unknown_behaviour() -> None:
    pass
