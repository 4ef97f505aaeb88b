"""A JupyterLab that is reached under a name that is not this machine's, as on a hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from labkit import Lab
from labkit.pattern.build import build
from labkit.views.browser_client import browser_client
from tests.browser.conftest import FLAGS
from tests.browser.server import serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

HUB, OTHER = "hub.example.com", "other.example.com"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a JupyterLab that answers to any name."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "config").mkdir()
    config = {"ServerApp": {"allow_remote_access": True}}
    (folder / "config" / "jupyter_server_config.json").write_text(json.dumps(config), "utf-8")
    with serving(folder) as server:
        yield urlsplit(server.url).port or 0


@pytest.fixture(scope="module")
def path(port: int) -> Iterator[str]:
    """The browser client's path through JupyterLab; the lab has been told of the hub."""
    with Lab.start(allow_origins=[f"http://{HUB}:{port}"]) as lab:
        yield browser_client(lab.endpoint, build().orders_url, "/").proxied


@pytest.fixture
def page_at_a_hub(browser: Browser, chromium: str) -> Iterator[Page]:
    """A page of a browser for which this machine has two more names."""
    others = [flag for flag in FLAGS if not flag.startswith("--host-resolver-rules")]
    names = f"--host-resolver-rules=MAP {HUB} 127.0.0.1, MAP {OTHER} 127.0.0.1"
    there = browser.browser_type.launch(executable_path=chromium, args=[*others, names])
    try:
        yield there.new_page()
    finally:
        there.close()


def test_the_hub_that_was_named_is_let_in(page_at_a_hub: Page, port: int, path: str) -> None:
    page_at_a_hub.goto(f"http://{HUB}:{port}{path}")
    page_at_a_hub.get_by_role("button", name="Place order").click()
    status = page_at_a_hub.get_by_role("status")
    expect(status).to_contain_text("The result is here: accepted", timeout=30_000)
    expect(page_at_a_hub.locator("#orders-url")).to_contain_text(f"http://{HUB}:{port}/proxy/")


def test_another_is_told_how_to_be_named(page_at_a_hub: Page, port: int, path: str) -> None:
    answer = page_at_a_hub.goto(f"http://{OTHER}:{port}{path}")
    assert answer is not None
    assert answer.status == 403
    assert f"Lab.start(allow_origins=['http://{OTHER}:{port}'])" in answer.json()["message"]
