"""Medians, spreads and percentiles."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.bench.summary import Summary, percentile

VALUES = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60)


def test_the_middle_and_the_spread() -> None:
    summary = Summary.of([4, 1, 3, 2, 10])
    assert (summary.median, summary.minimum, summary.maximum) == (3, 1, 10)
    assert summary.iqr == 2
    assert summary.values == (4, 1, 3, 2, 10)


def test_one_value_has_no_spread() -> None:
    assert Summary.of([7]).iqr == 0


def test_nothing_has_no_middle() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Summary.of([])


@given(VALUES, st.floats(0.1, 100))
def test_a_percentile_is_a_measured_value_that_so_many_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    below = sum(value < found for value in values)
    upto = sum(value <= found for value in values)
    assert below < len(values) * percent / 100 + 1e-9
    assert upto >= len(values) * percent / 100 - 1e-9


@given(VALUES)
def test_the_ends_of_percentiles(values: list[float]) -> None:
    assert percentile(values, 100) == max(values)
    assert percentile(values, 1e-9) == min(values)
    assert percentile(values, 50) == statistics.median_low(values)


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_what_has_no_percentile(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="a percentile needs"):
        percentile(values, percent)
