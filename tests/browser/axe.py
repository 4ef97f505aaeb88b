"""axe-core looks for what keeps people from reading or reaching something."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OURS = ".jp-OutputArea-output"
"""What cells show; the rest of the page is JupyterLab's own."""


def complaints(page: Page, within: str = OURS) -> list[str]:
    """What axe-core finds, a line each.

    Args:
        page: a page with something to look at.
        within: a CSS selector; nothing outside of it is looked at.

    Raises:
        AssertionError: there is nothing to look at.
    """
    if not page.locator(within).count():
        raise AssertionError(f"Nothing here is {within}")
    found = Axe().run(page, context={"include": [[within]]})
    return [
        f"{violation['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]
