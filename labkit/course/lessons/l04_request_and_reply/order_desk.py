"""The desk that takes orders, in a check's account: tables, a stand-in state machine, tickets."""

from __future__ import annotations

import contextlib
import hashlib
import json
import linecache
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from boto3.dynamodb.types import TypeDeserializer

from labkit.course.sandbox import Sandbox
from labkit.course.system import STAND_IN

TICKET = """
import base64
import hashlib
import hmac
import json


class Forged(Exception):
    pass


class Expired(Exception):
    pass


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signature(payload, key):
    return encode(hmac.digest(key.encode(), payload.encode(), hashlib.sha256))


def sign(execution, key, expires):
    payload = encode(json.dumps([execution, expires]).encode())
    return f"{payload}.{signature(payload, key)}"


def verify(text, key, now):
    payload, _, given = text.partition(".")
    if not hmac.compare_digest(given.encode(), signature(payload, key).encode()):
        raise Forged
    execution, expires = json.loads(decode(payload))
    if now >= expires:
        raise Expired
    return execution
"""
"""The checks' own module ``ticket``, packed beside a student's handler."""


def module(source: str, name: str) -> dict[str, Any]:
    """What a module of this source has; a traceback shows its lines."""
    names: dict[str, Any] = {"__name__": name}
    file = f"{name}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), names)
    return names


TICKETS = module(TICKET, "ticket")


class Desk:
    """Tables, a state machine, and the environment of functions.

    Args:
        aws: the sandbox, open.

    Attributes:
        executions: the table of executions.
        connections: the table of connections.
        machine: the state machine's ARN.
        key: the key that tickets are signed with.
        environment: what each function has.
    """

    def __init__(self, aws: Sandbox) -> None:
        self.aws = aws
        tag = aws.random.randrange(10**6)
        self.executions = aws.table(f"executions-{tag}", key="executionName")
        self.connections = aws.table(f"connections-{tag}", key="connectionId")
        self.machine = aws.state_machine(STAND_IN, name=f"work-{tag}")
        self.key = f"key-{aws.random.randrange(10**12)}"
        self.environment = {
            "EXECUTIONS_TABLE": self.executions,
            "CONNECTIONS_TABLE": self.connections,
            "STATE_MACHINE_ARN": self.machine,
            "WEBSOCKET_URL": f"wss://shop-{tag}.example.com/prod",
            "TICKET_KEY": self.key,
        }

    def files(self, file: Path) -> dict[str, str]:
        """A handler's file with the module ``ticket`` beside it."""
        return {file.name: file.read_text("utf-8"), "ticket.py": TICKET}

    def sign(self, name: str, seconds: float = 60, key: str = "") -> str:
        """A ticket for an execution, for so many seconds."""
        made: str = TICKETS["sign"](name, key or self.key, int(time.time() + seconds))
        return made

    def execution_of(self, url: str) -> str | None:
        """The execution that the ticket in a URL is good for now; ``None`` for no good ticket."""
        texts = parse_qs(urlsplit(str(url)).query).get("ticket", [""])
        with contextlib.suppress(TICKETS["Forged"], TICKETS["Expired"]):
            name: str = TICKETS["verify"](texts[0], self.key, time.time())
            return name
        return None

    def item(self, name: str) -> dict[str, Any] | None:
        """The item of an execution as plain Python values, or ``None``."""
        found = self.aws.client("dynamodb").get_item(
            TableName=self.executions, Key={"executionName": {"S": name}}, ConsistentRead=True
        )
        read = TypeDeserializer().deserialize
        item = found.get("Item")
        return None if item is None else {key: read(value) for key, value in item.items()}

    def take(self, name: str, order: Any) -> None:
        """Write another order's item under a name, as a function does that runs at the same time."""
        item = {"executionName": {"S": name}, "order": {"S": json.dumps(order)}}
        # By an operation that the answers to the exercises do not use, so that a fault spares it.
        self.aws.client("dynamodb").batch_write_item(
            RequestItems={self.executions: [{"PutRequest": {"Item": item}}]}
        )

    def execution_arn(self, name: str) -> str:
        """The ARN of the execution of a name."""
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"

    def input_of(self, name: str) -> Any:
        """The input of the execution of a name, parsed; ``None`` if there is none."""
        states = self.aws.client("stepfunctions")
        try:
            found = states.describe_execution(executionArn=self.execution_arn(name))
        except (states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn):
            return None
        return parsed(found["input"])

    def start(self, name: str, data: Any) -> None:
        """Start the execution of a name, if it was not started before."""
        states = self.aws.client("stepfunctions")
        with contextlib.suppress(states.exceptions.ExecutionAlreadyExists):
            states.start_execution(stateMachineArn=self.machine, name=name, input=json.dumps(data))


def name_of(key: str) -> str:
    """The name of an execution for an idempotency key."""
    return f"order-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def order_of(aws: Sandbox) -> dict[str, Any]:
    """An order, another one each time."""
    return {
        "customer": f"c{aws.random.randrange(10**6)}@example.com",
        "currency": "EUR",
        "items": [{"sku": "tea-green-100", "quantity": aws.random.randrange(1, 9)}],
    }


def parsed(text: Any) -> Any:
    """JSON data, or the text itself."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def short(value: Mapping[str, Any] | str | None, width: int = 80) -> str:
    """A value in so many characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
