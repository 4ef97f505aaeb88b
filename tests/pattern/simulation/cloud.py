"""AWS in virtual time: Lambda runs the deployed functions, Step Functions the deployed state machine.

The functions' calls are botocore's own, with its retries; they are answered where they would be sent
(its event ``before-send``).  What a call changes, it changes at one moment between its being sent
and its being answered; whoever sent it may be gone by then.

DynamoDB is the pure table of ``tests.pattern.dynamodb``.  Here it also answers a read that is not
consistent with what was there before, and takes a transaction that is sent again for the same one.

Sources: AWS Lambda developer guide, "Error handling and automatic retries"; AWS Step Functions
developer guide, "Handling errors"; Amazon DynamoDB developer guide, "Read consistency" and
"Error handling"; Amazon DynamoDB API reference, "TransactWriteItems" (``ClientRequestToken``).
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import unquote

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from tests.pattern import dynamodb, state_machine
from tests.pattern.in_process import Call, World
from tests.pattern.simulation.faults import Faults
from tests.pattern.simulation.schedule import EPOCH, Killed, Promise, Schedule, Task, current

FUNCTION_LASTS = {"do_work": 30.0, "release_stock": 30.0}
"""Seconds after which Lambda ends a function: as ``build.py`` sets them, 10 for all others."""

READ_TIMEOUT = 60.0
"""Seconds that botocore waits for an answer, if nothing else is set."""

STALE = 2.0
"""Seconds that a read which is not consistent may lag behind."""

LISTENS = "a client listens"

TOO_EARLY = "a message comes for a connection that is not there yet"

MOMENTS = (LISTENS, LISTENS, LISTENS, "DoWork", "SaveResult", "GetConn", "IsConnected", "Notify")
"""At these something else happens with preference: a client comes, a connection ends."""

Note = Callable[[str, str], None]


class InvocationFailed(Exception):
    """A function did not answer; ``error`` is what the States Language calls it."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(eq=False)
class Process:
    """What a function's calls belong to.

    Attributes:
        cloud: where they arrive.
        file: the function's.
        of: what it was invoked for, for the timeline.
        dies_at: the number of the call at which its process is killed, if it is.
        dies_before: whether that is before the call is sent, and not when it has arrived.
        calls: how many it made.
        failing: how often each operation goes on failing.
    """

    cloud: Cloud
    file: str
    of: str
    dies_at: int | None = None
    dies_before: bool = True
    calls: int = 0
    timed_out: bool = False
    failing: dict[tuple[str, str], int] = field(default_factory=dict)


