"""A question is answered by mouse and by keyboard, and what was answered is written down."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.axe import complaints
from tests.browser.conftest import OpenNotebook
from tests.browser.notebook import THEMES, Notebook
from tests.browser.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]

ASK = "from labkit.course import quiz\nquiz({!r})"


@pytest.fixture
def ask(
    open_notebook: OpenNotebook, written: Callable[..., str], server: Server
) -> Callable[[str], Notebook]:
    """Asks a question in a notebook of its own, of a student who has not answered any."""

    def asked(number: str) -> Notebook:
        (server.work / "progress.jsonl").unlink(missing_ok=True)
        notebook = open_notebook(written("question", ASK.format(number)))
        notebook.run(0)
        notebook.cell(0).get_by_role("button", name="Check").wait_for()
        return notebook

    return asked


def answers(server: Server) -> list[tuple[str, str, str]]:
    """What the student's journal says."""
    lines = (server.work / "progress.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    return [(line["exercise"], line["what"], line["answer"]) for line in told]


def said(cell: Locator) -> Locator:
    return cell.get_by_role("alert")


def test_an_option_is_chosen_by_mouse(ask: Callable[[str], Notebook], server: Server) -> None:
    cell = ask("q0.1").cell(0)
    check = cell.get_by_role("button", name="Check")
    check.click()
    expect(said(cell)).to_contain_text("Not counted: choose an option first.")
    cell.get_by_text("It waits: the answer").last.click()
    check.click()
    expect(said(cell)).to_contain_text("✗ Not yet.")
    expect(said(cell)).to_contain_text("202 means accepted, not done")
    cell.get_by_text("It connects to the address").last.click()
    check.click()
    expect(said(cell)).to_contain_text("✓ Right.")
    assert answers(server) == [("q0.1", "not yet", "a"), ("q0.1", "solved", "b")]


def test_an_option_is_chosen_by_keyboard(ask: Callable[[str], Notebook], server: Server) -> None:
    notebook = ask("q0.1")
    cell, keys = notebook.cell(0), notebook.page.keyboard
    focus_before_fields(notebook)
    go_to(notebook, "b\u2002It connects")
    keys.press("Space")
    go_to(notebook, "Check")
    keys.press("Enter")
    expect(said(cell)).to_contain_text("✓ Right.")
    assert answers(server) == [("q0.1", "solved", "b")]


def test_gaps_are_filled_by_keyboard(ask: Callable[[str], Notebook], server: Server) -> None:
    notebook = ask("q1.1")
    cell, keys = notebook.cell(0), notebook.page.keyboard
    focus_before_fields(notebook)
    go_to(notebook, "Gap 1")
    keys.type("router")
    go_to(notebook, "Gap 2")
    keys.type("Server")
    go_to(notebook, "Check")
    keys.press("Space")
    expect(said(cell)).to_contain_text("A router only passes packets on.")
    keys.press("Shift+Tab")
    keys.press("Shift+Tab")
    keys.press("ControlOrMeta+a")
    keys.type("client")
    go_to(notebook, "Check")
    keys.press("Space")
    expect(said(cell)).to_contain_text("✓ Right.")
    assert [line[1] for line in answers(server)] == ["not yet", "solved"]


@pytest.mark.parametrize("number", ["q0.1", "q1.6"])
def test_what_is_clicked_stands_on_the_line_of_its_option(
    ask: Callable[[str], Notebook], number: str
) -> None:
    distances = (
        ask(number)
        .cell(0)
        .locator(".labkit-quiz label:has(input)")
        .evaluate_all(
            """all => all.map(label => {
          const middle = box => (box.top + box.bottom) / 2
          const words = document.createRange()
          words.selectNodeContents(label)
          const input = label.querySelector('input')
          return Math.abs(middle(words.getClientRects()[0]) - middle(input.getBoundingClientRect()))
        })"""
        )
    )
    assert len(distances) == 4
    assert max(distances) < 3, "pixels"


@pytest.mark.parametrize("number", ["q0.1", "q1.1", "q1.6"])
@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_axe_finds_nothing_in_a_question_with_its_fields(
    ask: Callable[[str], Notebook], number: str, theme: str
) -> None:
    notebook = ask(number)
    notebook.theme(theme)
    notebook.cell(0).get_by_role("button", name="Check").click()
    said(notebook.cell(0)).wait_for()
    assert complaints(notebook.page) == []
    notebook.screenshot(f"question-{number}-{theme.split()[1].lower()}")


def focus_before_fields(notebook: Notebook) -> None:
    """Put the focus on the cell, as it is when the student has run it."""
    notebook.page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCell.node.focus()")


def go_to(notebook: Notebook, name: str, most: int = 12) -> None:
    """Press Tab until what is focused has a name that begins so; ``most`` times at most."""
    found = []
    for _ in range(most):
        notebook.page.keyboard.press("Tab")
        found.append(notebook.page.evaluate(_FOCUSED))
        if found[-1].startswith(name):
            return
    raise AssertionError(f"Tab does not reach {name!r}, only {found}")


_FOCUSED = """() => {
  const it = document.activeElement
  return (it.labels?.[0]?.textContent || it.getAttribute('aria-label') || it.textContent || '').trim()
}"""
