"""A process's Runtime API as any runtime sees it: status codes and states, spoken with http.client."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from labkit.functions.forks import Child
from labkit.functions.log_stream import LogStream
from labkit.functions.outcome import Outcome
from labkit.functions.process import STOP, Output, Process, Running, State
from labkit.functions.runtime_api import MAX_RESPONSE, Event
from labkit.trace import Trace

API = "/2018-06-01/runtime"


@dataclass
class Runtime:
    """A runtime under the test's control; the process that it belongs to does nothing."""

    process: Process
    address: str
    told: list[str]
    is_ready: asyncio.Event

    async def call(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        def call() -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(self.address, timeout=10)
            try:
                connection.request(method, API + path, body, headers)
                response = connection.getresponse()
                return response.status, dict(response.getheaders()), response.read()
            finally:
                connection.close()

        return await asyncio.to_thread(call)

    def invoke(self, request_id: str = "one", timeout: float = 10) -> Running:
        return self.process.invoke(
            Event(request_id, b'{"n": 1}', "arn:f", "Root=1"), Trace.new(), timeout
        )

    async def invoked(self, request_id: str = "one") -> Running:
        """An invocation that the runtime has received."""
        asked = asyncio.create_task(self.call("GET", "/invocation/next"))
        await self.ready()
        running = self.invoke(request_id)
        assert (await asked)[0] == 200
        return running

    async def ready(self) -> None:
        await asyncio.wait_for(self.is_ready.wait(), 5)
        self.is_ready.clear()
        assert self.process.state is State.READY


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    told: list[str] = []
    is_ready = asyncio.Event()

    def on_ready(_: Process) -> None:
        told.append("ready")
        is_ready.set()

    def on_outcome(_: Process, running: Running, outcome: Outcome) -> None:
        told.append(f"outcome {running.event.request_id} {outcome.status}")

    stream = LogStream("1", "r", "g", "s")
    process = Process(
        stream,
        on_ready=on_ready,
        on_lines=lambda _, lines: told.extend(lines),
        on_outcome=on_outcome,
        on_end=lambda _, reason: told.append(f"end {reason}"),
    )
    address = await process.listen()
    code = "import sys; sys.stdin.read()"
    arguments: dict[str, Any] = {"stdin": subprocess.PIPE, "start_new_session": True}
    with await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-S", "-c", code], **arguments
    ) as popen:
        process.run(child := Child(popen.pid), Output(), 10)
        yield Runtime(process, address, told, is_ready)
        child.kill()
        await asyncio.to_thread(popen.wait)
        child.ended(-9)


async def test_next_waits_for_an_invocation_and_response_answers_it(runtime: Runtime) -> None:
    asked = asyncio.create_task(runtime.call("GET", "/invocation/next"))
    await runtime.ready()
    running = runtime.invoke()
    status, headers, body = await asked
    assert (status, body) == (200, b'{"n": 1}')
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "one"
    status, _, body = await runtime.call("POST", "/invocation/one/response", b'"done"')
    assert (status, json.loads(body)) == (202, {"status": "OK"})
    assert (await running.outcome).payload == b'"done"'
    assert (await running.outcome).error is None
    assert runtime.told == ["ready", "outcome one success"]


async def test_error_answers_an_invocation(runtime: Runtime) -> None:
    running = await runtime.invoked()
    error = b'{"errorMessage": "no", "errorType": "OutOfStock", "stackTrace": []}'
    assert (await runtime.call("POST", "/invocation/one/error", error))[0] == 202
    assert await running.outcome == Outcome(error, "OutOfStock", "error")


@pytest.mark.parametrize("kind", ["response", "error"])
async def test_answer_to_another_invocation_is_refused(runtime: Runtime, kind: str) -> None:
    running = await runtime.invoked()
    status, _, body = await runtime.call("POST", f"/invocation/two/{kind}", b"{}")
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")
    assert not running.outcome.done()


async def test_answer_that_nobody_waits_for_is_refused(runtime: Runtime) -> None:
    assert (await runtime.call("POST", "/invocation/one/response", b"{}"))[0] == 403
    await runtime.invoked()
    assert (await runtime.call("POST", "/invocation/one/response", b"{}"))[0] == 202
    assert (await runtime.call("POST", "/invocation/one/response", b"{}"))[0] == 403


