"""Views in real JupyterLab: they follow what happens, take input, and are seen in both themes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from labkit.views import svg
from tests.browser.axe import complaints
from tests.browser.conftest import OpenNotebook
from tests.browser.notebook import THEMES, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

START = """
import json
from pathlib import Path

import labkit.pattern
from labkit import Lab
from labkit.pattern.build import build
from labkit.pattern.client import OrderClient

lab = Lab.start()
system = build()
order = json.loads((Path(labkit.pattern.__file__).parent / "order.json").read_text("utf-8"))
lab.faults.delay_function("orders-do-work", 1)
client = OrderClient(system.orders_url)
placed = client.place_order(order)
"""
FINISH = """
def ended(event):
    return event.kind == "execution.ended" and event["execution"] == placed.execution_arn

result = client.result()
lab.log.wait(ended, timeout=30).get("status")
"""
STOP = "client.close()\nlab.stop()"


def picture(cell: Locator) -> str:
    """The drawing in a cell's picture, in the form that a notebook keeps."""
    source = cell.locator("img.labkit-picture").get_attribute("src") or ""
    return base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")).decode()


def colours_seen(notebook: Notebook, cell: Locator, colours: list[str]) -> list[str]:
    """Colours of a drawing as its picture shows them, with what the theme makes of them."""
    image = cell.locator("img.labkit-picture")
    seen: list[str] = image.evaluate(
        """(image, colours) => colours.map(colour => {
          const canvas = document.createElement('canvas').getContext('2d')
          canvas.filter = getComputedStyle(image).filter
          canvas.fillStyle = colour
          canvas.fillRect(0, 0, 300, 150)
          const [red, green, blue] = canvas.getImageData(9, 9, 1, 1).data
          return '#' + [red, green, blue].map(n => n.toString(16).padStart(2, '0')).join('')
        })""",
        colours,
    )
    return seen


def luminance(colour: str) -> float:
    """As WCAG 2.2 defines it, of ``#rrggbb``."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


MINIMUM, ENHANCED = 4.5, 7.0
"""WCAG 2.2's contrast of text, levels AA and AAA; on a pale fill the lower one is enough."""


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_a_live_view_follows_in_its_own_cell_and_ends_as_a_picture(
    open_notebook: OpenNotebook, written: Callable[..., str]
) -> None:
    show = "view = lab.show.sequence(placed.execution_arn, live=True)"
    notebook = open_notebook(written("live", START, show, FINISH, "view.frames", STOP))
    for number in range(2):
        notebook.run(number)
    first = picture(notebook.cell(1))
    notebook.run(2)
    notebook.run(3)
    expect(notebook.cell(2).locator(".jp-OutputArea-output")).to_contain_text("SUCCEEDED")
    last = picture(notebook.cell(1))
    assert "202" in first
    assert "execution SUCCEEDED" not in first
    assert "execution SUCCEEDED" in last
    frames = int(notebook.cell(3).locator(".jp-OutputArea-output").inner_text())
    assert frames > 2
    assert notebook.page.locator(".labkit-picture").count() == 1
    notebook.run(4)
    assert "execution SUCCEEDED" in picture(notebook.cell(1)), "it outlives the lab"


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_every_ink_stands_out_from_its_paper(
    open_notebook: OpenNotebook, written: Callable[..., str], theme: str
) -> None:
    shown = """
    from labkit.views.picture import Picture
    Picture('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>', "nothing", "")
    """
    notebook = open_notebook(written("colours", "\n".join(map(str.strip, shown.splitlines()))))
    notebook.run(0)
    notebook.theme(theme)
    inks = [svg.INK, svg.FAINT, svg.BLUE, svg.PURPLE, svg.GREEN, svg.RED, svg.BROWN]
    pairs = [(ink, paper) for ink in inks for paper in (svg.PAPER, svg.STRIPE)]
    pairs += [(status.ink, status.fill) for status in svg.Status]
    seen = colours_seen(notebook, notebook.cell(0), [colour for pair in pairs for colour in pair])
    is_dark = luminance(seen[1]) < 0.1
    assert is_dark == ("Dark" in theme), "the paper is as light or dark as the theme"
    too_faint = {
        pair: round(contrast(*there), 1)
        for pair, there in zip(pairs, zip(seen[::2], seen[1::2], strict=True), strict=True)
        if contrast(*there) < (ENHANCED if pair[1] == svg.PAPER else MINIMUM)
    }
    assert too_faint == {}


def test_the_fault_panel_drops_a_real_connection(
    open_notebook: OpenNotebook, written: Callable[..., str]
) -> None:
    panel = "lab.show.faults()"
    wait = "lab.log.wait(lambda event: event.kind == 'connection.closed', timeout=30)['code']"
    notebook = open_notebook(written("panel", START + "client.connect()", panel, wait, STOP))
    notebook.run(0)
    notebook.run(1)
    panel_cell = notebook.cell(1)
    panel_cell.get_by_role("button", name="Drop connection").click()
    expect(panel_cell.get_by_role("status")).to_contain_text("Done: lab.faults.drop_connection(")
    notebook.run(2)
    assert re.search(r"\b1006\b", notebook.cell(2).locator(".jp-OutputArea-output").inner_text())
    for theme in THEMES:
        notebook.theme(theme)
        notebook.screenshot(f"fault-panel-{theme.split()[1].lower()}")
        assert complaints(notebook.page) == []
