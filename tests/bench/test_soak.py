"""What a soak makes of what it sees, and a soak that is as short as can be."""

from __future__ import annotations

import json
import sys

import boto3
import pytest

from labkit.bench.process_tree import Holding
from labkit.bench.soak import Look, forget_logs, growth, soak, table, to_json
from labkit.lab import running


def looks(*memory: float) -> list[Look]:
    """Looks a minute apart at a cloud that holds so much memory, and else the same."""
    return [
        Look(60.0 * minute, 100 * minute, Holding(held, 20, 30, 4))
        for minute, held in enumerate(memory, 1)
    ]


def test_what_is_taken_while_it_warms_up_is_no_growth() -> None:
    went = growth(looks(10, 90, 100, 100, 100, 100, 100, 100), "memory")
    assert (went.early, went.late, went.hourly) == (100, 100, 0)


def test_growth_is_what_an_hour_would_bring() -> None:
    # Two MB a minute.
    went = growth(looks(*range(100, 124, 2)), "memory")
    assert went.hourly == pytest.approx(120)


def test_one_look_that_is_out_of_line_does_not_matter() -> None:
    went = growth(looks(*[100.0] * 9, 100, 900, 100), "memory")
    assert went.hourly == 0


def test_table_and_json_say_the_same() -> None:
    seen = looks(*range(100, 124, 2))
    shown = table(seen, {"cores": 2})
    assert "1,200 orders in 12 minutes.  cores: 2" in shown
    (line,) = [line for line in shown.splitlines() if "memory" in line]
    assert [cell.strip() for cell in line.strip("|").split("|")[2:]] == ["108", "120", "+120"]
    data = json.loads(json.dumps(to_json(seen, {"cores": 2})))
    assert data["growth"]["memory"] == {"early": 108, "late": 120, "hourly": pytest.approx(120)}
    assert data["orders"] == 1_200
    assert data["growth"]["threads"]["hourly"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_orders_are_delivered_while_it_is_looked_at() -> None:
    told: list[str] = []
    seen = soak(0.01, told.append, count=4)
    assert [one.orders for one in seen] == sorted(one.orders for one in seen)
    assert seen[0].orders >= 4
    assert all(one.holding.threads > 1 and one.holding.descriptors > 1 for one in seen)
    assert len(told) == 4


def test_what_functions_have_logged_is_forgotten() -> None:
    with running():
        logs = boto3.Session(region_name="us-east-1").client("logs")
        for name in ("a", "b"):
            logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
        forget_logs()
        assert logs.describe_log_groups()["logGroups"] == []
