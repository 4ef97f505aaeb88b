"""What a function addresses to AWS reaches the local cloud, whatever it is called with."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from labkit.trace import HEADER, Trace
from tests.functions.conftest import Account, running

Seen = list[tuple[str, str, str | None]]


@pytest.fixture
async def seen() -> AsyncIterator[tuple[Account, Seen]]:
    """An account whose endpoint notes who is called; ``(Host, path, trace header)``."""
    calls: Seen = []

    async def answer(request: web.Request) -> web.Response:
        calls.append((request.headers["Host"], request.path, request.headers.get(HEADER)))
        return web.json_response({"TableNames": ["orders"]})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with running() as account:
        account.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield account, calls
    await runner.cleanup()


CLIENTS = """
    import boto3
    tables = boto3.client("dynamodb")
    connections = boto3.client(
        "apigatewaymanagementapi", endpoint_url="https://a1.execute-api.us-east-1.amazonaws.com/prod"
    )
    def handler(event, context):
        connections.post_to_connection(ConnectionId="c=", Data=b"hello")
        return tables.list_tables()["TableNames"]
    """


async def test_boto3_as_on_aws_reaches_the_local_cloud(seen: Any) -> None:
    account, calls = seen
    name = account.deploy(CLIENTS)
    trace = Trace.new()
    assert await account.value(name, trace=trace) == ["orders"]
    assert [(host, path) for host, path, _ in calls] == [
        ("a1.execute-api.us-east-1.amazonaws.com", "/prod/@connections/c="),
        ("dynamodb.us-east-1.amazonaws.com", "/"),
    ]
    invoked = account.events("function.invoked", name)[0].seq
    assert {Trace.parse(header) for _, _, header in calls} == {Trace(trace.root, invoked)}


async def test_session_of_the_functions_own_reaches_the_local_cloud(seen: Any) -> None:
    account, calls = seen
    name = account.deploy(
        """
        import boto3
        def handler(event, context):
            session = boto3.Session(region_name="eu-west-1")
            return session.client("dynamodb").list_tables()["TableNames"]
        """
    )
    assert await account.value(name) == ["orders"]
    assert calls[0][0] == "dynamodb.eu-west-1.amazonaws.com"


async def test_process_that_a_function_starts_reaches_the_local_cloud(seen: Any) -> None:
    account, calls = seen
    name = account.deploy(
        """
        import subprocess, sys
        def handler(event, context):
            code = "import boto3; print(boto3.client('dynamodb').list_tables()['TableNames'])"
            return subprocess.check_output([sys.executable, "-c", code], text=True)
        """,
        timeout=15,
    )
    assert await account.value(name) == "['orders']\n"
    assert calls[0][0] == "dynamodb.us-east-1.amazonaws.com"


async def test_function_does_not_see_where_the_local_cloud_is(seen: Any) -> None:
    account, _ = seen
    code = """
        import os, boto3
        def handler(event, context):
            client = boto3.client("dynamodb")
            hidden = [name for name in os.environ if "LABKIT" in name or "ENDPOINT" in name]
            return client.meta.endpoint_url, hidden
        """
    assert await account.value(account.deploy(code)) == [
        "https://dynamodb.us-east-1.amazonaws.com",
        [],
    ]


@pytest.mark.parametrize(
    ("runtime", "library", "packages"),
    [
        ("python3.11", "/var/lang/lib/python3.11", "/var/runtime"),
        ("python3.12", "/var/lang/lib/python3.12", "/var/lang/lib/python3.12/site-packages"),
    ],
)
async def test_frames_of_the_sdk_and_of_python_have_the_paths_that_they_have_on_aws(
    runtime: str, library: str, packages: str
) -> None:
    async with running() as account:
        name = account.deploy(
            """
            import json
            import logging

            import boto3

            connections = boto3.client(
                "apigatewaymanagementapi",
                endpoint_url="https://a1.execute-api.us-east-1.amazonaws.com/prod",
            )
            def handler(event, context):
                try:
                    json.loads(event)
                except ValueError:
                    logging.exception("no JSON")
                connections.post_to_connection(ConnectionId="c=", Data=b"hello")
            """,
            runtime=runtime,
        )
        account.endpoint = "http://127.0.0.1:9"  # where nobody answers
        error = await account.error(name, "{")
        frames = error["stackTrace"]
        files = [re.match(r'  File "(.+?)", line', frame)[1] for frame in frames]  # type: ignore[index]
        assert files[0] == "/var/task/app.py"
        assert files[1] == f"{packages}/botocore/client.py"
        assert all(file.startswith(f"{packages}/botocore/") for file in files[1:])
        assert "~" not in "".join(frames)
        assert "^" not in "".join(frames)
        logged = next(line for line in account.lines(name) if "no JSON" in line)
        assert '  File "/var/task/app.py", line ' in logged
        assert f'  File "{library}/json/decoder.py", line ' in logged
