"""The parts of a system as its log shows them: where each step is, and what is counted."""

from pathlib import Path
from typing import Any

import pytest

from labkit.errors import LabError
from labkit.eventlog import Event, EventLog
from labkit.steps import CLIENT, DYNAMODB, LAMBDA, NOTEBOOK, STEP_FUNCTIONS, WEBSOCKET_API
from labkit.views.parts import NEWEST, PATTERN, last, system

RECORDED = EventLog.load(Path(__file__).parent / "golden" / "trace_failed.jsonl")


def happened(seq: int, kind: str, after: int | None = None, **data: Any) -> Event:
    return Event(seq, float(seq), kind, "1-trace", after, data)


def call(seq: int, service: str, operation: str, after: int | None = None, **more: Any) -> Event:
    data = {"service": service, "operation": operation, "status": 200, **more}
    return happened(seq, "aws.call", after, **data)


def test_each_function_table_and_machine_is_in_its_part() -> None:
    parts = system(RECORDED).parts
    assert set(parts[LAMBDA].inside) == {
        "orders-place-order",
        "orders-do-work",  # never invoked: a fault struck there
        "orders-connect",
        "orders-subscribe",
        "orders-release-stock",
        "orders-disconnect",
    }
    assert set(parts[DYNAMODB].inside) == {"orders-executions", "orders-connections"}
    assert list(parts[STEP_FUNCTIONS].inside) == ["orders-work"]
    assert parts[DYNAMODB].inside["orders-connections"].calls == 3
    assert parts[LAMBDA].cold == parts[LAMBDA].inside["orders-release-stock"].cold == 1


def test_a_move_knows_the_function_that_makes_it_and_the_machine() -> None:
    moves = {(move.source, move.target[0]) for move in system(RECORDED).moves}
    assert ((LAMBDA, "orders-place-order"), STEP_FUNCTIONS) in moves
    assert ((STEP_FUNCTIONS, "orders-work"), LAMBDA) in moves
    assert ((STEP_FUNCTIONS, "orders-work"), WEBSOCKET_API) in moves
    assert ((WEBSOCKET_API, ""), CLIENT) in moves


def test_what_a_notebook_builds_is_no_way_and_what_it_uses_is() -> None:
    found = system(
        [
            call(1, "dynamodb", "CreateTable", table="t"),
            call(2, "iam", "CreateRole"),
            call(3, "dynamodb", "PutItem", table="arn:aws:dynamodb:us-east-1:1:table/t"),
        ]
    )
    assert [move.pair for move in found.moves] == [(NOTEBOOK, DYNAMODB)]
    assert list(found.parts) == [*PATTERN, NOTEBOOK]
    assert found.parts[NOTEBOOK].counters == ["sent 1", "got 0"]
    assert found.parts[NOTEBOOK].last.startswith("sent PutItem on ")
    assert [step.what.split()[0] for step in found.parts[DYNAMODB].inside["t"].at] == [
        "CreateTable",
        "PutItem",
    ]


def test_other_services_are_there_when_a_function_uses_them() -> None:
    found = system(
        [
            happened(1, "function.invoked", function="f", request="r", cold=False),
            call(2, "secretsmanager", "GetSecretValue", 1),
        ]
    )
    assert found.parts["Secrets Manager"].calls == 1
    assert found.moves[-1].sentence == "f → Secrets Manager: GetSecretValue"


def test_executions_and_connections_count_while_they_last() -> None:
    arn = "arn:aws:states:us-east-1:1:execution:machine:name"
    events = [
        happened(1, "execution.started", execution=arn, name="name", machine="machine"),
        happened(2, "connection.opened", connection="a"),
        happened(3, "connection.opened", connection="b"),
        happened(4, "execution.ended", execution=arn, status="FAILED", error="E"),
        happened(5, "connection.closed", connection="b", code=1000, reason=""),
    ]
    machine = system(events[:3]).parts[STEP_FUNCTIONS].inside["machine"]
    assert machine.counters == ["1 call", "1 running"]
    ended = system(events).parts
    assert ended[STEP_FUNCTIONS].inside["machine"].counters == ["1 call", "✗ 1"]
    assert ended[STEP_FUNCTIONS].inside["machine"].last == "✗ execution FAILED"
    assert ended[WEBSOCKET_API].counters == ["0 calls", "1 open"]


def test_the_last_events_at_a_part_are_told() -> None:
    table = last(RECORDED, "orders-connections")
    assert table.text.splitlines() == [
        "What happened at orders-connections: 3 calls",
        "  Lambda → DynamoDB: PutItem on orders-connections",
        "  Lambda → DynamoDB: GetItem on orders-connections",
        "  Lambda → DynamoDB: DeleteItem on orders-connections",
    ]
    assert table.rows[0][0] == "0.0 ms"
    assert "✗" in last(RECORDED, STEP_FUNCTIONS).text
    many = [call(n, "dynamodb", "GetItem", table="t") for n in range(1, NEWEST + 6)]
    assert len(last(many, "t").rows) == NEWEST
    assert last(many, "t").caption == f"What happened at t (the newest {NEWEST} of {NEWEST + 5})"


def test_nothing_yet_and_a_name_that_nobody_has() -> None:
    assert last([], LAMBDA).text.endswith("Nothing yet.")
    with pytest.raises(
        LabError, match=r"no part 'Lambada' on the map\. There are: 'Client', 'HTTP"
    ):
        last([], "Lambada")
