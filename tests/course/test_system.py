"""The student's system, built of the lessons' own solutions and of other right answers: an order goes
all the way, over real sockets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import websocket

from labkit import Lab
from labkit.course import catalogue
from labkit.course.journal import Standing
from labkit.course.proof.form import with_json
from labkit.course.resuming import as_kept, build
from labkit.course.source import Answer, answers, exercise_sources, solution
from labkit.course.system import PARTS, Part, System
from labkit.lab import running

EVERYTHING = 7
ORDER = {
    "customer": "ada@example.com",
    "currency": "EUR",
    "items": [{"sku": "tea-green-100", "quantity": 2}],
}
NUMBERS = [number for part in PARTS for number in part.exercises]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


def solved(number: str) -> str:
    return solution(catalogue.lesson(int(number[0])), number)


def built(lesson: int, kept: dict[str, str] | None = None) -> System:
    standings = {n: Standing(solved="2026", answer=text) for n, text in (kept or {}).items()}
    system, said = build(lesson, standings, solved)
    used = {line.rpartition(" ")[2] for line in said if ": your answer to " in line}
    assert used == standings.keys()
    assert not [line for line in said if "any more" in line]
    return system


def place(system: System, key: str = "") -> dict[str, str]:
    """POST an order; the answer, parsed."""
    request = urllib.request.Request(
        system.orders_url,
        json.dumps(ORDER).encode(),
        {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid.uuid4())},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202
        placed: dict[str, str] = json.load(answer)
        return placed


def ended(lab: Lab, placed: dict[str, str]) -> str:
    arn = placed["executionArn"]
    event = lab.log.wait(
        lambda e: e.kind == "execution.ended" and e["execution"] == arn, timeout=10
    )
    return str(event["status"])


def receive(client: websocket.WebSocket, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message: dict[str, Any] = json.loads(client.recv())
        if message["type"] == kind:
            return message


def item(system: System, placed: dict[str, str]) -> dict[str, Any]:
    dynamodb: Any = boto3.client("dynamodb")
    key = {"executionName": {"S": placed["orderId"]}}
    answer = dynamodb.get_item(TableName=system.executions_table, Key=key, ConsistentRead=True)
    found: dict[str, Any] = answer["Item"]
    return found


def refusal(url: str) -> int:
    """The status with which a handshake is refused."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        websocket.create_connection(url, timeout=10)
    return int(caught.value.status_code)


def go_all_the_way(lab: Lab, system: System) -> None:
    """Let every part of the whole system do what it is for."""
    assert refusal(system.websocket_url) == 401
    key = str(uuid.uuid4())
    placed = place(system, key)
    assert place(system, key)["orderId"] == placed["orderId"]
    assert ended(lab, placed) == "SUCCEEDED"

    client = websocket.create_connection(placed["websocketUrl"], timeout=10)
    connected = lab.log.last
    assert item(system, placed)["connectionId"]
    client.send('{"action": "subscribe"}')
    result = receive(client, "result")
    assert (result["execution"], result["sequence"]) == (placed["orderId"], 3)
    assert (result["body"]["status"], result["body"]["total"]) == ("accepted", "17.80")
    assert json.loads(item(system, placed)["result"]["S"]) == result
    client.send('{"action": "cancel"}')
    assert receive(client, "cancel")["body"]["status"] == "too late"
    client.send("anything else")
    assert receive(client, "help")["body"]["message"]
    client.close()
    lab.log.wait(lambda e: e.kind == "disconnect.handled", after=connected, timeout=10)
    assert "connectionId" not in item(system, placed)
    dynamodb: Any = boto3.client("dynamodb")
    assert dynamodb.scan(TableName=system.connections_table)["Items"] == []


# -- the lessons' own solutions -------------------------------------------------------------------


def test_client_that_connects_during_the_work_gets_the_result_pushed(lab: Lab) -> None:
    system = built(6)
    held = lab.faults.add("function.invoke", "delay", seconds=2, function="orders-do-work")
    placed = place(system)
    client = websocket.create_connection(placed["websocketUrl"], timeout=10)
    result = receive(client, "result")
    lab.faults.clear(held)
    client.close()
    assert (result["sequence"], result["body"]["status"]) == (3, "accepted")
    assert ended(lab, placed) == "SUCCEEDED"


def test_client_that_connects_afterwards_gets_the_result_when_it_subscribes(lab: Lab) -> None:
    go_all_the_way(lab, built(EVERYTHING))


def test_order_is_cancelled_during_the_work(lab: Lab) -> None:
    system = built(EVERYTHING)
    held = lab.faults.add("function.invoke", "delay", seconds=2, function="orders-do-work")
    placed = place(system)
    client = websocket.create_connection(placed["websocketUrl"], timeout=10)
    client.send('{"action": "cancel"}')
    assert receive(client, "cancel")["body"]["status"] == "accepted"
    assert receive(client, "result")["body"]["status"] == "cancelled"
    lab.faults.clear(held)
    client.close()


# -- other right answers --------------------------------------------------------------------------


def kept(part: Part, number: str, answer: Answer) -> str:
    """What the journal keeps of a known right answer."""
    return as_kept(part, with_json(solved(number), answer.code))


def right(part: Part) -> list[dict[str, str]]:
    """The known right answers that make a part in the end, each as the journal keeps it."""
    number = part.exercises[-1]
    known = answers(catalogue.lesson(int(number[0])))
    return [
        {number: kept(part, number, each)}
        for each in known
        if each.exercise == number and not each.wrong
    ]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_part_of_a_students_fits_to_the_others(lab: Lab, part: Part) -> None:
    go_all_the_way(lab, built(EVERYTHING, right(part)[0]))


def test_answers_of_a_students_fit_to_each_other(lab: Lab) -> None:
    last = [right(part)[-1] for part in PARTS]
    go_all_the_way(lab, built(EVERYTHING, {n: text for each in last for n, text in each.items()}))


@pytest.mark.parametrize("number", NUMBERS)
def test_solution_is_read_as_the_build_reads_it(number: str) -> None:
    lesson = catalogue.lesson(int(number[0]))
    assert solution(lesson, number) == exercise_sources(lesson)[number].solved


# -- on the command line --------------------------------------------------------------------------


def test_command_builds_in_a_cloud_of_its_own_process_and_again_after_a_restart(
    tmp_path: Path,
) -> None:
    serve = [sys.executable, "-m", "labkit", "serve"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as cloud:
        try:
            assert cloud.stdout is not None
            endpoint = json.loads(cloud.stdout.readline())["endpoint"]
            environment = {
                **os.environ,
                "LABKIT_ENDPOINT": endpoint,
                "LABKIT_WORK": str(tmp_path),
            }
            command = [sys.executable, "-m", "labkit", "resume", "06"]
            first, second = (
                subprocess.run(
                    command, env=environment, capture_output=True, text=True, timeout=50, check=True
                ).stdout
                for _ in range(2)
            )
        finally:
            cloud.terminate()
    assert first == second
    assert "build_api: the solution (1.6 is not solved yet)" in first
    assert f"WebSocket: ws{endpoint.removeprefix('http')}/execute-api/" in first
