"""What many values come to: their middle and their spread.  No I/O."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """The middle and the spread of some values, all in the values' unit.

    Attributes:
        median: the middle value.
        minimum: the smallest.
        maximum: the largest.
        iqr: the distance between the first and the third quartile, which holds half of the values.
        values: the values themselves, in the order in which they were measured.
    """

    median: float
    minimum: float
    maximum: float
    iqr: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """The summary of at least one value.

        Raises:
            ValueError: there is no value.
        """
        if not values:
            raise ValueError("nothing was measured, so there is no median")
        if len(values) == 1:
            iqr = 0.0
        else:
            first, _, third = statistics.quantiles(values, n=4, method="inclusive")
            iqr = third - first
        return cls(statistics.median(values), min(values), max(values), iqr, tuple(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of all values do not exceed.

    This is the nearest-rank definition: the answer is always a value that was measured, never one
    in between.

    Args:
        values: at least one, in any order.
        percent: above 0, at most 100.

    Raises:
        ValueError: there is no value, or the percentage is out of range.
    """
    if not values or not 0 < percent <= 100:
        raise ValueError("a percentile needs values and a percentage above 0, at most 100")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]
