"""What a notebook keeps is there when nothing runs any more: without a kernel, untrusted, exported."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import OpenNotebook
from tests.browser.loopback import opened
from tests.browser.notebook import Notebook
from tests.browser.server import LAB, Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]

NAMES = sorted(path.stem for path in (LAB / "notebooks").glob("*.ipynb"))


def outputs(path: Path) -> list[dict[str, Any]]:
    """All outputs that a notebook stores, in their order."""
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells for output in cell.get("outputs", ())]


def words(markup: str) -> str:
    """The letters of HTML that a reader sees; what is between two words depends on styles."""
    seen = re.sub(r"<style.*?</style>|<[^>]*>", "", markup, flags=re.DOTALL)
    return letters(html.unescape(seen))


def letters(text: str) -> str:
    """A text without blanks and line ends."""
    return "".join(text.split())


def pictures(page: Page, within: str = "") -> list[str]:
    """The words of each picture that is drawn."""
    drawn: list[str] = page.locator(f"{within} img").evaluate_all(
        "all => all.filter(img => img.complete && img.naturalWidth > 0).map(img => img.alt)"
    )
    return [alt for alt in drawn if alt]


def stored_pictures(path: Path) -> list[str]:
    """The words of each picture that a notebook stores as HTML."""
    markup = "".join(o.get("data", {}).get("text/html", "") for o in outputs(path))
    return [html.unescape(alt) for alt in re.findall(r'<img [^>]*alt="([^"]*)"', markup)]


@pytest.fixture(scope="module")
def without_kernels(browser: Browser) -> Iterator[Page]:
    """A page for JupyterLab where there is no kernel to start."""
    with opened(browser) as page:
        yield page


@pytest.fixture(params=NAMES)
def stored(
    request: pytest.FixtureRequest, without_kernels: Page, server: Server
) -> Iterator[Notebook]:
    """A lesson as somebody gets it who has never run it, with all that unfolds unfolded."""
    path = f"notebooks/{request.param}.ipynb"
    notebook = Notebook.open(without_kernels, server, path, kernel=False)
    notebook.page.locator(".jp-OutputArea-output details").evaluate_all(
        "all => all.forEach(one => { one.open = true })"
    )
    yield notebook
    notebook.close()


def test_a_lesson_shows_every_result_without_a_kernel_and_untrusted(stored: Notebook) -> None:
    assert trusted(stored) == {False}
    seen = letters("".join(stored.page.locator(".jp-OutputArea-output").all_inner_texts()))
    path = stored.server.root / stored.path
    assert [output for output in map(shown, outputs(path)) if output not in seen] == []
    assert pictures(stored.page, ".jp-OutputArea-output") == stored_pictures(path)


def trusted(notebook: Notebook) -> set[bool]:
    """Whether cells with outputs are trusted."""
    found = notebook.page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets
          .filter(cell => cell.model.outputs?.length).map(cell => cell.model.trusted)"""
    )
    return set(found)


def shown(output: dict[str, Any]) -> str:
    """The words that a reader must see of an output."""
    data = output.get("data", {})
    if "text/html" in data:
        return words(data["text/html"])
    if output["output_type"] == "error":
        return str(output["ename"])
    return letters(str(data.get("text/plain", output.get("text", ""))))


def test_a_students_notebook_says_where_its_fields_went(
    open_notebook: OpenNotebook, written: Callable[..., str]
) -> None:
    """Saved with live widgets, and opened again when the kernel that had them is gone."""
    path = written("kept", "from labkit.course import quiz\nquiz('q0.1')")
    notebook = open_notebook(path)
    notebook.run(0)
    notebook.cell(0).get_by_role("button", name="Check").wait_for()
    assert instead(notebook) == [], "the fields are there"
    saved = notebook.save()
    assert "application/vnd.jupyter.widget-view+json" in saved.read_text("utf-8")
    notebook.close()
    again = open_notebook(path)
    assert trusted(again) == {True}
    assert "What does it do to get the result?" in again.cell(0).inner_text()
    again.page.get_by_text("Error displaying widget").wait_for(state="attached")
    (said,) = instead(again)
    assert "Run this cell again" in said
    again.screenshot("question-reopened")


def instead(notebook: Notebook) -> list[str]:
    """What stands in the place of JupyterLab's errors."""
    found: list[str] = notebook.page.locator(".jp-OutputArea-output").evaluate_all(
        """all => all.filter(output => getComputedStyle(output).fontSize === '0px')
          .map(output => getComputedStyle(output, '::after').content)"""
    )
    return found


def test_an_export_shows_its_pictures_offline(
    browser: Browser, jupyterlab: Page, server: Server, tmp_path: Path
) -> None:
    """File, Save and Export Notebook As, HTML."""
    name = "notebooks/00_start_here.ipynb"
    jupyterlab.goto(f"{server.url}/lab?reset")  # which gives the page its token
    token = next(c["value"] for c in jupyterlab.context.cookies() if c["name"] == "_xsrf")
    address = f"{server.url}/nbconvert/html/{name}?_xsrf={token}"
    exported = tmp_path / "exported.html"
    exported.write_bytes(jupyterlab.context.request.get(address, fail_on_status_code=True).body())
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(exported.as_uri())
    there = stored_pictures(server.root / name)
    assert there
    assert pictures(page) == there
    context.close()
