"""HTTP proxy integrations of HTTP APIs, with backends on real sockets."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from labkit.apigateway.http_message import HttpRequest
from labkit.apigateway.model import Integration, Route, Stage, StageSettings
from tests.apigateway.test_http_api import API, Gateway, api_with, ok
from tests.fidelity.plugin import Values

REQUEST = HttpRequest(
    "PUT",
    "/pets/6%2F7/x%20y/z",
    query="a=1&a=%26",
    headers=[
        ("Host", "api.example"),
        ("X-Name", "ada"),
        ("X-Name", "bob"),
        ("Connection", "keep-alive"),
        ("Accept-Encoding", "gzip"),
        ("Expect", "100-continue"),
    ],
    body=b"\x00\xff",
)


class Backend:
    """A backend that keeps what it was asked and answers as its test says."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.BaseRequest, bytes]] = []
        self.answer: Callable[[], Awaitable[web.Response]] = self.fine
        self.port = 0

    async def fine(self) -> web.Response:
        return web.Response(text="fine")

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        return await self.answer()

    async def asked(self, uri: str = "/", request: HttpRequest = REQUEST, **raw: Any) -> Gateway:
        """Send a request to an API whose integration has a URI of this backend."""
        gateway = proxy(f"http://127.0.0.1:{self.port}{uri}", **raw)
        assert (await gateway.send(request)).status == 200
        return gateway

    @property
    def path(self) -> str:
        """The path and the query of the last request, as they were sent."""
        return self.requests[-1][0].raw_path


def proxy(uri: str, timeout_ms: int = 30_000, **raw: Any) -> Gateway:
    route = Route("r1", "ANY /pets/{id}/{proxy+}", "i1")
    integration = Integration("i1", "HTTP_PROXY", uri, timeout_ms, "1.0", raw=raw)
    api = api_with(integration, routes={route.key: route})
    gateway = Gateway(ok, api)
    settings = StageSettings("$default", variables={"v": "v2"})
    gateway.stages = {"$default": Stage(settings, api)}
    return gateway


