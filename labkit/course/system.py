"""The student's system: what it is made of, and which exercise each part comes from.  No I/O.

A lesson builds on what the exercises of the lessons before it have made.  Where two exercises make the
same file, the later one replaces the earlier.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

WEBSOCKET_API = "orders-websocket"
HTTP_API = "orders-http"
STATE_MACHINE = "orders-work"
EXECUTIONS = "orders-executions"
CONNECTIONS = "orders-connections"
STAGE = "prod"

ROUTES = {
    "$connect": "connect",
    "$disconnect": "disconnect",
    "$default": "default",
    "subscribe": "subscribe",
    "cancel": "cancel",
}
"""The WebSocket API's routes: the name of a function's file by route key."""

STAND_IN = json.dumps({"StartAt": "StandIn", "States": {"StandIn": {"Type": "Pass", "End": True}}})
"""The state machine that ``place_order`` starts before there is a real one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the system.

    Attributes:
        name: a file, such as ``"connect.py"``; the name of a function that builds something; or
            ``"state machine"``.
        exercises: the numbers of those that make it, the newest last.
    """

    name: str
    exercises: tuple[str, ...]

    def exercise(self, lesson: int) -> str | None:
        """The newest exercise that makes it in a lesson before this one; ``None`` if there is none."""
        before = [each for each in self.exercises if int(each.partition(".")[0]) < lesson]
        return before[-1] if before else None


MODULE = Part("ticket.py", ("4.3",))
SOCKET_HANDLERS = (
    Part("connect.py", ("3.2", "4.4")),
    Part("disconnect.py", ("3.3",)),
    Part("default.py", ("3.6",)),
    Part("subscribe.py", ("6.2",)),
    Part("cancel.py", ("6.6",)),
)
HANDLERS = (
    Part("place_order.py", ("4.7",)),
    Part("do_work.py", ("5.2", "6.4")),
    Part("notify.py", ("5.5",)),
)
CREATE_TABLES = Part("create_tables", ("2.6",))
BUILD_API = Part("build_api", ("1.6",))
BUILD_HTTP_API = Part("build_http_api", ("4.6",))
DEFINITION = Part("state machine", ("5.8",))
PARTS = (CREATE_TABLES, MODULE, *SOCKET_HANDLERS, BUILD_API, *HANDLERS, BUILD_HTTP_API, DEFINITION)


@dataclass(frozen=True, slots=True)
class System:
    """What :func:`labkit.course.resume` built.  What a lesson does not have yet is empty.

    Attributes:
        executions_table: the name of the table of executions.
        connections_table: the name of the table of connections.
        functions: the functions' ARNs by their file's name, such as ``"connect"``.
        websocket_api_id: the WebSocket API's id.
        websocket_url: where clients connect to, without a query.
        http_api_id: the HTTP API's id.
        orders_url: where orders are posted to.
        state_machine_arn: the state machine's ARN.
        environment: the environment variables that each function has, and any other should have.
    """

    executions_table: str = ""
    connections_table: str = ""
    functions: Mapping[str, str] = field(default_factory=dict)
    websocket_api_id: str = ""
    websocket_url: str = ""
    http_api_id: str = ""
    orders_url: str = ""
    state_machine_arn: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def function_name(file: str) -> str:
    """The name of the function of a file, such as ``orders-place-order`` for ``place_order``."""
    return f"orders-{file.replace('_', '-')}"


def with_values(definition: str, values: Mapping[str, str]) -> str:
    """A definition with each ``${Name}`` replaced, as SAM's ``DefinitionSubstitutions`` do.

    JSONPath begins with ``$`` as well, so nothing else is touched.
    """
    for name, value in values.items():
        definition = definition.replace(f"${{{name}}}", value)
    return definition
