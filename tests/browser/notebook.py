"""A notebook that is open in JupyterLab, with what a student does with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page

from tests.browser.server import LAB, Server

ARTIFACTS = LAB / "artifacts" / "browser"
"""Screenshots are kept here; git ignores the folder."""

THEMES = ("JupyterLab Light", "JupyterLab Dark")

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

WIDTH, HEIGHT = 1250, 1400
"""Of the browser's window, in pixels."""

_NO_KERNELS = {"default": "", "kernelspecs": {}}
_IS_OPEN = """async path => {
  const context = window.jupyterapp?.shell?.currentWidget?.context
  if (context?.path !== path) return false
  await context.ready
  return document.querySelector('.jp-Notebook .jp-Cell') !== null
}"""
_CLOSE = """async () => {
  jupyterapp.shell.currentWidget.context.model.dirty = false
  await jupyterapp.commands.execute('application:close-all')
  await jupyterapp.serviceManager.sessions.shutdownAll()
}"""
_IDLE = """() => {
  const session = window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.session;
  return session?.kernel?.status === 'idle'
}"""
_RAN = """() => [...document.querySelectorAll('.jp-CodeCell')].every(cell =>
  /^\\[\\d+\\]:$/.test(cell.querySelector('.jp-InputPrompt').textContent.trim()))"""
_SCROLL = """top => {
  const all = document.querySelector('.jp-WindowedPanel-outer')
  all.scrollTop = top
  return [all.clientHeight, all.scrollHeight]
}"""


def write_notebook(server: Server, name: str, *cells: str) -> str:
    """Write a notebook of code cells.

    Args:
        server: who is to serve it.
        name: its name, without a folder.
        cells: the source of each cell.

    Returns:
        Its path, for :meth:`Notebook.open`.
    """
    path = server.root / "notebooks" / f"{name}.ipynb"
    made = [nbformat.v4.new_code_cell(source, id=f"c-{n}") for n, source in enumerate(cells)]
    notebook = nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": KERNEL})
    path.write_text(nbformat.writes(notebook), "utf-8")
    return path.relative_to(server.root).as_posix()


@dataclass(frozen=True)
class Notebook:
    """A notebook that is open.

    Attributes:
        page: the browser's page that shows it.
        server: who serves it.
        path: its path below the server's folder.
    """

    page: Page = field(repr=False)
    server: Server
    path: str

    @classmethod
    def open(cls, page: Page, server: Server, path: str, *, kernel: bool = True) -> Notebook:
        """Open a notebook as a student does.

        Args:
            page: an empty page, or one whose last notebook is closed.
            server: who serves it.
            path: its path below the server's folder.
            kernel: whether there is one to start; an empty page must do without from the beginning.
                JupyterLab then asks for one, and the student closes the question.
        """
        if not kernel:
            page.route("**/api/kernelspecs*", lambda route: route.fulfill(json=_NO_KERNELS))
        opened = cls(page, server, path)
        if page.url.startswith(server.url):
            opened.command("docmanager:open", path=path, factory="Notebook")
        else:
            page.goto(f"{server.url}/lab/tree/{path}?reset")
        page.wait_for_function(_IS_OPEN, arg=path, timeout=60_000)
        if kernel:
            page.wait_for_function(_IDLE, timeout=60_000)
        else:
            page.locator(".jp-Dialog .jp-mod-reject").click()
        page.evaluate("() => jupyterapp.shell.collapseLeft()")
        opened.theme(THEMES[0])
        return opened

    def command(self, name: str, **arguments: Any) -> Any:
        """Run one of JupyterLab's commands and wait for its end.

        Args:
            name: of the command, such as ``docmanager:save``.
            arguments: its arguments.
        """
        return self.page.evaluate(
            "([name, given]) => jupyterapp.commands.execute(name, given).then(done => done === true)",
            [name, arguments],
        )

    def theme(self, name: str) -> None:
        """Change the theme.

        Args:
            name: one of :data:`THEMES`.
        """
        self.command("apputils:change-theme", theme=name)
        light = str(name == THEMES[0]).lower()
        self.page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")

    # -- running ----------------------------------------------------------------------------------

    def run_all(self) -> bool:
        """Run all cells and wait for their end; whether none failed but those that are meant to."""
        went_well = self.command("notebook:run-all-cells")
        self._settle()
        return bool(went_well)

    def run_all_from_the_menu(self) -> None:
        """The same by mouse."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(_RAN, timeout=120_000)
        self._settle()

    def run(self, number: int) -> None:
        """Run one cell and wait for its end.

        Args:
            number: of the cell, from 0.
        """
        self.page.evaluate(
            "n => { jupyterapp.shell.currentWidget.content.activeCellIndex = n }", number
        )
        self.command("notebook:run-cell")
        self._settle()

    def _settle(self) -> None:
        self.page.wait_for_function(_IDLE, timeout=60_000)

    # -- what is seen -----------------------------------------------------------------------------

    def cell(self, number: int) -> Locator:
        """A cell in the page.

        Args:
            number: of the cell, from 0.
        """
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def cells(self) -> list[Any]:
        """The cells as they would be saved now, each a dictionary as nbformat has it."""
        found: list[Any] = self.page.evaluate(
            "() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.toJSON())"
        )
        return found

    def screenshot(self, name: str) -> list[Path]:
        """Keep how all of it looks, from top to bottom.

        Args:
            name: of the files, without an ending.

        Returns:
            The files.
        """
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        made = []
        top, bottom = 0, 1
        while top < bottom:
            # Scrolled from window to window: to draw all at once is slow.
            seen, bottom = self.page.evaluate(_SCROLL, top)
            made.append(ARTIFACTS / f"{name}-{len(made) + 1:02}.png")
            self.page.screenshot(path=made[-1])
            top += seen
        return made

    # -- the end ----------------------------------------------------------------------------------

    def save(self) -> Path:
        """Save it; the file."""
        self.command("docmanager:save")
        return self.server.root / self.path

    def close(self) -> None:
        """Close it without saving, and end all kernels."""
        self.page.evaluate(_CLOSE)