@asynccontextmanager
async def listening() -> AsyncIterator[Backend]:
    backend = Backend()
    runner = web.ServerRunner(web.Server(backend, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    backend.port = runner.addresses[0][1]
    try:
        async with asyncio.timeout(20):
            yield backend
    finally:
        await runner.cleanup()


@pytest.mark.behaviour("http.proxy.passed")
async def test_whole_request_reaches_the_backend() -> None:
    async with listening() as backend:
        await backend.asked("/animals?page=2")
        [(request, body)] = backend.requests
        assert (request.method, request.raw_path) == ("PUT", "/animals?page=2&a=1&a=%26")
        assert request.headers.getall("x-name") == ["ada", "bob"]
        assert request.headers["accept-encoding"] == "gzip"
        assert request.host == f"127.0.0.1:{backend.port}"
        unwanted = {"user-agent", "accept", "content-type", "expect", "connection"}
        assert not unwanted & {name.lower() for name in request.headers}
        assert body == b"\x00\xff"


@pytest.mark.behaviour("http.proxy.passed")
async def test_whole_response_comes_back() -> None:
    packed = gzip.compress(b"found")

    async def elsewhere() -> web.Response:
        headers = {"Location": "/new", "Content-Encoding": "gzip", "Set-Cookie": "a=1"}
        response = web.Response(status=302, body=packed, headers=headers)
        response.headers.add("Set-Cookie", "b=2")
        return response

    async with listening() as backend:
        backend.answer = elsewhere
        response = await proxy(f"http://localhost:{backend.port}/").send(REQUEST)
        assert (response.status, response.body) == (302, packed)
        headers = [(name.lower(), value) for name, value in response.headers]
        assert ("location", "/new") in headers
        assert ("content-encoding", "gzip") in headers
        assert [value for name, value in headers if name == "set-cookie"] == ["a=1", "b=2"]
        assert "content-length" not in dict(headers)
        assert len(backend.requests) == 1


async def test_integration_method_takes_the_place_of_the_requests() -> None:
    async with listening() as backend:
        await backend.asked(IntegrationMethod="PATCH")
        await backend.asked(IntegrationMethod="ANY")
        assert [request.method for request, _ in backend.requests] == ["PATCH", "PUT"]


@pytest.mark.behaviour("http.proxy.path")
async def test_variables_of_the_path_stand_in_the_uri() -> None:
    async with listening() as backend:
        await backend.asked("/${stageVariables.v}/{id}/all/{proxy}", replace(REQUEST, query=""))
        assert backend.path == "/v2/6/7/all/x%20y/z"
        await backend.asked("/{proxy+}", replace(REQUEST, query=""))
        assert backend.path == "/x%20y/z"


@pytest.mark.behaviour("http.proxy.uri")
async def test_path_that_the_uri_does_not_name_stays_behind() -> None:
    async with listening() as backend:
        await backend.asked("", replace(REQUEST, query=""))
        assert backend.path == "/"


@pytest.mark.behaviour("http.mapping.path", "http.mapping.request")
async def test_mapped_parameters_reach_the_backend() -> None:
    async with listening() as backend:
        mappings = {
            "overwrite:path": "/${stageVariables.v}$request.path",
            "append:header.x-name": "$context.routeKey",
            "remove:querystring.a": "''",
        }
        await backend.asked("/away?page=2", RequestParameters=mappings)
        request, _ = backend.requests[-1]
        assert request.raw_path == "/v2/pets/6/7/x%20y/z?page=2"
        assert request.headers.getall("x-name") == ["ada", "bob", "ANY /pets/{id}/{proxy+}"]


@pytest.mark.behaviour("http.mapping.response")
async def test_error_of_the_backend_is_mapped() -> None:
    async def missing() -> web.Response:
        return web.json_response({"error": {"code": "NoPet"}}, status=404)

    async with listening() as backend:
        backend.answer = missing
        mappings = {"404": {"append:header.error": "$response.body.error.code"}}
        gateway = proxy(f"http://127.0.0.1:{backend.port}/", ResponseParameters=mappings)
        response = await gateway.send(REQUEST)
        assert (response.status, dict(response.headers)["error"]) == (404, "NoPet")


@pytest.mark.behaviour("http.proxy.forwarded")
async def test_backend_sees_by_whom_it_is_asked(expected: Values) -> None:
    async with listening() as backend:
        gateway = await backend.asked()
        request, _ = backend.requests[-1]
        assert request.headers["Via"] == expected.via
        assert "for=127.0.0.1;" in request.headers["Forwarded"]
        assert f"host={API.id}.execute-api.us-east-1.amazonaws.com" in request.headers["Forwarded"]
        arrived = next(iter(gateway.log))
        assert arrived.trace is not None
        assert request.headers["X-Amzn-Trace-Id"].startswith(f"Root={arrived.trace}")


@pytest.mark.behaviour("http.proxy.unreachable")
async def test_backend_that_is_not_there_is_503(expected: Values) -> None:
    async with listening() as backend:
        url = f"http://127.0.0.1:{backend.port}/"
    gateway = proxy(url)
    response = await gateway.send(REQUEST)
    assert (response.status, response.body.decode()) == (expected.status, expected.body)
    assert url in gateway.logged("http.response")["error"]


@pytest.mark.behaviour("http.proxy.unreachable")
async def test_backend_that_is_too_slow_is_503(expected: Values) -> None:
    released = asyncio.Event()

    async def slow() -> web.Response:
        await released.wait()
        return web.Response()

    async with listening() as backend:
        backend.answer = slow
        response = await proxy(f"http://127.0.0.1:{backend.port}/", 50).send(REQUEST)
        assert (response.status, response.body.decode()) == (expected.status, expected.body)
        released.set()


@pytest.mark.behaviour("http.integration.others")
@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1.example/", "http://{id}/", "ftp://localhost/", "http://10.0.0.1/"]
)
async def test_backend_on_another_machine_is_not_asked(uri: str, expected: Values) -> None:
    gateway = proxy(uri)
    assert (await gateway.send(REQUEST)).status == expected.status
    assert "Nothing leaves this machine" in gateway.logged("cloud.warning")["message"]
