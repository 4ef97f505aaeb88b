"""A page that asks for something beyond this machine is noticed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.loopback import opened
from tests.browser.server import Server

pytestmark = pytest.mark.browser


def ask(browser: Browser, server: Server, script: str) -> None:
    with opened(browser) as page:
        page.goto(f"{server.url}/logo")  # a page that may ask: the policy of /api forbids it
        page.evaluate(script)


@pytest.mark.parametrize("address", ["http://labkit.invalid/", "http://192.0.2.1/"])
def test_a_request_to_elsewhere_fails_and_is_noticed(
    browser: Browser, server: Server, address: str
) -> None:
    script = f"fetch('{address}').then(() => {{ throw 'answered' }}, error => error.message)"
    with pytest.raises(AssertionError, match=address):
        ask(browser, server, script)


def test_a_websocket_to_elsewhere_is_noticed(browser: Browser, server: Server) -> None:
    script = (
        "new Promise(end => { new WebSocket('ws://labkit.invalid/').onclose = end }).then(() => 1)"
    )
    with pytest.raises(AssertionError, match=r"ws://labkit\.invalid/"):
        ask(browser, server, script)


def test_requests_to_this_machine_are_let_through(browser: Browser, server: Server) -> None:
    ask(browser, server, "fetch('/api').then(answer => answer.json())")
