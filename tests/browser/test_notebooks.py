"""Each lesson in real JupyterLab: it runs, it is drawn, and everybody can read it in both themes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.axe import complaints
from tests.browser.notebook import THEMES, Notebook
from tests.browser.server import LAB, Server

NAMES = sorted(path.stem for path in (LAB / "notebooks").glob("*.ipynb"))

pytestmark = [pytest.mark.browser, pytest.mark.timeout(150)]

in_both_themes = pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])


@pytest.fixture(scope="module", params=NAMES)
def lesson(request: pytest.FixtureRequest, jupyterlab: Page, server: Server) -> Iterator[Notebook]:
    """A lesson whose cells have all run."""
    notebook = Notebook.open(jupyterlab, server, f"notebooks/{request.param}.ipynb")
    if request.param == NAMES[0]:
        notebook.run_all_from_the_menu()
    else:
        notebook.run_all()
    yield notebook
    notebook.close()


def test_every_cell_runs_and_none_shows_an_error(lesson: Notebook) -> None:
    cells = [cell for cell in lesson.cells() if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    failed = [
        output.get("evalue", output.get("text"))
        for cell in cells
        for output in cell["outputs"]
        if "raises-exception" not in cell["metadata"].get("tags", [])
        and (output["output_type"] == "error" or output.get("name") == "stderr")
    ]
    assert failed == []
    assert lesson.page.get_by_text("Error displaying widget").count() == 0


@in_both_themes
def test_axe_finds_nothing_in_what_cells_show(lesson: Notebook, theme: str) -> None:
    lesson.theme(theme)
    assert complaints(lesson.page) == []


@in_both_themes
def test_every_picture_is_drawn_and_has_words(lesson: Notebook, theme: str) -> None:
    """The screenshots are for people to look at."""
    lesson.theme(theme)
    shown = f"{lesson.path.partition('/')[2].removesuffix('.ipynb')}-{theme.split()[1].lower()}"
    assert lesson.screenshot(shown)
    pictures = lesson.page.locator(".jp-OutputArea-output img").evaluate_all(
        "all => all.map(img => [img.alt, img.complete && img.naturalWidth > 0])"
    )
    assert [picture for picture in pictures if not (picture[0] and picture[1])] == []
