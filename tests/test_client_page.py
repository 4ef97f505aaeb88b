"""The local cloud serves the browser client's files, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from labkit.client_page import FOLDER, page_file
from labkit.cloud import Cloud


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    cloud = Cloud()
    await cloud.start()
    async with aiohttp.ClientSession(cloud.endpoint) as session:
        yield session
    await cloud.stop()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "text/html"),
        ("index.html", "text/html"),
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("order_client.js", "text/javascript"),
        ("reach.js", "text/javascript"),
    ],
)
async def test_each_file_is_served_with_its_type(
    http: aiohttp.ClientSession, name: str, kind: str
) -> None:
    async with http.get(f"/_labkit/client/{name}?orders=x") as answer:
        assert answer.status == 200
        assert answer.content_type == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert await answer.read() == (FOLDER / (name or "index.html")).read_bytes()


async def test_the_folder_without_its_slash_leads_to_the_page(http: aiohttp.ClientSession) -> None:
    # Relative: by way of a proxy, the browser is at another path.
    async with http.get("/_labkit/client?orders=http://x/y", allow_redirects=False) as answer:
        assert answer.status == 308
        assert answer.headers["Location"] == "client/?orders=http://x/y"


@pytest.mark.parametrize("name", ["other.js", "..", "..%2Fclient.py", "%2E%2E%2Fbuild.py"])
async def test_nothing_else_is_served(http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"/_labkit/client/{name}") as answer:
        assert answer.status in (200, 404)
        assert b"import" not in await answer.read()
    assert page_file(name) is None
    assert page_file(name.replace("%2F", "/").replace("%2E", ".")) is None
