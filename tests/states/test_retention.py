"""How many executions a state machine keeps."""

from dataclasses import dataclass

from labkit.states.retention import KEPT, SLACK, kept


@dataclass
class Execution:
    number: int
    ended: bool = True


def numbers(executions):
    return [one.number for one in kept(executions, lambda one: one.ended)]


def test_all_are_kept_until_there_are_too_many():
    there = [Execution(number) for number in range(KEPT + SLACK)]
    assert numbers(there) == list(range(KEPT + SLACK))


def test_the_newest_are_kept():
    there = [Execution(number) for number in range(KEPT + SLACK + 1)]
    assert numbers(there) == list(range(SLACK + 1, KEPT + SLACK + 1))


def test_what_runs_is_kept_however_old_it_is():
    there = [Execution(number, ended=number > 0) for number in range(KEPT + SLACK + 2)]
    assert numbers(there) == [0, *range(SLACK + 2, KEPT + SLACK + 2)]
