"""Virtual time: what happens when, and that tasks see no other clock."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.pattern.simulation.schedule import EPOCH, Killed, Promise, Schedule, virtual_time


@pytest.fixture
def schedule() -> Iterator[Schedule]:
    with virtual_time():
        yield Schedule()


def test_an_hour_passes_at_once_for_a_task_and_not_for_others(schedule: Schedule) -> None:
    seen: list[tuple[float, float]] = []

    def task() -> None:
        time.sleep(3600)
        seen.append((time.time(), time.monotonic()))

    schedule.start("task", task)
    before = time.monotonic()
    schedule.run()
    assert seen == [(EPOCH + 3600, 3600)]
    assert time.monotonic() - before < 60


def test_tasks_take_turns_in_the_order_of_their_moments(schedule: Schedule) -> None:
    happened: list[str] = []

    def task(name: str, pause: float) -> None:
        for number in range(2):
            schedule.sleep(pause)
            happened.append(f"{name}{number} at {schedule.now}")

    schedule.start("a", lambda: task("a", 2.0))
    schedule.start("b", lambda: task("b", 3.0))
    schedule.run()
    assert happened == ["a0 at 2.0", "b0 at 3.0", "a1 at 4.0", "b1 at 6.0"]


def test_a_promise_is_waited_for_until_it_is_kept_or_the_time_is_up(schedule: Schedule) -> None:
    kept, forgotten = Promise(), Promise()
    seen: list[tuple[bool, float]] = []

    def task() -> None:
        seen.append((schedule.wait(kept, 10.0), schedule.now))
        seen.append((schedule.wait(forgotten, 10.0), schedule.now))

    schedule.start("task", task)
    schedule.after(1.0, lambda: schedule.keep(kept))
    schedule.run()
    assert seen == [(True, 1.0), (False, 11.0)]


def test_a_process_that_is_killed_goes_no_further(schedule: Schedule) -> None:
    seen: list[str] = []

    def task() -> None:
        try:
            schedule.sleep(10.0)
        except Exception:  # as a handler may
            seen.append("caught")
        seen.append("went on")

    killed = schedule.start("task", task, process="a process")
    schedule.after(1.0, lambda: schedule.kill(killed))
    schedule.run()
    assert seen == []
    assert isinstance(killed.over.value, Killed)
    assert schedule.now == 1.0


def test_a_mistake_in_the_simulation_is_not_hidden(schedule: Schedule) -> None:
    def task() -> None:
        raise LookupError("no such thing")

    schedule.start("task", task)
    with pytest.raises(LookupError, match="no such thing"):
        schedule.run()


def test_nobody_who_waits_for_ever_is_left_behind(schedule: Schedule) -> None:
    task = schedule.start("task", lambda: schedule.wait(Promise()), process="a process")
    schedule.run()
    assert isinstance(task.over.value, Killed)
