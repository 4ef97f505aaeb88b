"""An AWS account of a check's own: real functions, sockets and executions, and what they did.

    with attempt.sandbox() as aws:
        table = aws.table("connections", key="connectionId")
        function = aws.function("connect", student_file, environment={"TABLE": table})
        url = aws.websocket_api({"$connect": function})
        alice = aws.connect(f"{url}?execution=e1")
        aws.settle()
        assert aws.items(table) == [{"connectionId": alice.id, "execution": "e1"}]

Within the block every AWS call of this process acts in that account, whichever client makes it, so
the student's own code can be called as well.  Nothing of it is left behind.  What happened is read
from the event log; nothing sleeps.
"""

from __future__ import annotations

import functools
import json
import os
import random
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

import boto3
import websocket
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from labkit.deployment_package import handler_name, package
from labkit.eventlog import Event
from labkit.lab import DEFAULT_REGION, Lab
from labkit.resources import RUNTIME, TRUST, Source, texts
from labkit.runtime import redirect
from labkit.unfinished import Unfinished

STAGE = "prod"
PATIENCE = 10.0
"""Seconds after which something that never happens is given up."""


class Refused(Exception):
    """The WebSocket API refused the handshake.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the handshake was refused with {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Crash:
    """A function that raised.

    Attributes:
        function: its name.
        error: the exception's class and message.
        lines: the log's lines, the traceback among them.
        sources: the texts of its files, if the check has deployed it.
    """

    function: str
    error: str
    lines: tuple[str, ...]
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution that has ended.

    Attributes:
        arn: its ARN.
        status: ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``.
        output: its output, parsed; ``None`` if it did not succeed.
        error: the error's name, if it failed.
        states: the states that were entered, in order, each time anew.
    """

    arn: str
    status: str
    output: Any
    error: str | None
    states: tuple[str, ...]

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.arn.rpartition(":")[2]


class Socket:
    """A real WebSocket connection, as a client holds it.

    Attributes:
        connection: websocket-client's own object, for code of a student's that gets one.
        id: the connection's id at API Gateway.
        sent: how many messages the client has sent.
        closed: whether the client has ended it.
    """

    def __init__(self, connection: websocket.WebSocket, connection_id: str, log: Any) -> None:
        self.connection = connection
        self._log = log
        self._frames: list[str] = []
        self.id = connection_id
        self.sent = 0
        self.closed = False

    def send(self, message: Any) -> None:
        """Send a message; what is no text becomes JSON."""
        self.sent += 1
        self.connection.send(message if isinstance(message, str) else json.dumps(message))

    def receive(self, seconds: float = PATIENCE) -> Any:
        """The next frame, parsed if it is JSON.

        Raises:
            TimeoutError: none came in time, or the connection is closed.
        """
        self.connection.settimeout(seconds)
        try:
            text = self.connection.recv()
        except (websocket.WebSocketException, OSError) as error:
            raise TimeoutError(f"no frame came within {seconds:g} s") from error
        if text == "":
            raise TimeoutError("the connection was closed")
        self._frames.append(str(text))
        return _parsed(str(text))

    @property
    def frames(self) -> list[Any]:
        """All frames so far, those that were sent and not yet read included; parsed if JSON."""
        sent = sum(e.kind == "frame.out" and e["connection"] == self.id for e in self._log())
        while len(self._frames) < sent:
            self.receive(PATIENCE)
        return [_parsed(text) for text in self._frames]

    def close(self, code: int = 1000) -> None:
        """Close it from the client's side."""
        self.closed = True
        self.connection.close(code)

    def drop(self) -> None:
        """Lose the network: the TCP connection ends without a close frame."""
        self.closed = True
        self.connection.shutdown()  # type: ignore[no-untyped-call]


