"""A state machine in real JupyterLab: its states light up while it runs, and the history unfolds."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import complaints
from tests.browser.conftest import OpenNotebook
from tests.browser.notebook import THEMES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

DEFINITION = {
    "StartAt": "Try",
    "States": {
        "Try": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "nobody"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Pause"}],
            "Next": "Each",
        },
        "Pause": {"Type": "Wait", "Seconds": 3, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": True}}},
            "End": True,
        },
    },
}
START = f"""
import json
import boto3
from labkit import Lab
from labkit.resources import state_machine

lab = Lab.start()
arn = state_machine("lights", {json.dumps(DEFINITION)!r})
"""
RUN = """
given = {"items": [1, 2], "note": "a longer text, which is folded away at first"}
execution = boto3.client("stepfunctions").start_execution(stateMachineArn=arn, input=json.dumps(given))
lab.log.wait(lambda event: event.get("state") == "Pause", timeout=30).kind
"""
END = 'lab.log.wait(lambda event: event.kind == "execution.ended", timeout=30)["status"]'


def picture(cell: Locator) -> str:
    """The drawing in a cell's picture, in the form that a notebook keeps."""
    source = cell.locator("img.labkit-picture").get_attribute("src") or ""
    return base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")).decode()


def test_states_light_up_while_an_execution_runs_and_the_history_unfolds(
    open_notebook: OpenNotebook, written: Callable[..., str]
) -> None:
    show = "view = lab.show.state_machine(arn, live=True)"
    notebook = open_notebook(written("lights", START, show, RUN, END, "view.frames", "lab.stop()"))
    notebook.run(0)
    notebook.run(1)
    cell = notebook.cell(1)
    assert picture(cell).count("○ open") == 5, "four states, and the legend"
    expect(cell).to_contain_text("No execution of this state machine has begun yet")
    notebook.run(2)
    waiting = picture(cell)
    assert ">⤳ caught: Lambda.ResourceNotFound" in waiting
    assert ">▶ running<" in waiting
    assert ">○ open<" in waiting
    notebook.run(3)
    over = picture(cell)
    assert ">▶ running<" not in over
    assert ">✓ done 2 of 2 items<" in over
    expect(cell).to_contain_text("✓ SUCCEEDED")
    notebook.run(4)
    assert int(notebook.cell(4).locator(".jp-OutputArea-output").inner_text()) > 2
    folded = cell.locator("details").first
    text = folded.locator("pre")
    expect(text).to_be_hidden()
    folded.locator("summary").click()
    expect(text).to_be_visible()
    expect(text).to_contain_text('"note": "a longer text, which is folded away at first"')
    for theme in THEMES:
        notebook.theme(theme)
        notebook.screenshot(f"state-machine-{theme.split()[1].lower()}")
        assert complaints(notebook.page) == []
    notebook.run(5)
