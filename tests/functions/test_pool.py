"""When another process is started."""

from __future__ import annotations

import pytest

from labkit.functions.pool import STUCK, wanted

QUICK, SLOW = STUCK / 10, STUCK * 10


@pytest.mark.parametrize(
    ("waiting", "starting", "running_for", "answer"),
    [
        (0, 0, [], False),  # nobody waits
        (1, 0, [], True),  # the first process
        (1, 1, [], False),  # it is on its way
        (9, 1, [], True),  # a second one, for the second core
        (9, 2, [], False),  # and no third
        (9, 0, [QUICK, QUICK], False),  # both cores are busy, and soon free
        (9, 1, [QUICK], False),
        (9, 0, [SLOW, SLOW], True),  # both wait for something
        (9, 1, [SLOW, QUICK], False),
        (1, 0, [SLOW] * 20, True),  # however many there are
        (1, 1, [SLOW] * 20, False),
    ],
)
def test_process_is_started_where_it_helps_on_two_cores(
    waiting: int, starting: int, running_for: list[float], answer: bool
) -> None:
    assert wanted(waiting, starting, running_for, cores=2) is answer
