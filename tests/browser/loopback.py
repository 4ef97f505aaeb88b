"""Pages that may ask this machine only, and whoever asks another is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from tests.browser.notebook import HEIGHT, WIDTH


class Elsewhere(list[str]):
    """The addresses beyond this machine that a page asked for."""

    def watch(self, page: Page) -> None:
        """Note down what a page asks for from here on."""
        page.context.on("request", lambda request: self.add(request.url))
        page.on("websocket", lambda socket: self.add(socket.url))

    def add(self, url: str) -> None:
        """Note down an address, if it is elsewhere."""
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.append(url)


@contextmanager
def opened(browser: Browser) -> Iterator[Page]:
    """An empty page of its own: no cookies, nothing kept.

    Raises:
        AssertionError: it asked for something that is not on this machine.
    """
    size = {"width": WIDTH, "height": HEIGHT}
    context = browser.new_context(viewport=size, service_workers="block")  # type: ignore[arg-type]
    elsewhere = Elsewhere()
    try:
        page = context.new_page()
        elsewhere.watch(page)
        yield page
    finally:
        context.close()
    if elsewhere:
        raise AssertionError(f"The page asked beyond this machine: {', '.join(elsewhere)}")
