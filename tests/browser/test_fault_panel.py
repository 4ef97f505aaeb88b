"""The fault panel in real JupyterLab: by keyboard, and what it shows follows what happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.test_quiz import focus_before_fields, go_to

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

START = """
import boto3
from labkit import Lab

lab = Lab.start()
boto3.client("dynamodb").create_table(
    TableName="orders",
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    BillingMode="PAY_PER_REQUEST",
)["TableDescription"]["TableName"]
"""
READ = 'boto3.client("dynamodb").get_item(TableName="orders", Key={"id": {"S": "1"}}).get("Item")'
SET = 'lab.faults.kill_function("f", times=None).id'
STOP = "lab.stop()"


def rows(cell: Locator) -> Locator:
    return cell.locator("table tbody tr")


def test_a_fault_is_set_seen_to_strike_and_taken_back_by_keyboard(
    open_notebook: OpenNotebook, written: Callable[..., str]
) -> None:
    notebook = open_notebook(written("panel", START, "lab.show.faults()", READ, SET, STOP))
    notebook.run(0)
    notebook.run(1)
    cell, keys = notebook.cell(1), notebook.page.keyboard
    cell.get_by_role("button", name="Throttle table").wait_for()
    focus_before_fields(notebook)
    go_to(notebook, "Throttle table", 20)
    keys.press("Enter")
    expect(cell.get_by_role("status")).to_have_text("Done: lab.faults.throttle_table('orders')")
    expect(rows(cell)).to_have_text(["1throttle at aws.call (service dynamodb, table orders)0once"])
    notebook.run(2)  # the SDK tries again
    expect(rows(cell)).to_contain_text(["1no more"])
    notebook.run(3)
    expect(rows(cell)).to_have_count(2)
    assert cell.get_by_label("Fault").input_value()
    focus_before_fields(notebook)
    notebook.page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    focus_before_fields(notebook)
    go_to(notebook, "Take back", 20)
    keys.press("Space")
    expect(rows(cell)).to_have_count(1)
    expect(cell.get_by_role("status")).to_have_text("Done: lab.faults.clear(2)")
    notebook.run(4)
    expect(rows(cell)).to_have_count(1)