class Sandbox:
    """An AWS account for the length of a ``with`` block.

    Args:
        lab: the lab that runs.
        seed: makes account, ids and names.

    Attributes:
        account: twelve digits.
        region: the lab's region.
        random: makes fresh data.
    """

    def __init__(self, lab: Lab, seed: int) -> None:
        self._lab = lab
        self.random = random.Random(seed)
        self.account = f"7{self.random.randrange(10**11):011}"
        self.region = os.environ.get("AWS_DEFAULT_REGION", DEFAULT_REGION)
        self._after = lab.log.last
        self._open = ExitStack()
        self._sockets: list[Socket] = []
        self._sources: dict[str, frozenset[str]] = {}

    def __enter__(self) -> Sandbox:
        keys = self.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{self.account}:role/check", RoleSessionName="check"
        )["Credentials"]
        self._open.enter_context(
            redirect.acting_as(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._open:
            # While its connections are still open: their $disconnect would run without tables, and
            # raise into the log of the next attempt.
            self._remove()

    def _remove(self) -> None:
        request = urllib.request.Request(
            f"{self._lab.endpoint}/_labkit/accounts/{self.account}", method="DELETE"
        )
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()

    # -- what there is ---------------------------------------------------------------------------

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return _client(service, self.region)

    def table(self, name: str, key: str, sort: str = "", items: Iterable[Any] = ()) -> str:
        """Make a table, filled with items (plain Python values); its name."""
        keys = [(key, "HASH"), *([(sort, "RANGE")] if sort else [])]
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": each, "KeyType": kind} for each, kind in keys],
            AttributeDefinitions=[
                {"AttributeName": each, "AttributeType": "S"} for each, _ in keys
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self.put(name, *items)
        return name

    def put(self, table: str, *items: Mapping[str, Any]) -> None:
        """Put items (plain Python values) into a table."""
        write = TypeSerializer().serialize
        for item in items:
            self.client("dynamodb").put_item(
                TableName=table, Item={name: write(value) for name, value in item.items()}
            )

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table as plain Python values, ordered by their key."""
        read = TypeDeserializer().deserialize
        found = self.client("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
        plain = [{name: read(value) for name, value in item.items()} for item in found]
        return sorted(plain, key=lambda item: json.dumps(item, default=str, sort_keys=True))

    @functools.cached_property
    def role(self) -> str:
        """A role for functions and state machines; its ARN."""
        made = self.client("iam").create_role(
            RoleName="check", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        return str(made["Role"]["Arn"])

    def function(
        self,
        name: str,
        source: str | Source,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: int = 3,
    ) -> str:
        """Deploy a function that every API of the account may call; its ARN.

        Args:
            name: its name.
            source: Python source, the path of a file, several paths, or texts by name; the first
                has the handler.
            environment: its environment variables.
            timeout: seconds.
        """
        if isinstance(source, str):
            source = {f"{name.replace('-', '_')}.py": source}
        files = texts(source)
        self._sources[name] = frozenset(files.values())
        first, text = next(iter(files.items()))
        made = self.client("lambda").create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Handler=f"{first.removesuffix('.py')}.{_handler(text)}",
            Role=self.role,
            Timeout=timeout,
            Code={"ZipFile": package(files)},
            Environment={"Variables": dict(environment or {})},
        )
        arn = str(made["FunctionArn"])
        self.client("lambda").add_permission(
            FunctionName=arn,
            StatementId="any-api-of-the-account",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceAccount=arn.split(":")[4],
        )
        return arn

    def websocket_api(
        self,
        routes: Mapping[str, str],
        *,
        selection: str = "$request.body.action",
        answers: Iterable[str] = (),
    ) -> str:
        """Make a WebSocket API and deploy it; the URL to connect to.

        Args:
            routes: functions' ARNs by route key.
            selection: the route selection expression.
            answers: keys of routes that have a route response.
        """
        apis = self.client("apigatewayv2")
        api = apis.create_api(
            Name="check", ProtocolType="WEBSOCKET", RouteSelectionExpression=selection
        )
        for key, function in routes.items():
            two_way = {"RouteResponseSelectionExpression": "$default"} if key in answers else {}
            route = apis.create_route(
                ApiId=api["ApiId"],
                RouteKey=key,
                Target=self._integration(api["ApiId"], function),
                **two_way,
            )
            if key in answers:
                apis.create_route_response(
                    ApiId=api["ApiId"], RouteId=route["RouteId"], RouteResponseKey="$default"
                )
        apis.create_stage(ApiId=api["ApiId"], StageName=STAGE, AutoDeploy=True)
        return f"{api['ApiEndpoint']}/{STAGE}"

    def http_api(self, routes: Mapping[str, str]) -> str:
        """Make an HTTP API and deploy it to ``$default``; its URL.

        Args:
            routes: functions' ARNs by route key, such as ``POST /orders``.
        """
        apis = self.client("apigatewayv2")
        api = apis.create_api(Name="check", ProtocolType="HTTP")
        for key, function in routes.items():
            target = self._integration(api["ApiId"], function, PayloadFormatVersion="2.0")
            apis.create_route(ApiId=api["ApiId"], RouteKey=key, Target=target)
        apis.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
        return str(api["ApiEndpoint"])

    def _integration(self, api: str, function: str, **settings: str) -> str:
        made = self.client("apigatewayv2").create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationMethod="POST",
            IntegrationUri=f"arn:aws:apigateway:{self.region}:lambda:path/2015-03-31/functions/"
            f"{function}/invocations",
            **settings,
        )
        return f"integrations/{made['IntegrationId']}"

    def management_endpoint(self, url: str) -> str:
        """The ``@connections`` endpoint of a WebSocket API, by the URL to connect to."""
        api, stage = url.partition("?")[0].rstrip("/").split("/")[-2:]
        return f"https://{api}.execute-api.{self.region}.amazonaws.com/{stage}"

    # -- doing -----------------------------------------------------------------------------------

    def connect(self, url: str, headers: Mapping[str, str] | None = None) -> Socket:
        """Open a WebSocket.

        Raises:
            Refused: the API refused it.
        """
        before = self._lab.log.last
        try:
            connection = websocket.create_connection(
                url,
                timeout=PATIENCE,
                header=dict(headers or {}),
                http_no_proxy=["127.0.0.1", "localhost"],
            )
        except websocket.WebSocketBadStatusException as error:
            raise Refused(error.status_code) from None
        self._open.callback(connection.shutdown)
        opened = self._lab.log.wait(
            lambda event: event.kind == "connection.opened", after=before, timeout=PATIENCE
        )
        socket = Socket(connection, opened["connection"], self._events)
        self._sockets.append(socket)
        return socket

    def request(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send an HTTP request; its status and its body, parsed if it is JSON."""
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body))
        request = urllib.request.Request(
            url,
            None if data is None else data.encode(),
            {"Content-Type": "application/json", **(headers or {})},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE * 4) as answer:
                return answer.status, _parsed(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _parsed(error.read().decode())

    def invoke(self, function: str, event: Any) -> Any:
        """Call a function and wait; its answer, parsed.

        Returns:
            The answer; of a function that raised, the error object with ``errorType``.
        """
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        return json.loads(answer["Payload"].read() or b"null")

    def state_machine(self, definition: str | Mapping[str, Any], name: str = "machine") -> str:
        """Create a state machine; its ARN.

        Raises:
            botocore.exceptions.ClientError: ``InvalidDefinition``, with AWS's reasons.
        """
        text = definition if isinstance(definition, str) else json.dumps(definition)
        made = self.client("stepfunctions").create_state_machine(
            name=name, definition=text, roleArn=self.role
        )
        return str(made["stateMachineArn"])

    def execute(self, machine: str, data: Any = None, name: str = "") -> Execution:
        """Run a state machine to its end.

        Args:
            machine: its ARN.
            data: the input.
            name: the execution's name; made up if empty.

        Raises:
            TimeoutError: it has not ended in time.
        """
        states = self.client("stepfunctions")
        arn = states.start_execution(
            stateMachineArn=machine,
            name=name or f"run-{self.random.randrange(10**9)}",
            input=json.dumps({} if data is None else data),
        )["executionArn"]
        return self.ended(arn)

    def ended(self, execution: str) -> Execution:
        """Wait for an execution's end.

        Args:
            execution: its ARN.
        """
        self.wait(lambda event: event.kind == "execution.ended" and event["execution"] == execution)
        described = self.client("stepfunctions").describe_execution(executionArn=execution)
        entered = [
            event["state"]
            for event in self._events()
            if event.kind == "state.entered" and event["execution"] == execution
        ]
        return Execution(
            execution,
            described["status"],
            _parsed(described["output"]) if "output" in described else None,
            described.get("error"),
            tuple(entered),
        )

    def fault(self, step: str, action: str, **settings: Any) -> None:
        """Set a fault until the block ends; see :meth:`labkit.faults.Faults.add`."""
        fault = self._lab.faults.add(step, action, **settings)
        self._open.callback(self._lab.faults.clear, fault)

    # -- what happened ---------------------------------------------------------------------------

    def wait(self, condition: Callable[[Event], bool]) -> Event:
        """The first event since the block began that meets a condition, waiting if need be.

        Raises:
            TimeoutError: none did within :data:`PATIENCE`.
        """
        return self._lab.log.wait(condition, after=self._after, timeout=PATIENCE)

    def settle(self) -> None:
        """Wait until every message has been handled and every function has returned.

        Raises:
            TimeoutError: something still runs after :data:`PATIENCE`.
        """
        self._lab.log.wait_until(lambda: not self._unfinished(), timeout=PATIENCE)

    def _unfinished(self) -> bool:
        """Whether an invocation, a message or an execution has begun and not ended."""
        events = self._events()
        if Unfinished(events):
            return True
        handled = Counter(e["connection"] for e in events if e.kind == "message.handled")
        closed = {e["connection"] for e in events if e.kind == "connection.closed"}
        return any(
            socket.closed or handled[socket.id] < socket.sent
            for socket in self._sockets
            if socket.id not in closed
        )

    def calls(self, service: str, operation: str = "") -> list[Event]:
        """The AWS calls that were made in this account, by code of any kind.

        Args:
            service: such as ``dynamodb``, ``apigatewaymanagementapi``, ``states``.
            operation: such as ``PutItem``; any if empty.
        """
        return [
            event
            for event in self._events()
            if event.kind == "aws.call"
            and event.get("account") == self.account
            and event["service"] == service
            and operation in ("", event["operation"])
        ]

    def invocations(self, function: str) -> int:
        """How often a function was invoked; by its name."""
        return sum(
            event.kind == "function.invoked" and event["function"] == function
            for event in self._events()
        )

    @property
    def crashes(self) -> list[Crash]:
        """The functions that raised, in order."""
        events = self._events()
        return [
            Crash(
                event["function"],
                event["error"],
                _lines(events, event["request"]),
                self._sources.get(event["function"], frozenset()),
            )
            for event in events
            if event.kind == "function.returned" and event.get("error")
        ]

    def logs(self, function: str) -> list[str]:
        """What a function wrote to its log, a line each; by its name."""
        return [
            event["line"]
            for event in self._events()
            if event.kind == "function.log" and event["function"] == function
        ]

    def _events(self) -> list[Event]:
        return self._lab.log.after(self._after)


def quoted(text: str) -> str:
    """Text as it stands in a URL's query."""
    return quote(text, safe="")


def _handler(text: str) -> str:
    """The handler's name; of a module that has none, the name that the function's log misses then."""
    try:
        return handler_name(text) or "handler"
    except SyntaxError:
        return "handler"


@functools.cache
def _client(service: str, region: str) -> Any:
    return getattr(_session(region), "client")(service)  # noqa: B009


@functools.cache
def _session(region: str) -> boto3.Session:
    """One for all clients: each reads the whole list of AWS's endpoints."""
    return boto3.Session(region_name=region)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _lines(events: list[Event], request: str) -> tuple[str, ...]:
    def lines() -> Iterator[str]:
        for event in events:
            if event.kind == "function.log" and event["request"] == request:
                yield from event["line"].replace("\u00a0", " ").splitlines()

    return tuple(lines())
