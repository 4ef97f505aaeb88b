"""The desk that takes orders, in a check's account: tables, a stand-in state machine, tickets."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from labkit.course.sandbox import Sandbox

STAND_IN = {"StartAt": "StandIn", "States": {"StandIn": {"Type": "Pass", "End": True}}}

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
    """What a module of this source has."""
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), names)
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
        """The item of an execution."""
        found = (i for i in self.aws.items(self.executions) if i["executionName"] == name)
        return next(found, None)

    def inputs(self) -> dict[str, Any]:
        """The inputs of all executions, parsed, by name."""
        states = self.aws.client("stepfunctions")
        there = states.list_executions(stateMachineArn=self.machine)["executions"]
        return {
            each["name"]: json.loads(
                states.describe_execution(executionArn=each["executionArn"])["input"]
            )
            for each in there
        }


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
