"""The map, the connections, the messages and a table in real JupyterLab, while an order is on its way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.axe import complaints
from tests.browser.conftest import OpenNotebook
from tests.browser.notebook import THEMES
from tests.browser.test_views import picture

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

START = """
from labkit import Lab
from labkit.demo import ORDER, read_order
from labkit.pattern.build import build
from labkit.pattern.client import OrderClient

lab = Lab.start()
system = build()
"""
MAP = "on_the_map = lab.show.architecture(live=True)"
CONNECTIONS = "connections = lab.show.connections(live=True)"
TABLE = 'table = lab.show.table("orders-executions", live=True)'
ORDER = """
client = OrderClient(system.orders_url)
placed = client.place_order(read_order(ORDER))
client.result()["status"]
"""
END = """
client.close()
lab.log.wait(lambda event: event.kind == "disconnect.handled", timeout=30).kind
"""


def test_an_order_is_seen_in_all_of_them(
    open_notebook: OpenNotebook, written: Callable[..., str]
) -> None:
    cells = (MAP, CONNECTIONS, TABLE, ORDER, END, "lab.show.messages()", "on_the_map.frames")
    notebook = open_notebook(written("map", START, *cells, "lab.stop()"))
    for number in (0, 1, 2, 3):
        notebook.run(number)
    the_map, connections, table = (notebook.cell(number) for number in (1, 2, 3))
    words = the_map.locator("img.labkit-picture")
    assert "Secrets Manager" not in str(words.get_attribute("alt"))
    expect(connections).to_contain_text("0 open connections: No connection is open.")
    expect(table).to_contain_text("Table orders-executions: 0 items: It is empty.")
    notebook.run(4)
    assert ">got type result<" in picture(the_map)
    assert "Secrets Manager" in str(words.get_attribute("alt"))
    expect(connections).to_contain_text("1 open connection")
    expect(table).to_contain_text("Table orders-executions: 1 item")
    # The last write is that of the result, or of a client that came later and changed nothing.
    expect(table.locator("td", has_text="▶ ")).to_have_count(1)
    notebook.run(5)
    expect(connections).to_contain_text("1000 Normal Closure")
    expect(table).to_contain_text("changed: connectionId, connectedUntil")
    notebook.run(6)
    expect(notebook.cell(6).locator("td", has_text="→ to the API")).to_have_count(1)
    notebook.run(7)
    assert int(notebook.cell(7).locator(".jp-OutputArea-output").inner_text()) > 3
    for theme in THEMES:
        notebook.theme(theme)
        notebook.screenshot(f"map-{theme.split()[1].lower()}")
        assert complaints(notebook.page) == []
    notebook.run(8)
