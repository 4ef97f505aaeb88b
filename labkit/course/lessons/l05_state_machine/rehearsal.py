"""A student's state machine with everything around it, in a check's account: a rehearsal of the shop.

The function ``DoWork`` is the check's own.  It prices orders of one article, whose price is another in
each attempt; it rejects an unknown article, and it crashes on a quantity that is no number.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from labkit.course.exercise import Attempt
from labkit.course.lessons.l05_state_machine.definition import filled_in
from labkit.course.sandbox import STAGE, Execution, Sandbox, Socket
from labkit.course.verdict import NotYet
from labkit.eventlog import Event
from labkit.faults import Fault
from labkit.lab import Lab

LONGEST = 10.0
"""Seconds after which an execution is given up; on a quiet machine it ends within a tenth of one."""

SHOWN = 7
"""Events of a history that are shown with a verdict."""

MOST = 60
"""States after which an execution goes in circles; none here needs ten."""

ARTICLE = "tea-green-100"

DO_WORK = """
import json
from decimal import Decimal

PRICES = {"tea-green-100": Decimal("%s")}


def handler(event, context):
    print(json.dumps(event))
    name = event["execution"]
    line = event["order"]["items"][0]
    body = {"status": "rejected", "orderId": name, "reason": "unknown article"}
    if line["sku"] in PRICES:
        total = PRICES[line["sku"]] * line["quantity"]
        body = {"status": "accepted", "orderId": name, "total": str(total)}
    return {"id": f"{name}#3", "execution": name, "sequence": 3, "type": "result", "body": body}
"""

# Retries are the state machine's, so the client makes none.
NOTIFY = """
import json
import os

import boto3
from botocore.config import Config

api = boto3.client(
    "apigatewaymanagementapi",
    endpoint_url=os.environ["MANAGEMENT_ENDPOINT"],
    config=Config(retries={"total_max_attempts": 1}),
)


def handler(event, context):
    print(json.dumps(event))
    api.post_to_connection(
        ConnectionId=event["connectionId"], Data=json.dumps(event["message"]).encode()
    )
"""


SHORTER = (
    (r"^An error occurred while executing the state .*?\)\. ", ""),
    (
        r"^States.Runtime: The JSONPath '(.+?)' .*could not be found in the input.*",
        r"\1 is missing",
    ),
    (r"^States.Runtime: Invalid path '(.+?)': .*", r"compares missing \1"),
    (r"The Parameters .* could not be used to start the Task: \[(.*)\]$", r"\1"),
    (r" \(Service: .*", ""),
    (
        r"^(SCHEMA_VALIDATION_FAILED|MISSING_TRANSITION_TARGET): (.*?) at (/\S*?)(, [A-Z_]+: .*)?$",
        r"\3: \2",
    ),
    (r"^SCHEMA_VALIDATION_FAILED: ASLParserException \[?['\"]?(line )", r"\1"),
    (r"^(line \d+:.*?)['\"], ['\"]line \d+:.*$", r"\1"),
    (
        r"^line (\d+):\d+, at (.+?), (?:mismatched|extraneous) input .*? expecting (.+)$",
        r"line \1: \2 stands where \3 must",
    ),
    (r"^line (\d+):\d+, at (.+?), missing (.+?) at .*$", r"line \1: \3 is missing before \2"),
    (r"\{'null', STRINGPATH\} must$", r'null or a path such as "$.x" must'),
    (r"INT must$", "a number must"),
    (
        r"^States.QueryEvaluationError: The JSONata expression '(.+)' returned nothing.*",
        r"\1 returned nothing",
    ),
    (
        r"^DynamoDB.ValidationException: .*Value provided in \w+ unused in .*keys: (\{.*\})$",
        r"the value of \1 is not used",
    ),
)
"""AWS's sentences, in words that fit into a line of a verdict."""


