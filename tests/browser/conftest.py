"""A browser, and JupyterLab to look at.

``page`` is an empty page of Chromium; ``open_notebook`` opens a notebook in real JupyterLab.  Whatever
asks for more than this machine has fails.

Playwright runs an event loop of its own in the main thread, which must have ended before a test of
another file runs one.  So a browser is a file's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from labkit.doctor import find_chromium
from tests.browser.loopback import opened
from tests.browser.notebook import Notebook, write_notebook
from tests.browser.server import Server, serving

FLAGS = (
    "--headless",
    "--no-sandbox",  # which Chromium asks for where it runs as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Nothing but this machine has an address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

expect.set_options(timeout=30_000)  # the machine may be busy; what is there is seen at once

OpenNotebook = Callable[[str], Notebook]
"""Opens a notebook by its path below the server's folder."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; a test that needs it is skipped without, and fails in CI."""
    found = find_chromium()
    if not found and os.environ.get("CI") != "true":
        pytest.skip("no Chromium: the tests in a browser did not run")
    assert found, "CI needs Chromium: .ci/run installs Debian's, and it is not there"
    return found


@pytest.fixture(scope="session")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab."""
    with serving(tmp_path_factory.mktemp("jupyterlab")) as server:
        yield server


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page, which asks this machine only."""
    with opened(browser) as page:
        yield page


@pytest.fixture(scope="module")
def jupyterlab(browser: Browser) -> Iterator[Page]:
    """A page for the notebooks of a file, one after the other: JupyterLab takes seconds to load."""
    with opened(browser) as page:
        yield page


@pytest.fixture
def open_notebook(jupyterlab: Page, server: Server) -> Iterator[OpenNotebook]:
    """Opens a notebook of the server; the one before it must be closed."""
    notebooks = []

    def open_one(path: str) -> Notebook:
        notebooks.append(Notebook.open(jupyterlab, server, path))
        return notebooks[-1]

    yield open_one
    if notebooks:
        notebooks[-1].close()


@pytest.fixture
def written(server: Server) -> Callable[..., str]:
    """Writes a notebook of these cells, the source of each; its path for ``open_notebook``."""
    return lambda name, *cells: write_notebook(server, name, *cells)
