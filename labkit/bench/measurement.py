"""What a measurement is, and how measurements are run: several times, peers taking turns.

One run gives one value for each quantity (a percentile is taken within a run), and only runs are
compared.  Peers take turns within each run, so that whatever else the machine does meets all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labkit.bench.peer import NotOffered, Peer
from labkit.bench.summary import Summary

LAB = "labkit"
"""The peer that this is all about; the others are there to compare with."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One figure that a measurement gives.

    Attributes:
        key: its name within the measurement.
        what: what it is, for the table.
        unit: such as ``ms``.
        more_is_better: whether a larger value is a better one.
    """

    key: str
    what: str
    unit: str
    more_is_better: bool = False


class Measurement(Protocol):
    """Something to measure."""

    @property
    def name(self) -> str:
        """What ``--only`` calls it."""

    @property
    def quantities(self) -> Sequence[Quantity]:
        """The figures of one run."""

    @property
    def lab_alone(self) -> bool:
        """Whether it is about labkit's own package, so that no peer can be measured."""

    def run(self, peer: Peer) -> Mapping[str, float]:
        """Measure once.

        Returns:
            A value for each quantity's key; a quantity that this system cannot measure is left out.

        Raises:
            NotOffered: the peer cannot do this.
            Exception: it failed, which is a result, too.
        """


@dataclass(frozen=True, slots=True)
class Row:
    """All runs of one quantity.

    Attributes:
        measurement: the measurement's name.
        quantity: what was measured.
        peers: a summary for each peer that was measured.
    """

    measurement: str
    quantity: Quantity
    peers: Mapping[str, Summary]

    def ratio(self, of: str, to: str) -> float | None:
        """How many times one peer's median is the other's, if both were measured."""
        if of not in self.peers or to not in self.peers or not self.peers[to].median:
            return None
        return self.peers[of].median / self.peers[to].median


@dataclass(slots=True)
class Results:
    """What came of all measurements.

    Attributes:
        rows: the figures, in the order of measuring.
        failures: a sentence for each run that failed.
    """

    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def measure(
    measurements: Sequence[Measurement],
    peers: Sequence[Peer],
    runs: int,
    tell: Callable[[str], object] = lambda line: None,
) -> Results:
    """Run every measurement so many times on every peer.

    Args:
        measurements: what to measure.
        peers: whom to measure; one of them is labkit.
        runs: how many times, at least 1.
        tell: called with a line of progress before each run.

    Returns:
        All figures.  A run that fails is left out of the figures and told of in ``failures``; so is
        whatever has not been measured when Ctrl-C ends it.
    """
    results = Results()
    try:
        for measurement in measurements:
            values: dict[str, dict[str, list[float]]] = {}
            try:
                for line in _run(measurement, peers, runs, values, results.failures):
                    tell(line)
            finally:
                for quantity in measurement.quantities:
                    if found := values.get(quantity.key):
                        summaries = {name: Summary.of(one) for name, one in found.items()}
                        results.rows.append(Row(measurement.name, quantity, summaries))
    except KeyboardInterrupt:
        results.failures.append("Interrupted: what is missing here has not been measured.")
    return results


def _run(
    measurement: Measurement,
    peers: Sequence[Peer],
    runs: int,
    values: dict[str, dict[str, list[float]]],
    failures: list[str],
) -> Iterator[str]:
    """Run a measurement on its peers in turns; a line of progress comes before each run."""
    asked = [peer for peer in peers if peer.name == LAB or not measurement.lab_alone]
    for run in range(1, runs + 1):
        for peer in list(asked):
            yield f"{measurement.name}: run {run} of {runs}, {peer.name}"
            try:
                measured = measurement.run(peer)
            except NotOffered:
                asked.remove(peer)
                continue
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                failures.append(f"{measurement.name}, {peer.name}, run {run}: {why}")
                continue
            for key, value in measured.items():
                values.setdefault(key, {}).setdefault(peer.name, []).append(value)
