"""Where the browser client is."""

import pytest

from labkit.errors import LabError
from labkit.views.browser_client import browser_client

ENDPOINT = "http://127.0.0.1:4566"
ORDERS = f"{ENDPOINT}/execute-api/a1b2c3d4e5/orders"
PAGE = f"/_labkit/client/?orders={ORDERS}"


def test_it_is_served_by_the_cloud_and_told_where_orders_go() -> None:
    view = browser_client(ENDPOINT, ORDERS)
    assert view.address == ENDPOINT + PAGE
    assert str(view) == f"The client as a web page: {ENDPOINT}{PAGE}"
    assert f'<a href="{ENDPOINT}{PAGE}" target="_blank" rel="noopener">' in view.html
    assert "JupyterLab" not in view.html


@pytest.mark.parametrize(
    ("jupyter", "path"), [("/", "/proxy/4566"), ("/user/ada/", "/user/ada/proxy/4566")]
)
def test_where_a_jupyter_server_runs_it_is_reached_through_that_too(
    jupyter: str, path: str
) -> None:
    view = browser_client(ENDPOINT, ORDERS, jupyter)
    assert view.proxied == path + PAGE
    assert f'href="{path}{PAGE}"' in view.html
    assert view.text.endswith(f"another machine: {path}{PAGE}")


def test_an_address_with_a_query_of_its_own_stays_one_parameter() -> None:
    view = browser_client(ENDPOINT, "https://x.example/orders?a=1&b=2")
    assert view.address.endswith("?orders=https://x.example/orders%3Fa%3D1%26b%3D2")


@pytest.mark.parametrize("orders", ["", "ws://127.0.0.1/x", "orders", '"><script>'])
def test_what_is_no_address_of_an_http_api_is_refused(orders: str) -> None:
    with pytest.raises(LabError, match="is no address to post orders to"):
        browser_client(ENDPOINT, orders)
