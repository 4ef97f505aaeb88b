"""Functions in real processes, without the rest of the cloud."""

from __future__ import annotations

import asyncio
import io
import json
import textwrap
import time
import uuid
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from labkit.clock import Clock
from labkit.eventlog import Event, EventLog
from labkit.faults import Faults
from labkit.functions.model import FunctionConfiguration, Invocation
from labkit.functions.service import Functions

ACCOUNT = "123456789012"
REGION = "us-east-1"
DEADLINE = 15.0


def zipped(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


async def until(condition: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """Wait for something that no event tells of."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.002)
    return value


def process_state(pid: int) -> str:
    """A process's state as Linux shows it: R, S, T (stopped), Z …; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def gone(pid: int) -> bool:
    return process_state(pid) in ("", "Z", "X")


class Account:
    """Deployed functions, what runs them, and what they wrote."""

    def __init__(self, **options: Any) -> None:
        self.log = EventLog()
        self.faults = Faults(self.log)
        self.deployed: dict[str, FunctionConfiguration] = {}
        self.written: list[tuple[str, str, str, str, list[tuple[int, str]]]] = []
        self.endpoint = "http://127.0.0.1:9"
        self.functions = Functions(
            log=self.log,
            faults=self.faults,
            configuration=self._configuration,
            endpoint=lambda: self.endpoint,
            write_logs=lambda *batch: self.written.append(batch),
            credentials=lambda account, role: {
                "AWS_ACCESS_KEY_ID": f"ASIA{account}",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_SESSION_TOKEN": role,
            },
            **options,
        )

    def _configuration(self, ref: str, account: str, region: str) -> FunctionConfiguration | None:
        name = ref.rpartition("function:")[2].partition(":")[0]
        return self.deployed.get(name)

    def deploy(
        self, code: str = "", *, files: dict[str, str | bytes] | None = None, **changes: Any
    ) -> str:
        """Create a function, or update the one of that name; returns its name."""
        name = changes.pop("name", None) or f"f{uuid.uuid4().hex[:8]}"
        package = zipped({"app.py": textwrap.dedent(code), **(files or {})})
        function = FunctionConfiguration(
            name=name,
            arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            account=ACCOUNT,
            region=REGION,
            handler="app.handler",
            runtime="python3.13",
            package=package,
            revision=uuid.uuid4().hex,
        )
        self.deployed[name] = replace(function, **changes)
        self.functions.changed(function.arn)
        return name

    async def invoke(self, name: str, event: Any = None, **options: Any) -> Invocation:
        async with asyncio.timeout(DEADLINE):
            return await self.functions.invoke(name, json.dumps(event).encode(), **options)

    async def value(self, name: str, event: Any = None, **options: Any) -> Any:
        """What a function returns; a function error fails the test."""
        result = await self.invoke(name, event, **options)
        assert result.function_error is None, result.payload
        return json.loads(result.payload)

    async def error(self, name: str, event: Any = None, **options: Any) -> dict[str, Any]:
        """The error object of a function that fails."""
        result = await self.invoke(name, event, **options)
        assert result.function_error == "Unhandled", result.payload
        error: dict[str, Any] = json.loads(result.payload)
        return error

    def events(self, kind: str, name: str) -> list[Event]:
        return [e for e in self.log if e.kind == kind and e.get("function") == name]

    def lines(self, name: str) -> list[str]:
        """What a function has written to its log."""
        return [event["line"] for event in self.events("function.log", name)]

    def pids(self, name: str) -> list[int]:
        """The processes that have been started for a function."""
        return [event["pid"] for event in self.events("function.started", name)]

    async def event(self, kind: str, name: str, count: int = 1) -> Event:
        """Wait for the n-th event of a kind."""
        found = await until(lambda: self.events(kind, name)[count - 1 :])
        first: Event = found[0]
        return first


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Account]:
    account = Account(**options)
    await account.functions.start()
    try:
        yield account
    finally:
        await account.functions.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def account() -> AsyncIterator[Account]:
    """One fork server for a module's tests; each test deploys functions of its own."""
    async with running(clock=Clock(speed=10_000), init_seconds=0.5) as account:
        yield account


@pytest.fixture
def state_of() -> Callable[[int, str], Awaitable[None]]:
    """Waits until a process has a state: ``T`` is stopped, the empty string is gone."""

    async def wait(pid: int, state: str) -> None:
        await until(lambda: gone(pid) if state == "" else process_state(pid) == state)

    return wait