async def test_next_during_an_invocation_is_refused(runtime: Runtime) -> None:
    await runtime.invoked()
    assert (await runtime.call("GET", "/invocation/next"))[0] == 403


async def test_answer_over_the_limit_is_refused(runtime: Runtime) -> None:
    running = await runtime.invoked()
    body = b"x" * (MAX_RESPONSE + 1)
    assert (await runtime.call("POST", "/invocation/one/response", body))[0] == 413
    assert (await running.outcome).error == "Function.ResponseSizeTooLarge"


async def test_answer_of_just_the_limit_is_taken(runtime: Runtime) -> None:
    running = await runtime.invoked()
    body = b"x" * MAX_RESPONSE
    assert (await runtime.call("POST", "/invocation/one/response", body))[0] == 202
    assert (await running.outcome).payload == body


async def test_unknown_paths_and_methods_are_refused(runtime: Runtime) -> None:
    assert (await runtime.call("GET", "/nothing"))[0] == 404
    assert (await runtime.call("GET", "/init/error"))[0] == 405


async def test_init_error_is_taken_once_and_only_before_the_first_next(runtime: Runtime) -> None:
    error = b'{"errorMessage": "m", "errorType": "Runtime.ImportModuleError"}'
    assert (await runtime.call("POST", "/init/error", error))[0] == 202
    assert runtime.process.failure is not None
    assert runtime.process.failure("any").payload == error
    assert runtime.told[-1].endswith("Status: error\tError Type: Runtime.ImportModuleError")


async def test_init_error_after_initialisation_is_refused(runtime: Runtime) -> None:
    await runtime.invoked()
    assert (await runtime.call("POST", "/init/error", b"{}"))[0] == 403


async def test_bytes_that_are_no_http_are_refused_and_the_process_lives(runtime: Runtime) -> None:
    host, _, port = runtime.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"hello\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await runtime.invoked()


async def test_sender_that_expects_continue_gets_it(runtime: Runtime) -> None:
    running = await runtime.invoked()
    host, _, port = runtime.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {API}/invocation/one/response HTTP/1.1\r\nContent-Length: 2\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n".encode()
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await reader.read()).startswith(b"HTTP/1.1 202 ")
    writer.close()
    assert (await running.outcome).payload == b"{}"


async def test_runtime_that_asks_ahead_gets_both_answers(runtime: Runtime) -> None:
    await runtime.invoked()
    host, _, port = runtime.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {API}/invocation/one/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}"
        f"GET {API}/invocation/next HTTP/1.1\r\n\r\n".encode()
    )
    await runtime.ready()
    runtime.invoke("two")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
    assert (await reader.readuntil(b"\n")) == b'{"status":"OK"}\n'
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_runtime_whose_answer_is_refused_gets_no_other_invocation_with_it(
    runtime: Runtime,
) -> None:
    await runtime.invoked()
    assert (await runtime.call("POST", "/invocation/one/response", b"{}"))[0] == 202
    host, _, port = runtime.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {API}/invocation/one/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}"
        f"GET {API}/invocation/next HTTP/1.1\r\n\r\n".encode()
    )
    for _ in range(2):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403 ")
        await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))
    assert runtime.process.state is State.RETURNED
    # It may ask again by itself.
    writer.write(f"GET {API}/invocation/next HTTP/1.1\r\n\r\n".encode())
    await runtime.ready()
    writer.close()


@pytest.mark.skipif(STOP is None, reason="nothing is frozen on Windows")
async def test_frozen_process_that_gives_up_its_wait_goes_on(
    runtime: Runtime, state_of: Callable[[int, str], Awaitable[None]]
) -> None:
    host, _, port = runtime.address.partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {API}/invocation/next HTTP/1.1\r\n\r\n".encode())
    await runtime.ready()
    runtime.process.rest()
    assert runtime.process.child is not None
    await state_of(runtime.process.child.pid, "T")
    writer.close()
    await state_of(runtime.process.child.pid, "S")
    assert runtime.process.state is State.RETURNED
    await runtime.invoked()
