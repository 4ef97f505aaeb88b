"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labkit.lab import Lab


@pytest.fixture(scope="module", autouse=True)
def no_lab_is_left() -> Iterator[None]:
    """A lab that a file leaves running would be found, with all that is in it, by the next one."""
    assert Lab.current() is None
    yield
    assert Lab.current() is None
