import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labkit.demo import read_order
from labkit.errors import OrderProblem
from labkit.eventlog import Event
from labkit.timeline import timeline


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labkit", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    run = demo("--json")
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def test_the_result_is_the_priced_order(report: dict[str, Any]) -> None:
    # 2 x 8.90 + 1 x 64.00 + 4 x 5.25, by the prices in products.json
    assert report["result"]["status"] == "accepted"
    assert report["result"]["total"] == "102.80"
    assert report["result"]["orderId"] == report["orderId"]


def test_the_report_names_what_there_was(report: dict[str, Any]) -> None:
    assert report["executionArn"].endswith(report["orderId"])
    assert report["websocketUrl"].startswith("ws://127.0.0.1:")
    assert len(report["connectionId"]) == 16
    assert report["elapsedMs"] > 0


def test_every_part_of_the_pattern_took_its_turn(report: dict[str, Any]) -> None:
    states = [e["data"]["state"] for e in report["events"] if e["kind"] == "state.entered"]
    assert [s for s in states if s in ("DoWork", "GetConn", "Notify")] == [
        "DoWork",
        "GetConn",
        "Notify",
    ]
    kinds = {event["kind"] for event in report["events"]}
    assert {"http.request", "connection.opened", "frame.out", "execution.ended"} <= kinds
    ran = {e["data"]["function"] for e in report["events"] if e["kind"] == "function.invoked"}
    assert {"orders-place-order", "orders-connect", "orders-do-work"} <= ran


def test_the_readme_shows_what_is_printed(report: dict[str, Any]) -> None:
    printed = timeline(Event.from_dict(event) for event in report["events"])
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"```text\n( .*?)\n\n(?:.*?)```", readme, re.DOTALL)
    assert len(shown.splitlines()) > 20
    assert lasting(shown) <= lasting(printed)


def lasting(text: str) -> set[str]:
    """The lines of a timeline without what differs from run to run."""
    text = re.sub(r"^ *[\d.]+ ms  ", "", text, flags=re.MULTILINE)
    text = re.sub(r"order-[0-9a-f]{32}", "order-…", text)
    return set(re.sub(r"\([\w-]{15}=\)", "(…)", text).splitlines())


def test_the_result_arrives_when_the_client_and_the_work_race() -> None:
    run = demo("--json", "--work", "0")
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["result"]["status"] == "accepted"
    assert not [event for event in told["events"] if event["kind"] == "fault.applied"]


def test_a_malformed_order_is_told_the_field(tmp_path: Path) -> None:
    order = {"customer": "a@example.com", "currency": "EUR", "items": [{"sku": "x", "quantity": 0}]}
    (tmp_path / "order.json").write_text(json.dumps(order))
    run = demo("--order", str(tmp_path / "order.json"))
    assert run.returncode == 1
    (sentence,) = run.stderr.splitlines()
    assert "order.json: items[0].quantity: must be 1 to 1000, not 0." in sentence
    assert sentence.endswith(f"An order that is right: {Path('labkit/pattern/order.json')}")


def test_a_file_that_is_missing_or_no_json_is_said(tmp_path: Path) -> None:
    with pytest.raises(OrderProblem, match=r"nowhere\.json cannot be read"):
        read_order(tmp_path / "nowhere.json")
    (tmp_path / "order.json").write_text('{"items": [,]}')
    with pytest.raises(OrderProblem, match="line 1, column 12"):
        read_order(tmp_path / "order.json")
