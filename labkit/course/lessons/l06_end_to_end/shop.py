"""The shop around one function of a student's, in a check's account: tables, an API, clients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labkit.course.sandbox import Sandbox, Socket
from labkit.resources import integration

IDLE = "def handler(event, context):\n    return {'statusCode': 200}\n"


class Shop:
    """Two tables and a WebSocket API whose messages go to a student's function.

    Args:
        aws: the sandbox, open.
        name: the function's name, without what tells attempts apart.
        file: the function's file.
        route: the key of its route; none if the state machine calls it.

    Attributes:
        function: the function's name.
        executions: the table of executions.
        connections: the table of connections.
        url: where clients connect to.
    """

    def __init__(self, aws: Sandbox, name: str, file: Path, *, route: str = "") -> None:
        self.aws = aws
        tag = aws.random.randrange(10**6)
        self.function = f"{name}-{tag}"
        self.executions = aws.table(f"executions-{tag}", key="executionName")
        self.connections = aws.table(f"connections-{tag}", key="connectionId")
        self.url = aws.websocket_api({"$default": aws.function(f"idle-{tag}", IDLE)})
        api_id = self.url.split("/")[-2]
        environment = {
            "EXECUTIONS_TABLE": self.executions,
            "CONNECTIONS_TABLE": self.connections,
            "MANAGEMENT_ENDPOINT": aws.management_endpoint(self.url),
        }
        arn = aws.function(self.function, file, environment=environment)
        if route:
            aws.client("apigatewayv2").create_route(
                ApiId=api_id, RouteKey=route, Target=f"integrations/{integration(api_id, arn)}"
            )

    def execution(self, **attributes: Any) -> str:
        """Write the item of an execution; its name."""
        name = f"order-{self.aws.random.randrange(16**8):08x}"
        self.aws.put(self.executions, {"executionName": name, "order": "{}", **attributes})
        return name

    def client(self, name: str = "") -> Socket:
        """Connect; the connection is written down as the one for an execution, if one is given."""
        client = self.aws.connect(self.url)
        if name:
            item = {
                "connectionId": client.id,
                "executionName": name,
                "expiresAt": int(time.time()) + 7200,
            }
            self.aws.put(self.connections, item)
        return client

    def update(self, name: str, **attributes: Any) -> None:
        """Set attributes of an execution's item."""
        self.aws.put(self.executions, {**self.item(name), **attributes})

    def meanwhile(self, client: Socket, action: str, happens: Callable[[], object]) -> None:
        """Let something happen while the function's first write to an execution is on its way.

        Args:
            client: has sent nothing yet.
            action: of the message that it sends now.
            happens: is called when the write waits, or after the function if it writes nothing.
        """
        where = {"UpdateItem": {"table": self.executions}, "TransactWriteItems": {}}
        for operation, table in where.items():
            self.aws.fault("aws.call", "delay", seconds=0.12, operation=operation, **table)
        client.send({"action": action})
        self.aws.wait(
            lambda e: (
                (e.kind == "fault.applied" and e.get("operation") in where)
                or (e.kind == "message.handled" and e["connection"] == client.id)
            )
        )
        happens()
        self.aws.settle()

    def item(self, name: str) -> dict[str, Any]:
        """The item of an execution; empty if there is none."""
        found = (i for i in self.aws.items(self.executions) if i["executionName"] == name)
        return next(found, {})

    def message(self, name: str, sequence: int, **body: Any) -> dict[str, Any]:
        """A message of the shop: the result, if it is number 3."""
        return {
            "id": f"{name}#{sequence}",
            "execution": name,
            "sequence": sequence,
            "type": "result" if sequence == 3 else "progress",
            "body": body,
        }


def text(message: Mapping[str, Any]) -> str:
    """A message as it is stored and sent."""
    return json.dumps(message)


def gist(frames: list[Any]) -> str:
    """Frames in a few words each."""
    return ", ".join(_gist(frame) for frame in frames) or "nothing"


def _gist(frame: Any) -> str:
    if not isinstance(frame, Mapping):
        return repr(frame)[:40]
    if "message" in frame and "type" not in frame:
        return str(frame["message"])
    body = frame.get("body")
    said = body.get("status") or body.get("step") if isinstance(body, Mapping) else body
    return f"{frame.get('type')} {said}"