class Rehearsal:
    """A state machine that a check runs.

    Args:
        attempt: the attempt.
        aws: its sandbox, open.
        answer: the student's definition.
        work: the source of ``DoWork``.

    Attributes:
        aws: the sandbox.
        machine: the state machine's name.
        price: what a piece of :data:`ARTICLE` costs, in cents.
        table: the table of executions.
        url: the address of the WebSocket API.

    Raises:
        NotYet: the definition is no JSON, or Step Functions refuses it.
    """

    def __init__(self, attempt: Attempt, aws: Sandbox, answer: Any, *, work: str = "") -> None:
        lab = Lab.current()
        assert lab is not None
        self._attempt = attempt
        self._faults = lab.faults
        self._log = lab.log
        self._begun = lab.log.last
        self._last: Execution | None = None
        self.aws = aws
        self.price = aws.random.randrange(101, 999)
        tag = aws.random.randrange(10**6)
        self.do_work = f"do-work-{tag}"
        self.notify = f"notify-{tag}"
        self.machine = f"machine-{tag}"
        work = aws.function(self.do_work, work or DO_WORK % f"{self.price / 100:.2f}")
        self.url = aws.websocket_api({"$default": work})
        self.table = aws.table(f"executions-{tag}", key="executionName")
        values = {
            "DoWorkFunctionArn": work,
            "ExecutionsTable": self.table,
            "WebSocketApiId": self.url.split("/")[-2],
            "Region": aws.region,
            "Stage": STAGE,
            "NotifyFunctionArn": aws.function(
                self.notify,
                NOTIFY,
                environment={"MANAGEMENT_ENDPOINT": aws.management_endpoint(self.url)},
            ),
        }
        try:
            self.arn = aws.state_machine(filled_in(attempt, answer, values), name=self.machine)
        except ClientError as error:
            raise attempt.not_yet(
                "REFUSED",
                did=brief(
                    _shorter(
                        error.response["Error"]["Message"]
                        .partition(": '")[2]
                        .removesuffix("'")
                        .replace("\\'", "'")
                    )
                ),
                expected="a definition that CreateStateMachine accepts",
            ) from None
        # Retries are tried, not waited for.
        aws.fault("state.wait", "drop", times=None, machine=self.machine)

    # -- an order and its execution --------------------------------------------------------------

    def order(self, sku: str = ARTICLE, quantity: Any = None) -> dict[str, Any]:
        """An order of one article; one to nine pieces of it unless a quantity is given."""
        pieces = self.aws.random.randrange(1, 10) if quantity is None else quantity
        return {"customer": "ada@example.com", "items": [{"sku": sku, "quantity": pieces}]}

    def place(self, order: Mapping[str, Any], listener: Socket | None = None) -> str:
        """Write the item of an order, as the function behind ``POST /orders`` does; its name."""
        name = f"order-{self.aws.random.randrange(16**8):08x}"
        item = {"executionName": name, "order": json.dumps(order)}
        if listener is not None:
            item["connectionId"] = listener.id
        self.aws.put(self.table, item)
        return name

    def message(self, name: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """The message that DoWork answers with."""
        line = order["items"][0]
        body = {"status": "rejected", "orderId": name, "reason": "unknown article"}
        if line["sku"] == ARTICLE:
            cents = self.price * line["quantity"]
            body = {"status": "accepted", "orderId": name, "total": f"{cents / 100:.2f}"}
        return {"id": f"{name}#3", "execution": name, "sequence": 3, "type": "result", "body": body}

    def start(self, name: str, data: Any) -> str:
        """Start an execution under the order's name; its ARN."""
        started = self.aws.client("stepfunctions").start_execution(
            stateMachineArn=self.arn, name=name, input=json.dumps(data)
        )
        return str(started["executionArn"])

    def end(self, arn: str) -> Execution:
        """Wait for the end of an execution.

        Raises:
            NotYet: it does not end.
        """
        entered: list[str] = []
        ends = _ends(arn)

        def over(event: Event) -> bool:
            if event.kind == "state.entered" and event["execution"] == arn:
                entered.append(event["state"])
            return ends(event) or len(entered) > MOST

        with contextlib.suppress(TimeoutError):
            if ends(self._log.wait(over, after=self._begun, timeout=LONGEST)):
                self._last = self.aws.ended(arn)
                return self._last
        raise self._attempt.not_yet(
            "EXECUTION_FAILS",
            did=brief(f"still running after {len(entered)} states: {', '.join(entered[:6])}, …"),
            expected="an execution that ends",
        )

    def run(self, name: str, data: Any) -> Execution:
        """Run the machine to its end, under the order's name."""
        return self.end(self.start(name, data))

    @contextmanager
    def fault(self, step: str, action: str, **settings: Any) -> Iterator[Fault]:
        """A fault for the length of a ``with`` block; see :meth:`labkit.faults.Faults.add`."""
        fault = self._faults.add(step, action, **settings)
        try:
            yield fault
        finally:
            self._faults.clear(fault)

    def struck(self, fault: Fault, arn: str) -> bool:
        """Wait until a fault strikes, or an execution ends without it; whether it struck."""
        ends = _ends(arn)
        with contextlib.suppress(TimeoutError):
            event = self._log.wait(
                lambda e: ends(e) or (e.kind == "fault.applied" and e["fault"] == fault.id),
                after=self._begun,
                timeout=LONGEST,
            )
            return event.kind == "fault.applied"
        return False

    def subscribe(self, name: str, client: Socket) -> bool:
        """Do the client's half: write who listens, *then* read; whether the result is there."""
        dynamodb = self.aws.client("dynamodb")
        key = {"executionName": {"S": name}}
        dynamodb.update_item(
            TableName=self.table,
            Key=key,
            UpdateExpression="SET connectionId = :me",
            ExpressionAttributeValues={":me": {"S": client.id}},
        )
        item = dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)["Item"]
        return "result" in item

    def item(self, name: str) -> dict[str, Any]:
        """The item of an execution; empty if there is none."""
        found = (i for i in self.aws.items(self.table) if i["executionName"] == name)
        return next(found, {})

    def gone(self) -> Socket:
        """A client that has left, so that API Gateway answers 410 for its connection."""
        client = self.aws.connect(self.url)
        client.close()
        self.aws.wait(lambda e: e.kind == "connection.closed" and e["connection"] == client.id)
        return client

    # -- what happened ---------------------------------------------------------------------------

    def history(self, execution: Execution) -> list[dict[str, Any]]:
        """The events of an execution's history."""
        found = self.aws.client("stepfunctions").get_execution_history(
            executionArn=execution.arn, maxResults=1000
        )
        return list(found["events"])

    def called(self, execution: Execution, resource: str) -> list[dict[str, Any]]:
        """The parameters of the tasks that called a service: ``getItem``, ``updateItem``, ``invoke``."""
        return [
            json.loads(event["taskScheduledEventDetails"]["parameters"])
            for event in self.history(execution)
            if event["type"] == "TaskScheduled"
            and event["taskScheduledEventDetails"]["resource"] == resource
        ]

    def outputs(self, execution: Execution, resource: str) -> list[str]:
        """What a service answered to an execution's tasks, as JSON text."""
        found = (event.get("taskSucceededEventDetails", {}) for event in self.history(execution))
        return [about["output"] for about in found if about.get("resource") == resource]

    def posts(self, connection: str) -> int:
        """How often it was tried to send something to a connection."""
        return sum(
            event.kind == "aws.call"
            and event["operation"] == "PostToConnection"
            and event["connection"] == connection
            for event in self._log.after(self._begun)
        )

    def attempts(self, execution: Execution, state: str) -> int:
        """How often a state's task was started."""
        entered, count = "", 0
        for event in self.history(execution):
            entered = event.get("stateEnteredEventDetails", {}).get("name", entered)
            count += entered == state and event["type"] == "TaskScheduled"
        return count

    def failed(self, execution: Execution) -> str:
        """How an execution failed, in words: the state, the error and its cause."""
        described = self.aws.client("stepfunctions").describe_execution(executionArn=execution.arn)
        cause = re.sub(*SHORTER[0], described.get("cause", ""))
        with contextlib.suppress(ValueError, AttributeError):
            said = json.loads(cause)
            cause = said.get("errorMessage") or said.get("message") or cause
        where = f" in {execution.states[-1]}" if execution.states else ""
        return brief(f"{execution.status}{where}: {_shorter(f'{execution.error}: {cause}')}")

    def not_yet(self, diagnosis: str, *, did: str, expected: str) -> NotYet:
        """A verdict, with the end of the last execution's history above it.

        Args:
            diagnosis: as for :meth:`labkit.course.exercise.Attempt.not_yet`.
            did: what happened; cut to a line.
            expected: what should have; cut to a line.
        """
        frames: list[str] = []
        if self._last:
            events = self.history(self._last)
            entered = [e["id"] for e in events if e["type"].endswith("StateEntered")]
            frames = ["The history of the last execution ends like this:"]
            for event in events[-SHOWN:]:
                details: dict[str, str] = next(
                    (v for k, v in event.items() if k.endswith("EventDetails")), {}
                )
                what = [details.get(k, "") for k in ("name", "resourceType", "resource", "error")]
                frames.append(f"{event['id']:4} {event['type']:20} {' '.join(filter(None, what))}")
                if event["id"] == entered[-1]:
                    frames.append(f"{'':7}got {_members(json.loads(details['input']))}")
            frames.append("")
        return self._attempt.not_yet(
            diagnosis, did=brief(did), expected=brief(expected), frames=tuple(frames)
        )

    def told(self, client: Socket) -> list[Any]:
        """The frames that a client has received, once everything is done."""
        self.aws.settle()
        return client.frames


def _ends(arn: str) -> Callable[[Event], bool]:
    return lambda event: event.kind == "execution.ended" and event["execution"] == arn


def _members(data: Any) -> str:
    """The names of the members of data, three of each object: what a path may lead to."""
    if not isinstance(data, dict):
        return ""
    said = []
    for name, value in list(data.items())[:3]:
        inner = _members(value)
        said.append(f"{name}: {inner}" if inner else name)
    return f"{{{', '.join([*said, *(['…'] if len(data) > 3 else [])])}}}"


def _shorter(text: str) -> str:
    for pattern, words in SHORTER:
        text = re.sub(pattern, words, text)
    return text


def brief(text: str, width: int = 88) -> str:
    """Text cut to what fits into a line of a verdict.

    Args:
        text: the text; line ends become spaces.
        width: characters.
    """
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