class Wire:
    """boto3 for the functions, which sends nothing: each call arrives at its process's cloud.

    Attributes:
        session: the default session of the functions' modules.
    """

    def __init__(self) -> None:
        self.session = boto3.Session(
            region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
        # Nobody here checks signatures, and they cost more than everything else.
        unsigned = Config(signature_version=UNSIGNED, parameter_validation=False)
        self.session._session.set_default_client_config(unsigned)
        self.session.events.register("before-send", self._before_send)

    def _before_send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        _, service, operation = event_name.split(".")
        body = request.body or b""
        text = body.decode() if isinstance(body, bytes) else str(body)
        asked: dict[str, Any]
        if operation == "PostToConnection":
            connection = unquote(request.url.rpartition("/")[2])
            asked = {"ConnectionId": connection, "Data": text}
        else:
            asked = json.loads(text)
        call = (service, operation, asked)
        task = current()
        if task is None:  # before anything happens, when the functions are warmed
            status, answer = World().answer(call)
        else:
            status, answer = task.process.cloud.call(task.process, call, request.url)
        return _response(request.url, status, answer)


def _response(url: str, status: int, answer: dict[str, Any]) -> AWSResponse:
    headers = {}
    error = answer.get("Error")
    if error:
        rest = {name: value for name, value in answer.items() if name != "Error"}
        answer = {"__type": error["Code"], "message": error["Message"], **rest}
        headers["x-amzn-ErrorType"] = error["Code"]
    return AWSResponse(url, status, headers, _Body(json.dumps(answer).encode()))


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._content


Answered = tuple[str, dict[str, Any], dict[str, Any]]
"""A call to DynamoDB: its operation, what was asked, and the answer."""


class Tables(World):
    """The world of the functions, in which an inconsistent read may see what was there before.

    Attributes:
        calls: what was asked and answered, oldest first.
    """

    def __init__(self, schedule: Schedule, draw: random.Random) -> None:
        super().__init__()
        self._schedule = schedule
        self._draw = draw
        self._before: defaultdict[tuple[str, str], list[tuple[float, dynamodb.Item]]]
        self._before = defaultdict(list)
        self._transactions: set[str] = set()
        self.calls: list[Answered] = []

    def stock(self, sku: str, available: int, price: str = "1.00", currency: str = "EUR") -> None:
        """Put an article into the shop."""
        super().stock(sku, available, price, currency)
        item = self.state["tables"]["products"][sku]
        self.calls.append(("PutItem", {"TableName": "products", "Item": item}, {}))

    def dynamodb(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer one call to DynamoDB.

        Raises:
            dynamodb.Failed: a condition does not hold.
        """
        try:
            answer = self._dynamodb(operation, asked)
        except dynamodb.Failed as failed:
            self.calls.append((operation, asked, failed.answer))
            raise
        self.calls.append((operation, asked, answer))
        return answer

    def _dynamodb(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        tables = self.state["tables"]
        token = asked.get("ClientRequestToken")
        if token in self._transactions:
            return {}
        if operation == "GetItem" and not asked.get("ConsistentRead"):
            before = [
                item
                for replaced, item in self._before[_place(asked)]
                if replaced >= self._schedule.now - STALE
            ]
            if before and self._draw.random() < 0.5:
                return {"Item": self._draw.choice(before)}
        for written in _writes(operation, asked):
            table, key = _place(written)
            if (item := tables[table].get(key)) is not None:
                self._before[table, key].append((self._schedule.now, item))
        answer = dynamodb.call(tables, operation, asked)
        if token:
            self._transactions.add(token)
        return answer


def _writes(operation: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    match operation:
        case "UpdateItem" | "DeleteItem" | "PutItem":
            return [asked]
        case "TransactWriteItems":
            return [action["Update"] for action in asked["TransactItems"]]
    return []


def _place(asked: dict[str, Any]) -> tuple[str, str]:
    ((_, value), *_) = (asked.get("Key") or asked["Item"]).items()
    return str(asked["TableName"]), str(value["S"])


@dataclass(eq=False)
class Execution:
    """An execution of the state machine.

    Attributes:
        name: its name.
        given: its input, as text.
        status: as Step Functions calls it.
        ended_at: when it ended.
        states: those that it entered.
    """

    name: str
    given: str
    status: str = "RUNNING"
    ended_at: float = math.inf
    states: list[str] = field(default_factory=list)


class Cloud:
    """Lambda, Step Functions, DynamoDB and Secrets Manager.

    Args:
        schedule: when things happen.
        draw: where everything random comes from.
        faults: what goes wrong.
        functions: the functions' modules.
        machine: the state machine's definition.
        note: writes into the timeline: who, what.

    Attributes:
        tables: DynamoDB's, and which connections are open.
        executions: by name.
        post: delivers a message to a connection; raises :class:`dynamodb.Failed` if it is gone.
    """

    post: Callable[[str, str], None]

    def __init__(
        self,
        schedule: Schedule,
        draw: random.Random,
        faults: Faults,
        functions: Mapping[str, ModuleType],
        machine: dict[str, Any],
        note: Note,
    ) -> None:
        self.schedule = schedule
        self.draw = draw
        self.faults = faults
        self.note = note
        self.tables = Tables(schedule, draw)
        self.executions: dict[str, Execution] = {}
        self._functions = functions
        self._machine = machine
        # Now the client is faster, now the execution, so that all orders of steps are met.
        self._longest_hop = draw.choice((0.02, 0.02, 0.1, 0.4))
        self._longest_transition = draw.choice((0.02, 0.2, 1.5))
        self._at: defaultdict[str, list[Callable[[], object]]] = defaultdict(list)
        self._work_waits = draw.choice((0.0, 0.0, 0.5, 5.0, 40.0))

    def hop(self) -> float:
        """Seconds from one machine to another."""
        return self.draw.uniform(0.001, self._longest_hop)

    def some_time(self, do: Callable[[], object]) -> None:
        """Have something done at a moment that is drawn: soon, or at one of the :data:`MOMENTS`."""
        if self.draw.random() < 0.5:
            self.schedule.after(10 ** self.draw.uniform(-3, 1.3), do)
        else:
            self.at(self.draw.choice(MOMENTS), do)

    def at(self, moment: str, do: Callable[[], object]) -> None:
        """Have something done when something else :meth:`happens`, if it ever does."""
        self._at[moment].append(do)

    def happens(self, moment: str) -> None:
        """It is one of the :data:`MOMENTS`, or :data:`TOO_EARLY`: do what was to be done then."""
        for do in self._at.pop(moment, []):
            self.schedule.after(self.hop(), do)

    # -- Lambda ----------------------------------------------------------------------------------

    def invoke(self, file: str, event: dict[str, Any], of: str) -> Any:
        """Run a function, and wait for its answer (from within a task).

        Raises:
            InvocationFailed: there is none.
        """
        where = f"function.invoke {file}"
        if self.faults.strikes("function.invoke: throttle", where):
            raise InvocationFailed("Lambda.TooManyRequestsException")
        if self.faults.strikes("function.invoke: error", where):
            raise InvocationFailed("Lambda.ServiceException")
        self.schedule.sleep(self.hop() + self.faults.delay("function.invoke: delay", where))
        if self.faults.strikes("function.invoke: duplicate", where):
            self._start(file, event, of)
        function = self._start(file, event, of)
        self.schedule.wait(function.over)
        match function.over.value:
            case Killed():
                self._functions["connect"].signing_key.cache_clear()  # the next one is cold
                timed_out = function.process.timed_out
                raise InvocationFailed("Sandbox.Timedout" if timed_out else "Lambda.Unknown")
            case Exception() as error:
                raise InvocationFailed(type(error).__name__)
            case answer if self.faults.strikes("function.invoke: answer lost", where):
                del answer
                raise InvocationFailed("Lambda.SdkClientException")
            case answer:
                return json.loads(json.dumps(answer))

    def _start(self, file: str, event: dict[str, Any], of: str) -> Task:
        process = Process(self, file, of)
        where = f"function.invoke {file}"
        if self.faults.strikes("function.invoke: kill", where) or (
            file == "do_work" and self.faults.strikes_always("do_work: killed each time", where)
        ):
            process.dies_at = self.draw.randrange(7)
            process.dies_before = self.draw.random() < 0.5
        if self.draw.random() < 0.03:
            self._functions["connect"].signing_key.cache_clear()  # a process that is cold
        name = f"{file} of {of}"

        def run() -> Any:
            self.note(name, "runs")
            try:
                answer = self._functions[file].handler(event, None)
                if process.dies_at is not None:
                    raise Killed  # it made fewer calls than that
            except Killed:
                self.note(name, "is over its time" if process.timed_out else "is killed")
                raise
            except Exception as error:
                self.note(name, f"raises {type(error).__name__}: {error}")
                raise
            self.note(name, "is done" if file == "do_work" else f"answers {_told(answer)}")
            return answer

        def time_out() -> None:
            if not task.over.is_kept:
                process.timed_out = True
                self.schedule.kill(task)

        task = self.schedule.start(name, run, process)
        self.schedule.after(FUNCTION_LASTS.get(file, 10.0), time_out)
        return task

    # -- calls of functions ----------------------------------------------------------------------

    def call(self, process: Process, call: Call, url: str) -> tuple[int, dict[str, Any]]:
        """Answer one attempt at a call (from within the function's task).

        Raises:
            HTTPClientError: botocore's, if there is no answer.
        """
        operation = call[1]
        where = f"aws.call {operation} in {process.file}"
        number, process.calls = process.calls, process.calls + 1
        if number == process.dies_at and process.dies_before:
            raise Killed
        if (refused := self._refused(process, call, where)) is not None:
            self.schedule.sleep(self.hop())
            return refused
        answered = Promise()

        def arrive() -> None:
            answer = self._answer(call, f"{process.file} of {process.of}")
            self.schedule.after(self.hop(), lambda: self.schedule.keep(answered, answer))

        late = self.faults.delay("aws.call: delay", where)
        self.schedule.after(self.hop() + late, arrive)
        self.schedule.wait(answered)
        if number == process.dies_at:
            raise Killed
        posts = operation == "PostToConnection"
        lost = "management: answer lost" if posts else "aws.call: answer lost"
        if self.faults.strikes(lost, where):
            if self.draw.random() < 0.25:
                self.schedule.sleep(5.0 if posts else READ_TIMEOUT)
                raise ReadTimeoutError(endpoint_url=url)
            raise ConnectionClosedError(endpoint_url=url)
        status, body = answered.value
        return status, body

    def _refused(
        self, process: Process, call: Call, where: str
    ) -> tuple[int, dict[str, Any]] | None:
        """The error that a call is answered with at once, and that changes nothing."""
        service, operation, asked = call
        group = "management" if operation == "PostToConnection" else "aws.call"
        for action in ("throttle", "error"):
            at = (operation, action)
            left = process.failing.pop(at, 0)
            if not left and self.faults.strikes(f"{group}: {action}", where):
                left = self.draw.choice((1, 1, 2, 5))  # botocore tries three or four times
            if left:
                process.failing[at] = left - 1
                return REFUSALS[action, service]
        if group == "management" and self.faults.strikes("management: gone", where):
            return 410, dynamodb.Failed("GoneException").answer
        if operation == "TransactWriteItems" and self.faults.strikes("aws.call: conflict", where):
            reasons = [{"Code": "TransactionConflict"}] * len(asked["TransactItems"])
            failed = dynamodb.Failed("TransactionCanceledException", CancellationReasons=reasons)
            return 400, failed.answer
        if operation in ("UpdateItem", "PutItem", "DeleteItem") and self.faults.strikes(
            "aws.call: conflict", where
        ):
            return 400, dynamodb.Failed("TransactionConflictException").answer
        return None

    def _answer(self, call: Call, who: str) -> tuple[int, dict[str, Any]]:
        service, operation, asked = call
        try:
            answer: dict[str, Any] = {}
            match service, operation:
                case "dynamodb", _:
                    answer = self.tables.dynamodb(operation, asked)
                case "apigatewaymanagementapi", _:
                    self.post(asked["ConnectionId"], asked["Data"])
                case "sfn", "StartExecution":
                    answer = self._start_execution(asked)
                case _:
                    return self.tables.answer(call)
        except dynamodb.Failed as failed:
            code = failed.answer["Error"]["Code"]
            self.note(who, f"{_asked(operation, asked)} is refused: {code}")
            return (410 if code == "GoneException" else 400), failed.answer
        self.note(who, _asked(operation, asked))
        return 200, answer

    # -- Step Functions --------------------------------------------------------------------------

    def _start_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, given = asked["name"], asked["input"]
        there = self.executions.get(name)
        if there is None:
            execution = self.executions[name] = Execution(name, given)
            self.schedule.start(name, lambda: self._execute(execution))
        elif there.status != "RUNNING" or there.given != given:
            raise dynamodb.Failed("ExecutionAlreadyExists")
        machine = asked["stateMachineArn"]
        return {"executionArn": f"{machine.replace(':stateMachine:', ':execution:')}:{name}"}

    def _execute(self, execution: Execution) -> None:
        who = f"execution {execution.name}"

        def enter(state: str) -> None:
            execution.states.append(state)
            self.note(who, f"enters {state}")
            self.happens(state)
            late = self.faults.delay("state.enter: delay", f"state.enter {state}")
            queued = self._work_waits if state == "DoWork" else 0.0
            transition = self.draw.uniform(0.001, self._longest_transition)
            self.schedule.sleep(transition + queued + late)

        def wait(seconds: float) -> None:
            self.note(who, f"tries again in {seconds:.1f} s")
            self.schedule.sleep(seconds)

        def task(state: str, resource: str, parameters: dict[str, Any]) -> Any:
            try:
                return self._task(execution, state, resource, parameters)
            except state_machine.TaskFailed as failed:
                self.note(who, f"{state} fails: {failed.error}")
                raise

        def time_out() -> None:
            if not running.over.is_kept:
                execution.status = "TIMED_OUT"
                self.schedule.kill(running)

        running = self.schedule.task
        self.schedule.after(self._machine["TimeoutSeconds"], time_out)
        execution.status = state_machine.run(
            self._machine,
            execution.name,
            json.loads(execution.given),
            task,
            time=state_machine.Passing(
                now=lambda: datetime.fromtimestamp(EPOCH + self.schedule.now, UTC),
                enter=enter,
                wait=wait,
                draw=self.draw.uniform,
            ),
        )
        execution.ended_at = self.schedule.now
        self.note(who, execution.status)

    def _task(
        self, execution: Execution, state: str, resource: str, parameters: dict[str, Any]
    ) -> Any:
        match resource.rpartition(":::")[2]:
            case "lambda:invoke":
                file = {"DoWork": "do_work", "ReleaseStock": "release_stock"}[state]
                try:
                    return {"Payload": self.invoke(file, parameters["Payload"], execution.name)}
                except InvocationFailed as failed:
                    raise state_machine.TaskFailed(failed.error) from None
            case "dynamodb:getItem" | "dynamodb:updateItem" as resource:
                operation = {"dynamodb:getItem": "GetItem", "dynamodb:updateItem": "UpdateItem"}
                asked = {**parameters, "TableName": "executions"}
                call = ("dynamodb", operation[resource], asked)
                status, answer = self._integrated(state, call, execution)
                if status != 200:
                    raise state_machine.TaskFailed(f"DynamoDB.{answer['Error']['Code']}")
                return answer
            case "apigateway:invoke":
                asked = {
                    "ConnectionId": parameters["Path"].rpartition("/")[2],
                    "Data": json.dumps(parameters["RequestBody"]),
                }
                call = ("apigatewaymanagementapi", "PostToConnection", asked)
                status, answer = self._integrated(state, call, execution)
                if status != 200:
                    raise state_machine.TaskFailed(f"ApiGateway.{status}")
                return answer
        raise NotImplementedError(resource)

    def _integrated(
        self, state: str, call: Call, execution: Execution
    ) -> tuple[int, dict[str, Any]]:
        """Make a call of the state machine's own; a state is not tried again by an SDK."""
        process = Process(self, state, execution.name)
        try:
            return self.call(process, call, state)
        except (ConnectionClosedError, ReadTimeoutError):
            if call[0] == "dynamodb":
                raise state_machine.TaskFailed("DynamoDB.SdkClientException") from None
            raise state_machine.TaskFailed("States.Timeout") from None


def give_back_retries(functions: Mapping[str, ModuleType]) -> None:
    """Have the functions' clients forget what earlier seeds cost.

    botocore's clients allow themselves only so many retries until calls succeed again.  A client is
    told that one did, which had cost all there is.
    """
    clients = {
        id(client): client
        for module in [
            *functions.values(),
            functions["connect"].connection,
            functions["connect"].execution,
        ]
        for name in ("dynamodb", "states")
        if (client := getattr(module, name, None)) is not None
    }
    for client in clients.values():
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.emit(
            f"after-call.{service}.Any",
            http_response=SimpleNamespace(status_code=200),
            parsed={},
            model=None,
            context={"retry_quota_capacity": 500},
        )


def _told(answer: Any) -> str:
    match answer:
        case {"statusCode": status}:
            return str(status)
        case {"body": {"status": status}}:
            return str(status)
    return json.dumps(answer)


def _asked(operation: str, asked: dict[str, Any]) -> str:
    """A call, in words for the timeline."""
    match operation, asked:
        case "PostToConnection", {"ConnectionId": connection, "Data": data}:
            return f"PostToConnection {connection}: {shown(data)}"
        case _, {"TableName": table}:
            _, key = _place(asked)
            return f"{operation} {table} {key}: {_change(asked)}".rstrip(": ")
    return operation


def _change(asked: dict[str, Any]) -> str:
    """What an update changes; of the values only connections are shown, which differ in no run."""
    change = str(asked.get("UpdateExpression", ""))
    mine = asked.get("ExpressionAttributeValues", {}).get(":mine", {}).get("S", ":mine")
    return change.replace(":mine", mine).replace("#result", "result")


def shown(frame: str) -> str:
    """A frame, in few words."""
    try:
        message = json.loads(frame)
        number = message["sequence"]
        return f"{message['type']} #{number}"
    except (ValueError, KeyError, TypeError):
        return frame[:60]


REFUSALS = {
    ("throttle", "dynamodb"): (
        400,
        dynamodb.Failed("ProvisionedThroughputExceededException").answer,
    ),
    ("throttle", "sfn"): (400, dynamodb.Failed("ThrottlingException").answer),
    ("throttle", "secrets-manager"): (400, dynamodb.Failed("ThrottlingException").answer),
    ("throttle", "apigatewaymanagementapi"): (
        429,
        dynamodb.Failed("LimitExceededException").answer,
    ),
    ("error", "dynamodb"): (500, dynamodb.Failed("InternalServerError").answer),
    ("error", "sfn"): (500, dynamodb.Failed("InternalServerError").answer),
    ("error", "secrets-manager"): (500, dynamodb.Failed("InternalServiceError").answer),
    ("error", "apigatewaymanagementapi"): (500, dynamodb.Failed("InternalServerError").answer),
}
"""Errors that pass, as status and body, by the fault's action and the service."""
