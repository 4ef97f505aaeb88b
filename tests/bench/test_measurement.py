"""How measurements are run: in turns, each failure told, each figure kept."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from labkit.bench.measurement import LAB, Quantity, measure
from labkit.bench.peer import NotOffered, Peer


@dataclass
class Named:
    """A peer that is only a name."""

    name: str

    def serve(self) -> AbstractContextManager[Any]:
        raise AssertionError("a measurement of these tests starts nothing")


@dataclass
class Scripted:
    """A measurement that gives what it was told to."""

    outcomes: Mapping[str, list[float | BaseException]]
    name: str = "scripted"
    lab_alone: bool = False
    quantities: Sequence[Quantity] = (Quantity("ms", "a time", "ms"),)
    order: list[str] = field(default_factory=list)

    def run(self, peer: Peer) -> Mapping[str, float]:
        self.order.append(peer.name)
        outcome = self.outcomes[peer.name].pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return {"ms": outcome}


PEERS = (Named(LAB), Named("bare"))


def test_peers_take_turns_and_every_run_counts() -> None:
    one = Scripted({LAB: [4.0, 6.0, 5.0], "bare": [1.0, 2.0, 3.0]})
    (row,) = measure([one], PEERS, 3).rows
    assert one.order == [LAB, "bare"] * 3
    assert row.peers[LAB].values == (4.0, 6.0, 5.0)
    assert row.ratio(LAB, "bare") == 2.5


def test_a_run_that_fails_is_told_and_the_others_count() -> None:
    one = Scripted({LAB: [4.0, OSError("refused")], "bare": [1.0, 1.0]})
    results = measure([one], PEERS, 2)
    assert results.rows[0].peers[LAB].values == (4.0,)
    assert results.failures == ["scripted, labkit, run 2: OSError: refused"]


def test_a_peer_that_cannot_is_asked_once_and_is_no_failure() -> None:
    one = Scripted({LAB: [4.0, 5.0], "bare": [NotOffered("no functions")]})
    results = measure([one], PEERS, 2)
    assert set(results.rows[0].peers) == {LAB}
    assert not results.failures
    assert one.order.count("bare") == 1


def test_what_is_about_the_lab_alone_asks_nobody_else() -> None:
    one = Scripted({LAB: [1.0]}, lab_alone=True)
    measure([one], PEERS, 1)
    assert one.order == [LAB]


def test_a_quantity_that_nobody_could_measure_has_no_row() -> None:
    one = Scripted({LAB: [NotOffered("not here")], "bare": [NotOffered("not here")]})
    assert not measure([one], PEERS, 1).rows


def test_a_ratio_needs_both_and_no_zero() -> None:
    one = Scripted({LAB: [0.0], "bare": [0.0]})
    (row,) = measure([one], PEERS, 1).rows
    assert row.ratio(LAB, "bare") is None
    assert row.ratio(LAB, "nobody") is None


def test_progress_is_told_before_each_run() -> None:
    told: list[str] = []
    measure([Scripted({LAB: [1.0], "bare": [1.0]})], PEERS, 1, told.append)
    assert told == ["scripted: run 1 of 1, labkit", "scripted: run 1 of 1, bare"]


def test_an_interrupt_keeps_what_has_been_measured() -> None:
    done = Scripted({LAB: [1.0], "bare": [2.0]}, name="done")
    half = Scripted({LAB: [3.0], "bare": [KeyboardInterrupt()]}, name="half")
    never = Scripted({LAB: [4.0], "bare": [5.0]}, name="never")
    results = measure([done, half, never], PEERS, 1)
    assert [(row.measurement, set(row.peers)) for row in results.rows] == [
        ("done", {LAB, "bare"}),
        ("half", {LAB}),
    ]
    (failure,) = results.failures
    assert failure.startswith("Interrupted")
    assert never.order == []
