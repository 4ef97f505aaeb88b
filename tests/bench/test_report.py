"""The table and the JSON."""

import pytest

from labkit.bench.measurement import LAB, Quantity, Results, Row
from labkit.bench.report import number, table, to_json
from labkit.bench.summary import Summary

RESULTS = Results(
    [
        Row(
            "echo",
            Quantity("p50", "round trip, p50", "ms"),
            {LAB: Summary.of([1.0, 2.0, 3.0]), "bare": Summary.of([0.5, 0.5, 0.5])},
        ),
        Row("echo", Quantity("p99", "round trip, p99", "ms"), {LAB: Summary.of([12.0, 15.0])}),
        Row("rest", Quantity("cpu", "CPU at rest", "%"), {LAB: Summary.of([0.0])}),
    ],
    ["echo, bare, run 2: OSError: refused"],
)


def test_the_table_has_medians_spreads_and_ratios() -> None:
    lines = table(RESULTS, {"cores": 2}, 3).splitlines()
    assert lines[0] == "Median of 3 runs (smallest–largest).  cores: 2"
    first = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert first == ["echo", "round trip, p50", "ms", "2 (1–3)", "0.500 (0.500–0.500)", "4"]
    second = [cell.strip() for cell in lines[5].strip("|").split("|")]
    assert second[0] == ""
    assert second[4:] == ["–", "–"]
    assert lines[-1] == "- echo, bare, run 2: OSError: refused"


def test_all_lines_of_the_table_are_as_wide() -> None:
    lines = [line for line in table(RESULTS, {}, 1).splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1


def test_the_json_holds_every_run() -> None:
    told = to_json(RESULTS, {"cores": 2}, 3)
    assert told["machine"] == {"cores": 2}
    assert told["failures"] == RESULTS.failures
    first = told["rows"][0]
    assert first["peers"][LAB]["values"] == [1.0, 2.0, 3.0]
    assert first["ratios"] == {"bare": 4.0}
    assert told["rows"][2]["ratios"] == {}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.12345, "0.123"),
        (1.2345, "1.23"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (7.0, "7"),
    ],
)
def test_three_digits_say_enough(value: float, shown: str) -> None:
    assert number(value) == shown
