"""The browser client of the pattern: where it is.  Pure.

A link, and where the kernel has a Jupyter server, a second one that goes through it: the browser may
run on another machine than the cloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlsplit

from labkit.address import CLIENT
from labkit.errors import LabError
from labkit.views.view import STYLE, View


@dataclass(frozen=True, slots=True, repr=False)
class BrowserClient(View):
    """Links to the browser client.

    Attributes:
        address: where it is on this machine.
        proxied: the path to it through JupyterLab, on whatever host that is; empty without one.
    """

    address: str
    proxied: str = ""

    @property
    def text(self) -> str:
        """The address."""
        more = f"\nThrough JupyterLab, if that is on another machine: {self.proxied}"
        return f"The client as a web page: {self.address}{more if self.proxied else ''}"

    @property
    def html(self) -> str:
        """The links; each opens a tab of its own."""
        more = f"<br>If JupyterLab runs on another machine: {_link(self.proxied, 'through JupyterLab')}"
        return (
            f'<div style="{STYLE}"><p>The client as a web page: '
            f"{_link(self.address, self.address)}{more if self.proxied else ''}</p></div>"
        )


def browser_client(endpoint: str, orders_url: str, jupyter: str | None = None) -> BrowserClient:
    """Where the browser client is for an HTTP API.

    Args:
        endpoint: the local cloud's address.
        orders_url: where orders are posted to.
        jupyter: the path at which the kernel's Jupyter server serves; ``None`` without one.

    Raises:
        LabError: ``orders_url`` is no address of an HTTP API.
    """
    if not orders_url.startswith(("http://", "https://")):
        raise LabError(
            f"{orders_url!r} is no address to post orders to. It is the HTTP API's address and the "
            "path of its route, as in http://127.0.0.1:4566/execute-api/a1b2c3d4e5/orders."
        )
    page = f"{CLIENT}?orders={quote(orders_url, safe=':/')}"
    port = urlsplit(endpoint).port
    proxied = "" if jupyter is None else f"{jupyter.rstrip('/')}/proxy/{port}{page}"
    return BrowserClient(endpoint + page, proxied)


def _link(address: str, words: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(words)}</a>'
