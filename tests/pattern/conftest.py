"""The pattern on a local cloud: real sockets, real function processes, one cloud for each file."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import websocket

from labkit.eventlog import Event
from labkit.lab import Lab, running
from labkit.pattern import build as building
from labkit.pattern.build import System, build
from labkit.pattern.client import Inbox, OrderClient, Placed
from labkit.trace import HEADER, Trace

DEADLINE = 20.0
"""Seconds within which what is waited for must have happened."""

PATTERN = Path(building.__file__).parent
ORDER: dict[str, Any] = json.loads((PATTERN / "order.json").read_text("utf-8"))


class Socket(websocket.WebSocket):
    """websocket-client's socket, which remembers what it received.

    Attributes:
        frames: the texts, oldest first.
        connection: its connection id.
    """

    frames: list[str]
    connection: str

    def recv(self) -> Any:
        text = super().recv()
        self.frames.append(str(text))
        return text

    def recv_until_help(self) -> list[str]:
        """Ask for help, and read up to the answer; what was sent before has then arrived.

        Returns:
            All frames so far, without those with help.
        """
        self.settimeout(DEADLINE)
        self.send(json.dumps({"action": "what can I send?"}))
        while json.loads(self.recv()).get("type") != "help":
            pass
        return [text for text in self.frames if json.loads(text).get("type") != "help"]


class Steps:
    """An execution that goes only as far as it is told.

    Args:
        goal: the state at whose entry it stands still first.
    """

    def __init__(self, goal: str) -> None:
        self._changed = threading.Condition()
        self._goal = goal
        self._at = ""

    def enter(self, state: str) -> None:
        """Note where it is, and stand still if that is the goal (the execution calls this)."""
        with self._changed:
            self._at = state
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._goal != state, DEADLINE)

    def go_to(self, state: str) -> None:
        """Let it go on to the entry of a state, and wait until it stands there."""
        with self._changed:
            self._goal = state
            self._changed.notify_all()
            there = self._changed.wait_for(lambda: self._at == state, DEADLINE)
        assert there, f"the execution stands at {self._at!r}, and not at {state!r}"

    def go_on(self) -> None:
        """Let it go on to its end."""
        with self._changed:
            self._goal = ""
            self._changed.notify_all()


class Shop:
    """The pattern, built on a lab that runs, and what tests do with it."""

    def __init__(self, lab: Lab, system: System) -> None:
        self.lab = lab
        self.system = system
        self.log = lab.log
        self.faults = lab.faults

    # -- a client's steps ------------------------------------------------------------------------

    def client(self, **options: Any) -> OrderClient:
        """The pattern's own client, on sockets that remember."""
        return OrderClient(self.system.orders_url, **{"connect": self.connect, **options})

    def place(self, order: Any = ORDER, key: str = "") -> Placed:
        """Place an order."""
        return OrderClient(self.system.orders_url, idempotency_key=key).place_order(order)

    def connect(self, url: str, timeout: float = DEADLINE) -> Socket:
        """Open a socket with the URL from the answer."""
        trace = Trace.new()
        socket: Socket = websocket.create_connection(
            url, timeout=timeout, class_=Socket, header={HEADER: trace.header}
        )
        socket.frames = []
        opened = self.log.wait(
            lambda event: event.kind == "connection.opened" and event.trace == trace.root,
            timeout=DEADLINE,
        )
        socket.connection = opened["connection"]
        return socket

    def subscribe(self, socket: Socket) -> None:
        """Send the client's first message, and wait until it has been handled."""
        before = self.log.last
        socket.send(json.dumps({"action": "subscribe"}))
        self.subscribed(socket, after=before)

    # -- what happened ---------------------------------------------------------------------------

    def wait(self, kind: str, *, after: int = 0, **data: Any) -> Event:
        """The first event of a kind with these data."""
        return self.log.wait(
            lambda event: (
                event.kind == kind and all(event.get(name) == value for name, value in data.items())
            ),
            after=after,
            timeout=DEADLINE,
        )

    def ended(self, placed: Placed) -> str:
        """Wait until the execution has ended.

        Returns:
            Its status.
        """
        return str(self.wait("execution.ended", execution=placed.execution_arn)["status"])

    def subscribed(self, socket: Socket, after: int = 0) -> None:
        """Wait until a ``subscribe`` of the connection has been handled."""
        chosen = self.wait(
            "route.selected", after=after, connection=socket.connection, route="subscribe"
        )
        self.log.wait(
            lambda event: event.kind == "function.returned" and event.trace == chosen.trace,
            after=chosen.seq,
            timeout=DEADLINE,
        )

    def disconnected(self, socket: Socket) -> None:
        """Wait until ``$disconnect`` has run for a connection that is over."""
        closed = self.wait("connection.closed", connection=socket.connection)
        self.log.wait(
            lambda event: event.kind == "function.returned" and event.trace == closed.trace,
            after=closed.seq,
            timeout=DEADLINE,
        )

    def item(self, placed: Placed) -> dict[str, Any]:
        """The execution's item in DynamoDB."""
        answer = boto3.client("dynamodb").get_item(
            TableName=self.system.executions_table,
            Key={"executionName": {"S": placed.order_id}},
            ConsistentRead=True,
        )
        item: dict[str, Any] = answer["Item"]
        return item

    # -- steering --------------------------------------------------------------------------------

    @contextmanager
    def hold(self, goal: str) -> Iterator[Steps]:
        """Have executions stand still as they enter a state.

        The log tells of the state in the execution's own thread, so whoever is told can keep it
        waiting; nobody else waits for that thread.
        """
        steps = Steps(goal)

        def tell(event: Event) -> None:
            if event.kind == "state.entered":
                steps.enter(event["state"])

        stop_telling = self.log.subscribe(tell)
        try:
            yield steps
        finally:
            stop_telling()
            steps.go_on()

    # -- other ways to write it ------------------------------------------------------------------

    def change_machine(self, change: Callable[[str], str]) -> None:
        """Deploy another definition, made from the one that is deployed."""
        states = boto3.client("stepfunctions")
        arn = self.system.state_machine_arn
        definition = states.describe_state_machine(stateMachineArn=arn)["definition"]
        states.update_state_machine(stateMachineArn=arn, definition=change(definition))

    def change_function(self, file: str, before: str, after: str) -> None:
        """Deploy a function with other code: ``before``, which must be there, becomes ``after``."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            for path in (PATTERN / "functions").glob("*.py"):
                text = path.read_text("utf-8")
                if path.stem == file:
                    assert before in text
                    text = text.replace(before, after)
                package.writestr(f"functions/{path.name}", text)
        boto3.client("lambda").update_function_code(
            FunctionName=self.system.functions[file], ZipFile=archive.getvalue()
        )


def new_key() -> str:
    """An idempotency key that no order has."""
    return uuid.uuid4().hex


def execution_name(key: str) -> str:
    """The name of the execution that an idempotency key leads to."""
    return f"order-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def results(frames: list[str]) -> list[dict[str, Any]]:
    """The results among the frames that one client's code is given: duplicates are dropped."""
    inbox = Inbox()
    news = [inbox.news(text) for text in frames]
    return [message for message in news if message is not None and message["type"] == "result"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    # AWS's own waits, such as those between retries, pass ten times as fast.
    with running(speed=10) as lab:
        yield lab


@pytest.fixture(scope="module")
def built(lab: Lab) -> Shop:
    return Shop(lab, build())


@pytest.fixture
def shop(built: Shop) -> Iterator[Shop]:
    """The pattern as it is, without faults."""
    yield built
    built.faults.clear()


@pytest.fixture
def naive(lab: Lab) -> Shop:
    """A system of its own, for code that is wrong on purpose; building again puts it right."""
    return Shop(lab, build("naive"))
