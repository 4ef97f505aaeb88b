"""The checks of lesson 05's exercises: each runs real executions in an account of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from labkit.course.exercise import Attempt, Diagnosis, Kind, exercise
from labkit.course.lessons.l05_state_machine.rehearsal import Rehearsal, brief
from labkit.course.sandbox import Execution, Sandbox, Socket

REFUSED = Diagnosis(
    "go to the place that it names, and mend what it says",
    (
        "Which state, and which member of it, does the message name?",
        "Each state except `Succeed`, `Fail` and `Choice` needs `Next` or `End`. Each name after `Next`, "
        "`Default` and `StartAt` must be a state, and each state must be reached. A path begins with `$`.",
        "Compare that state with the same one in the lesson, member by member.",
    ),
)
FAILS = Diagnosis(
    "read the error and its cause, and ask which data the state had",
    (
        "Which state failed, and what does the cause say that it did not find?",
        "A state gets what the one before it puts out. A result replaces the input unless `ResultPath` "
        "says where to put it, and a path into nothing ends the execution.",
        "Write down the data after each state, from the first one on, until a path in the state that "
        "fails leads into nothing.",
    ),
)

# -- 5.1 ------------------------------------------------------------------------------------------

PATHS_MACHINE = {
    "StartAt": "DoWork",
    "States": {
        "DoWork": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${DoWorkFunctionArn}", "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "Retry": [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "MaxAttempts": 3}],
            "Catch": [{"ErrorEquals": ["OutOfTea"], "Next": "Apologise"}],
            "Next": "IsAccepted",
        },
        "IsAccepted": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.status", "StringEquals": "accepted", "Next": "Notify"}],
            "Default": "Done",
        },
        "Apologise": {"Type": "Pass", "Next": "Notify"},
        "Notify": {"Type": "Pass", "Next": "Done"},
        "Done": {"Type": "Succeed"},
    },
}

SIX_WAYS = """
class OutOfTea(Exception):
    pass


def handler(event, context):
    case = event["case"]
    if case == "D":
        raise OutOfTea("no green tea is left")
    if case == "E":
        raise KeyError("quantity")
    if case == "F":
        return {"total": "8.90"}
    return {"status": "rejected" if case == "B" else "accepted"}
"""


@exercise(
    "5.1",
    "Which states are entered?",
    kind=Kind.PREDICT,
    difficulty=1,
    minutes=5,
    hints=(
        "For each execution: how does `DoWork` end, and which line says where to go then?",
        "A task ends in one of three ways. Its result goes to `Next`; an error in `Retry` begins the "
        "task again, within its state; an error in `Catch` goes to the catcher's `Next`. Any other "
        "error ends the execution.",
        "B takes `Default`, C is like A, D goes over `Apologise`. E and F end before their time.",
    ),
    diagnoses={
        "NOT_PATHS": "give a list of names of states for each of the letters A to F",
        "CHOICE": "compare the status with the rule in `Choices`; `Default` takes the rest",
        "RETRY": Diagnosis(
            "ask whether a task that is tried again leaves its state",
            ("Does `Retry` have a `Next`?",),
        ),
        "CATCH": "follow the `Next` of the catcher, and not the `Next` of the state",
        "UNCAUGHT": "ask which line of `DoWork` names this error",
        "NOTHING_THERE": Diagnosis(
            "ask what a comparison does when there is nothing to compare",
            (
                "What is `$.status` in execution F?",
                "`Default` is for values that no rule fits. Here there is no value.",
                "A `Variable` that leads into nothing fails the execution in the Choice state.",
            ),
        ),
    },
    solved="Retry stays in the state, Catch leaves it to another one, and everything else ends the "
    "execution, with the status FAILED and the error's name in its history.",
)
def paths(attempt: Attempt, paths: Any) -> None:
    names = {*PATHS_MACHINE["States"]}
    if isinstance(paths, Mapping) and any(
        isinstance(path, list | tuple) and ... in path for path in paths.values()
    ):
        raise attempt.not_yet(
            "NOTHING_YET", did="some paths still have a gap: ...", expected="six lists of states"
        )
    if (
        not isinstance(paths, Mapping)
        or {*paths} != {*"ABCDEF"}
        or not all(isinstance(path, list | tuple) and {*path} <= names for path in paths.values())
    ):
        raise attempt.not_yet(
            "NOT_PATHS",
            did=brief(f"paths is {paths}"),
            expected=f"A to F, each with a list of {', '.join(sorted(names))}",
        )
    codes = {
        "A": "CHOICE",
        "B": "CHOICE",
        "C": "RETRY",
        "D": "CATCH",
        "E": "UNCAUGHT",
        "F": "NOTHING_THERE",
    }
    with attempt.sandbox() as aws:
        show = Rehearsal(attempt, aws, PATHS_MACHINE, work=SIX_WAYS)
        for case, code in codes.items():
            busy = show.fault("function.invoke", "throttle", function=show.do_work)
            with busy if case == "C" else nullcontext():
                ended = show.run(f"case-{case}", {"case": case})
            if tuple(paths[case]) != ended.states:
                raise show.not_yet(
                    code,
                    did=f"{case}: you said {', '.join(paths[case]) or 'that it enters no state'}",
                    expected=f"it entered {', '.join(ended.states)}, and {ended.status}"
                    + (f" with {ended.error}" if ended.error else ""),
                )


# -- 5.2 ------------------------------------------------------------------------------------------

PRICES = {
    "tea-green-100": Decimal("8.90"),
    "tea-black-100": Decimal("7.45"),
    "teapot-iron-12": Decimal("64.00"),
    "cup-glass-02": Decimal("5.25"),
}


def _lines(aws: Sandbox, *skus: str) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": aws.random.randrange(2, 10)} for sku in skus]


@exercise(
    "5.2",
    "The work",
    kind=Kind.FILL_IN,
    difficulty=2,
    minutes=12,
    hints=(
        "Which three things can come of an order: accepted, rejected for its currency, and what else?",
        "Build the `body` first, in three branches. Then put the same envelope around each: the id from "
        "the execution's name, the sequence 3, the type. Multiply `Decimal`s, and turn the total into "
        "text at the end.",
        'total = sum(PRICES[line["sku"]] * line["quantity"] for line in order["items"]), and in the '
        'body "total": str(total). Before that, look for a sku that is not in PRICES.',
    ),
    diagnoses={
        "CRASHES": "let this order have a result, and mend the line that the error names",
        "REJECTION_RAISED": Diagnosis(
            "answer a message with the status rejected, and raise nothing",
            ("Who has made a mistake here: the program, or nobody?",),
        ),
        "NOT_A_MESSAGE": "answer the message itself, with the five members of the example",
        "HTTP_ANSWER": Diagnosis(
            "answer the message itself; no API is in between",
            (
                "Who reads the answer of this function?",
                "`statusCode` and a `body` that is text are for API Gateway. A state machine takes "
                "whatever JSON the function returns.",
                'return {"id": …, "execution": name, "sequence": 3, "type": "result", "body": body}',
            ),
        ),
        "NOT_THE_SAME": "make the id of the execution's name and the number 3, and of nothing else",
        "FLOAT": "keep amounts in Decimal, and turn them into text",
        "WRONG_TOTAL": "multiply each price with its quantity, and add all lines",
        "ACCEPTED": "reject what the shop does not sell",
        "NO_REASON": "tell the customer why, in the member reason, and which order it is",
    },
    solved="The function knows nothing of tables, connections and retries. So it can be tested with one "
    "call, and run twice without harm.",
)
def do_work(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        function = aws.function("orders-do-work", file)
        _accepted(attempt, aws, function)
        for currency, skus, why in (
            (
                "EUR",
                ("cup-glass-02", f"tea-{aws.random.randrange(100, 999)}"),
                "an unknown article",
            ),
            ("USD", ("tea-black-100",), "another currency"),
        ):
            _rejected(attempt, aws, function, currency, skus, why)


def _accepted(attempt: Attempt, aws: Sandbox, function: str) -> None:
    name = f"order-{aws.random.randrange(16**8):08x}"
    lines = _lines(aws, "tea-green-100", aws.random.choice(["cup-glass-02", "tea-black-100"]))
    event = {
        "execution": name,
        "order": {"customer": "ada@example.com", "currency": "EUR", "items": lines},
    }
    total = sum((PRICES[line["sku"]] * line["quantity"] for line in lines), Decimal(0))
    answer = aws.invoke(function, event)
    if aws.crashes:
        raise attempt.not_yet(
            "CRASHES", did=f"it raised {aws.crashes[-1].error}", expected="a message"
        )
    body = _message(attempt, answer, name)
    if body.get("status") != "accepted":
        raise attempt.not_yet(
            "WRONG_TOTAL",
            did=brief(f"an order that can be filled was answered with {body}"),
            expected='"status": "accepted"',
        )
    said = body.get("total")
    if not isinstance(said, str) or (said != str(total) and _amount(said) == total):
        raise attempt.not_yet(
            "FLOAT", did=f"the total is {said!r}", expected=f"the text {str(total)!r}"
        )
    if said != str(total):
        what = ", ".join(f"{line['quantity']} × {PRICES[line['sku']]}" for line in lines)
        raise attempt.not_yet(
            "FLOAT" if _near(said, total) else "WRONG_TOTAL",
            did=f"the total of {what} is {said!r}",
            expected=repr(str(total)),
        )
    if body.get("currency") != "EUR" or body.get("orderId") != name:
        raise attempt.not_yet(
            "NOT_A_MESSAGE",
            did=brief(f"the body is {body}"),
            expected=f'"orderId": "{name}" and "currency": "EUR" in it',
        )
    again = aws.invoke(function, event)
    if again != answer:
        raise attempt.not_yet(
            "NOT_THE_SAME",
            did=brief(f"the second run answered {json.dumps(again)}"),
            expected=brief(f"as the first one: {json.dumps(answer)}"),
        )


def _rejected(
    attempt: Attempt, aws: Sandbox, function: str, currency: str, skus: Sequence[str], why: str
) -> None:
    name = f"order-{aws.random.randrange(16**8):08x}"
    order = {"customer": "ada@example.com", "currency": currency, "items": _lines(aws, *skus)}
    before = len(aws.crashes)
    answer = aws.invoke(function, {"execution": name, "order": order})
    if len(aws.crashes) > before:
        raise attempt.not_yet(
            "REJECTION_RAISED",
            did=brief(f"an order of {why} raised {aws.crashes[-1].error}"),
            expected='a message with "status": "rejected"',
        )
    body = _message(attempt, answer, name)
    if body.get("status") != "rejected":
        raise attempt.not_yet(
            "ACCEPTED",
            did=brief(f"an order of {why} was answered with {body}"),
            expected='"status": "rejected"',
        )
    if not (isinstance(body.get("reason"), str) and body["reason"] and body.get("orderId") == name):
        raise attempt.not_yet(
            "NO_REASON",
            did=brief(f"an order of {why} was answered with {body}"),
            expected=f'"orderId": "{name}" and a text as "reason"',
        )


def _message(attempt: Attempt, answer: Any, name: str) -> dict[str, Any]:
    """The body of a message, if the envelope is right."""
    wanted = {"id": f"{name}#3", "execution": name, "sequence": 3, "type": "result"}
    if isinstance(answer, dict) and "statusCode" in answer:
        raise attempt.not_yet(
            "HTTP_ANSWER", did=brief(f"it returned {answer}"), expected="the message alone"
        )
    if isinstance(answer, dict) and isinstance(answer.get("body"), str):
        raise attempt.not_yet(
            "NOT_A_MESSAGE",
            did=brief(f"the body is a text: {answer['body']}"),
            expected="an object as body; nobody needs it as text here",
        )
    if not isinstance(answer, dict) or not isinstance(answer.get("body"), dict):
        raise attempt.not_yet(
            "NOT_A_MESSAGE",
            did=brief(f"it returned {answer}"),
            expected="id, execution, sequence, type, and an object as body",
        )
    for member, value in wanted.items():
        if answer.get(member) != value:
            raise attempt.not_yet(
                "NOT_THE_SAME" if member in ("id", "sequence") else "NOT_A_MESSAGE",
                did=brief(f"{member} is {answer.get(member)!r}"),
                expected=f"{value!r}",
            )
    return dict(answer["body"])


def _amount(text: Any) -> Decimal | None:
    try:
        return Decimal(text)
    except (ArithmeticError, TypeError, ValueError):
        return None


def _near(text: Any, total: Decimal) -> bool:
    amount = _amount(text)
    return amount is not None and abs(amount - total) < Decimal("0.01")


# -- 5.3 ------------------------------------------------------------------------------------------


@exercise(
    "5.3",
    "Do the work, keep its result",
    kind=Kind.STATE_MACHINE,
    difficulty=3,
    minutes=12,
    needs=("5.1",),
    hints=(
        "What does the data look like after `DoWork`, and what after `SaveResult`?",
        "`lambda:invoke` puts the function's answer into `Payload`. DynamoDB's type `S` takes text, and "
        "`States.JsonToString` makes some. `ResultPath` says where a result goes; `null` says nowhere.",
        '"message.$": "$.Payload" … "S.$": "States.JsonToString($.message)" … "ResultPath": null, and a '
        "Retry with the four errors of Lambda's own, such as Lambda.TooManyRequestsException.",
    ),
    diagnoses={
        "REFUSED": REFUSED,
        "EXECUTION_FAILS": FAILS,
        "WRAPPED": Diagnosis(
            "take the function's answer out of what lambda:invoke puts around it",
            ("In which member of the result does the answer lie?",),
        ),
        "NOT_TEXT": Diagnosis(
            "make a text of the message before DynamoDB gets it",
            (
                "Which type does DynamoDB want after `S`, and which one is `$.message`?",
                "An intrinsic function of the state language turns data into JSON text.",
                '"S.$": "States.JsonToString($.message)"',
            ),
        ),
        "NOT_SAVED": "write the message into the attribute result of the execution's own item",
        "MESSAGE_LOST": Diagnosis(
            "say with ResultPath what happens to the result of updateItem",
            (
                "What does `updateItem` answer, and where does that go?",
                "Without `ResultPath` a result replaces all data. With a path it is added there.",
                '"ResultPath": null keeps the input and drops the result.',
            ),
        ),
        "NO_RETRY": "name this error in the Retry of DoWork",
        "GIVES_UP": "allow more attempts: at least three after the first one",
        "RETRIES_BUGS": "name Lambda's own errors in Retry, and not all of them",
    },
    solved="The message is safe now. Whatever happens after this state, the result is in the table, and "
    "a client that comes later finds it.",
)
def save_result(attempt: Attempt, definition: Any) -> None:
    with attempt.sandbox() as aws:
        show = Rehearsal(attempt, aws, definition)
        order = show.order()
        name = show.place(order)
        ended = show.run(name, {"order": order})
        _saved(show, ended, name, order)
        message = show.message(name, order)
        if not isinstance(ended.output, dict) or ended.output.get("message") != message:
            raise show.not_yet(
                "MESSAGE_LOST",
                did=f"the data after SaveResult is {json.dumps(ended.output)}",
                expected=f"{json.dumps({'message': message})}",
            )
        _tries_again(show, order)
        order = show.order(quantity="two")
        before = aws.invocations(show.do_work)
        show.run(show.place(order), {"order": order})
        tries = aws.invocations(show.do_work) - before
        if tries != 1:
            raise show.not_yet(
                "RETRIES_BUGS",
                did=f"a TypeError in the function's own code was tried {tries} times",
                expected="one attempt: trying again does not mend code",
            )


def _tries_again(show: Rehearsal, order: Mapping[str, Any]) -> None:
    """Lambda is busy three times, then it fails by itself."""
    for error, action, times in (
        ("TooManyRequestsException", "throttle", 3),
        ("ServiceException", "error", 1),
    ):
        busy = show.fault("function.invoke", action, function=show.do_work, times=times, code=error)
        with busy:
            ended = show.run(show.place(order), {"order": order})
        if ended.status != "SUCCEEDED":
            tries = show.attempts(ended, "DoWork")
            raise show.not_yet(
                "NO_RETRY" if tries == 1 else "GIVES_UP",
                did=f"Lambda.{error} came {times} times; attempts: {tries}; then it {ended.status}",
                expected=f"attempt number {times + 1}, which succeeds",
            )


def _saved(show: Rehearsal, ended: Execution, name: str, order: Mapping[str, Any]) -> None:
    """Whether the message was stored as it should be."""
    if ended.status != "SUCCEEDED":
        failed = show.failed(ended)
        not_text = "must be a STRING" in failed or "could not be used" in failed
        raise show.not_yet(
            "NOT_TEXT" if not_text else "EXECUTION_FAILS",
            did=failed,
            expected="DynamoDB's type S needs a text" if not_text else "SUCCEEDED",
        )
    item, message = show.item(name), show.message(name, order)
    others = [i["executionName"] for i in show.aws.items(show.table) if i["executionName"] != name]
    if "result" not in item:
        raise show.not_yet(
            "NOT_SAVED",
            did=f"it wrote an item of its own, …{others[0][-40:]}"
            if others
            else f"the item is {item}",
            expected=f"the attribute result in the item {name!r}",
        )
    stored = _parsed(item["result"])
    if isinstance(stored, dict) and "Payload" in json.dumps(stored):
        raise show.not_yet(
            "WRAPPED",
            did=f"result is {item['result']}",
            expected="only what the function answered",
        )
    if stored != message:
        raise show.not_yet(
            "NOT_SAVED",
            did=f"result is {item['result']!r}",
            expected=json.dumps(message),
        )
    if item.get("order") != json.dumps(order):
        raise show.not_yet(
            "NOT_SAVED",
            did=f"the item is {item} now",
            expected="the attribute order is still there",
        )


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


# -- 5.4 ------------------------------------------------------------------------------------------


@exercise(
    "5.4",
    "Who listens?",
    kind=Kind.STATE_MACHINE,
    difficulty=3,
    minutes=12,
    needs=("5.3",),
    hints=(
        "What is the result of `getItem` if the item is there, if it has no connection id, and if there "
        "is no item?",
        "A missing item is no error: the result has no `Item` then. Only `IsPresent` may ask for what "
        "may be missing, and it must ask for the whole path down to the id.",
        '"ResultPath": "$.execution", then a rule with "Variable": "$.execution.Item.connectionId.S", '
        '"IsPresent": true, "Next": "Notify", and "Default": "Done".',
    ),
    diagnoses={
        "REFUSED": REFUSED,
        "EXECUTION_FAILS": FAILS,
        "MISSING_TRAP": Diagnosis(
            "ask with IsPresent, or in JSONata with $exists, whether the connection id is there",
            (
                "Where does the path in the failed state lead, if nobody is connected?",
                "A comparison with what is not there ends the execution, even if there is a "
                "`Default`. `IsPresent` asks first.",
                '{"Variable": "$.execution.Item.connectionId.S", "IsPresent": true, "Next": "Notify"}',
            ),
        ),
        "WRONG_KEY": "read the item whose executionName is the execution's own name",
        "MESSAGE_LOST": Diagnosis(
            "put the result of getItem beside the message, where Notify looks for it",
            ("Under which name does `Notify` look for the item?",),
        ),
        "NOT_NOTIFIED": Diagnosis(
            "send an execution with a connection id to Notify",
            (
                "Which data did the Choice state get, and what stands at the path after `Variable`?",
                "`getItem` answers in DynamoDB's form: the id is a text in the member `S` of "
                "`connectionId`, in `Item`, below the place that `ResultPath` names.",
                '"Variable": "$.execution.Item.connectionId.S", "IsPresent": true',
            ),
        ),
        "STALE_READ": Diagnosis(
            "ask for a consistent read",
            (
                "How old may the answer of an ordinary read be?",
                "By default DynamoDB reads *eventually consistent*: a write of the last moment may be "
                "missing. `ConsistentRead` asks for the newest.",
                '"ConsistentRead": true, without quotes',
            ),
        ),
    },
    solved="Nobody listens yet is not an error. The result waits in the table, and the client finds it "
    "when it comes.",
)
def get_conn(attempt: Attempt, definition: Any) -> None:
    with attempt.sandbox() as aws:
        show = Rehearsal(attempt, aws, definition)
        client = aws.connect(show.url)
        order = show.order()
        name = show.place(order, client)
        message = show.message(name, order)
        ended = show.run(name, {"message": message})
        _looked_up(show, ended)
        frames = show.told(client)
        if frames != [message]:
            raise show.not_yet(
                "NOT_NOTIFIED",
                did=f"a client that is connected got {_count(frames)}; "
                f"the execution entered {', '.join(ended.states)}",
                expected="one message, from Notify",
            )
        for what, absent in (
            ("no connectionId", show.place(order)),
            ("no item", f"order-{aws.random.randrange(16**8):08x}"),
        ):
            ended = show.run(absent, {"message": show.message(absent, order)})
            if ended.status != "SUCCEEDED":
                raise show.not_yet(
                    "MISSING_TRAP",
                    did=f"{what}: {show.failed(ended)}",
                    expected="SUCCEEDED without Notify",
                )


def _looked_up(show: Rehearsal, ended: Execution) -> None:
    """Whether the execution read the right item, and read it well."""
    read = [*show.called(ended, "getItem"), *show.called(ended, "query")]
    found = any('"connectionId"' in output for output in show.outputs(ended, "getItem"))
    if read and not found:
        raise show.not_yet(
            "WRONG_KEY",
            did=f"getItem read the key {json.dumps(read[0].get('Key'))}",
            expected=f'{{"executionName": {{"S": "{ended.name}"}}}}',
        )
    if ended.status != "SUCCEEDED":
        lost = "Notify" in ended.states
        raise show.not_yet(
            "MESSAGE_LOST" if lost else "EXECUTION_FAILS",
            did=show.failed(ended),
            expected="SUCCEEDED, with the message and the item in the data",
        )
    if not all(parameters.get("ConsistentRead") is True for parameters in read):
        raise show.not_yet(
            "STALE_READ",
            did=f"getItem was called with ConsistentRead {json.dumps(read[0].get('ConsistentRead'))}",
            expected="true, which is no text",
        )


def _count(frames: Sequence[Any]) -> str:
    return {0: "nothing", 1: "another message"}.get(len(frames), f"{len(frames)} messages")


# -- 5.5 ------------------------------------------------------------------------------------------


@exercise(
    "5.5",
    "The notification as a function",
    kind=Kind.FILL_IN,
    difficulty=2,
    minutes=8,
    hints=(
        "Which three things does `post_to_connection` need to know?",
        "The client is made once, with the endpoint from the environment. `Data` is bytes: JSON text, "
        "encoded. An exception that you do not catch reaches the state machine under its own name.",
        'api.post_to_connection(ConnectionId=event["connectionId"], '
        'Data=json.dumps(event["message"]).encode())',
    ),
    diagnoses={
        "NOT_SENT": "send the message to the connection in the event, at the endpoint as it is given",
        "WRONG_TEXT": Diagnosis(
            "send the member message, as JSON, once",
            (
                "How often was the message turned into JSON, and which part of the event was it?",
                "`json.dumps` makes text, `.encode()` makes bytes of it. `str()` makes Python's form, "
                "which no client reads.",
                'json.dumps(event["message"]).encode()',
            ),
        ),
        "SWALLOWS_GONE": Diagnosis(
            "let the exception out",
            (
                "If the function returns as if all were well, how does the state machine learn of it?",
            ),
        ),
        "ANOTHER_ERROR": "raise the exception as it came, so that its name stays GoneException",
    },
    solved="A function that only does its work leaves retries and catches to the state machine, where "
    "they stand beside those of all other states.",
)
def notify(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        echo = aws.function(
            "echo", "def handler(event, context):\n    return {'statusCode': 200}\n"
        )
        url = aws.websocket_api({"$default": echo})
        function = aws.function(
            "orders-notify",
            file,
            environment={"MANAGEMENT_ENDPOINT": aws.management_endpoint(url)},
        )
        other, client = aws.connect(url), aws.connect(url)
        name = f"order-{aws.random.randrange(16**8):08x}"
        message = {
            "id": f"{name}#3",
            "type": "result",
            "body": {"note": "2 × grün", "n": [1, None]},
        }
        aws.invoke(function, {"connectionId": client.id, "message": message})
        if aws.crashes and any("type for parameter Data" in line for line in aws.crashes[-1].lines):
            raise attempt.not_yet(
                "WRONG_TEXT",
                did="Data was no bytes, which boto3 refuses; the log above says what it was",
                expected="the message as JSON text, encoded",
            )
        if aws.crashes:
            raise attempt.not_yet(
                "NOT_SENT",
                did=f"it raised {aws.crashes[-1].error}; its log is above",
                expected="the message is sent to a connection that is open",
            )
        if other.frames or not client.frames:
            got = f"{len(client.frames)} frames, and another client {len(other.frames)}"
            raise attempt.not_yet(
                "NOT_SENT", did=f"the client got {got}", expected="one frame, at the right client"
            )
        if client.frames != [message]:
            raise attempt.not_yet(
                "WRONG_TEXT",
                did=brief(f"the client got {client.frames[0]!r}"),
                expected=brief(json.dumps(message, ensure_ascii=False)),
            )
        _gone(attempt, aws, function, client, message)


def _gone(
    attempt: Attempt, aws: Sandbox, function: str, client: Socket, message: Mapping[str, Any]
) -> None:
    """What the function does about a client that has left."""
    client.close()
    aws.wait(lambda e: e.kind == "connection.closed" and e["connection"] == client.id)
    answer = aws.invoke(function, {"connectionId": client.id, "message": message})
    if not aws.crashes:
        raise attempt.not_yet(
            "SWALLOWS_GONE",
            did=brief(f"the connection was gone, and the function returned {answer!r}"),
            expected="the error GoneException",
        )
    if answer.get("errorType") != "GoneException":
        raise attempt.not_yet(
            "ANOTHER_ERROR",
            did=brief(f"the connection was gone, and the error is {answer.get('errorType')}"),
            expected="GoneException",
        )


# -- 5.6 ------------------------------------------------------------------------------------------


@exercise(
    "5.6",
    "The order that failed after it was done",
    kind=Kind.FIND_THE_FAULT,
    difficulty=3,
    minutes=10,
    needs=("5.4",),
    hints=(
        "Compare the data that leaves `GetConn` with the data that enters `ForgetConn`. What is missing?",
        "What a catcher passes on is `Error` and `Cause`. Where they go is said by `ResultPath`, in a "
        "catcher as in a state; without it they replace everything.",
        '{"ErrorEquals": ["ApiGateway.410"], "ResultPath": "$.failure", "Next": "ForgetConn"}',
    ),
    diagnoses={
        "REFUSED": REFUSED,
        "EXECUTION_FAILS": FAILS,
        "STILL_FAILS": "look at the data that enters the state which fails, and where the rest went",
        "STALE_KEPT": Diagnosis(
            "remove the id of the connection that is gone",
            ("Who would be told next time, if the id stays in the item?",),
        ),
        "NEWER_REMOVED": Diagnosis(
            "remove the id only if it is still the one that is gone",
            (
                "The client was back before `ForgetConn` ran. Whose id was removed?",
                "`ConditionExpression` lets a write happen only if the item is as you think it is. A "
                "condition that fails is an error to catch.",
                '"ConditionExpression": "connectionId = :stale", with the id that GetConn found',
            ),
        ),
        "ITEM_LOST": "remove one attribute, and not the item",
        "RETRIES_GONE": "do not try again after 410; a connection that is gone does not come back",
        "NOT_DELIVERED": "let who is connected still receive the message",
    },
    solved="The same happens with any state that puts something out: what it does not keep is gone for "
    "the states after it. The history shows it, in the input of the state that fails.",
)
def after_the_end(attempt: Attempt, definition: Any) -> None:
    with attempt.sandbox() as aws:
        show = Rehearsal(attempt, aws, definition)
        client = aws.connect(show.url)
        order = show.order()
        name = show.place(order, client)
        message = show.message(name, order)
        ended = show.run(name, {"message": message})
        if ended.status != "SUCCEEDED":
            raise show.not_yet("EXECUTION_FAILS", did=show.failed(ended), expected="SUCCEEDED")
        frames = show.told(client)
        if frames != [message]:
            raise show.not_yet(
                "NOT_DELIVERED",
                did=f"a client that is connected got {_count(frames)}",
                expected="the message, once",
            )
        _stale(show, order, "STILL_FAILS")
        _newer(show, order, "STILL_FAILS")


def _data(show: Rehearsal, name: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """An input for a whole machine, and for its second half."""
    return {"order": order, "message": show.message(name, order)}


def _stale(show: Rehearsal, order: Mapping[str, Any], fails: str) -> None:
    """A client that is gone: no failure, no second try, and its id is removed."""
    client = show.gone()
    name = show.place(order, client)
    ended = show.run(name, _data(show, name, order))
    if ended.status != "SUCCEEDED":
        raise show.not_yet(
            "EXECUTION_FAILS" if ended.error == "DynamoDB.ValidationException" else fails,
            did=f"the client was gone: {show.failed(ended)}",
            expected="SUCCEEDED",
        )
    item = show.item(name)
    if "order" not in item:
        raise show.not_yet(
            "ITEM_LOST",
            did=f"the client was gone; the item is {item or 'deleted'} now",
            expected="all of the item except its connectionId",
        )
    posts = show.posts(client.id)
    if posts > 1:
        raise show.not_yet(
            "RETRIES_GONE",
            did=f"the client was gone, and the message was sent {posts} times",
            expected="one attempt",
        )
    if "connectionId" in item:
        raise show.not_yet(
            "STALE_KEPT",
            did=f"the client was gone; its connectionId {item['connectionId']} is in the item still",
            expected="no connectionId in the item",
        )


def _newer(show: Rehearsal, order: Mapping[str, Any], fails: str) -> None:
    """A client that is gone, and back under another id before anybody could clean up."""
    name = show.place(order, show.gone())
    back = show.aws.connect(show.url)
    with show.fault("management", "delay", seconds=HOLD, operation="PostToConnection") as fault:
        arn = show.start(name, _data(show, name, order))
        if show.struck(fault, arn):
            show.subscribe(name, back)
        ended = show.end(arn)
    if ended.status != "SUCCEEDED":
        raise show.not_yet(
            fails, did=f"the client was back: {show.failed(ended)}", expected="SUCCEEDED"
        )
    if show.item(name).get("connectionId") != back.id:
        raise show.not_yet(
            "NEWER_REMOVED",
            did="the client came back under a new id; that id was removed too",
            expected=f"connectionId {back.id} is still in the item",
        )


HOLD = 0.04
"""Seconds that a call is held up, so that the check can do something meanwhile."""

TRIES = 5
"""How often that is tried on a machine that is too busy to be in time."""

# -- 5.7 ------------------------------------------------------------------------------------------

STATES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "a": (
        "GetConn",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:getItem",
            "Parameters": {
                "TableName": "${ExecutionsTable}",
                "Key": {"executionName": {"S.$": "$$.Execution.Name"}},
                "ConsistentRead": True,
            },
            "ResultPath": "$.execution",
        },
    ),
    "b": (
        "Notify",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::apigateway:invoke",
            "Parameters": {
                "ApiEndpoint": "${WebSocketApiId}.execute-api.${Region}.amazonaws.com",
                "Stage": "${Stage}",
                "Method": "POST",
                "Path.$": "States.Format('/@connections/{}', $.execution.Item.connectionId.S)",
                "RequestBody.$": "$.message.Payload",
                "AuthType": "IAM_ROLE",
            },
            "ResultPath": None,
        },
    ),
    "c": (
        "SaveResult",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:updateItem",
            "Parameters": {
                "TableName": "${ExecutionsTable}",
                "Key": {"executionName": {"S.$": "$$.Execution.Name"}},
                "UpdateExpression": "SET #result = :message",
                "ExpressionAttributeNames": {"#result": "result"},
                "ExpressionAttributeValues": {
                    ":message": {"S.$": "States.JsonToString($.message.Payload)"}
                },
            },
            "ResultPath": None,
        },
    ),
    "d": ("Done", {"Type": "Succeed"}),
    "e": (
        "DoWork",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": "${DoWorkFunctionArn}",
                "Payload": {"execution.$": "$$.Execution.Name", "order.$": "$.order"},
            },
            "ResultPath": "$.message",
        },
    ),
    "f": (
        "IsConnected",
        {
            "Type": "Choice",
            "Choices": [{"Variable": "$.execution.Item.connectionId.S", "IsPresent": True}],
            "Default": "Done",
        },
    ),
}


def _chained(letters: Sequence[str]) -> dict[str, Any]:
    """A state machine of the states in this order."""
    names = [STATES[letter][0] for letter in letters]
    states: dict[str, Any] = {}
    for letter, following in zip(letters, [*names[1:], None], strict=True):
        name, state = STATES[letter]
        states[name] = json.loads(json.dumps(state))
        if state["Type"] == "Choice":
            states[name]["Choices"][0]["Next"] = following or "Done"
        elif state["Type"] != "Succeed":
            states[name] |= {"Next": following} if following else {"End": True}
    return {"StartAt": names[0], "States": states}


@exercise(
    "5.7",
    "In which order?",
    kind=Kind.ORDER_LINES,
    difficulty=2,
    minutes=8,
    needs=("5.3", "5.4"),
    hints=(
        "For each state: what must be there before it can run?",
        "`Notify` needs the connection, `GetConn` finds it, `DoWork` makes the message. One pair is left "
        "whose order is not forced by its data: `SaveResult` and `GetConn`. Think of a client that "
        "connects between them.",
        "The work, then the result into the table, then the question who listens.",
    ),
    diagnoses={
        "NOT_SIX": "give each of the letters a to f once",
        "REFUSED": Diagnosis(
            "put the state that ends the execution last",
            ("Which state has nothing after it?",),
        ),
        "TOO_EARLY": Diagnosis(
            "put a state after the one that makes what it needs",
            ("Which member of the data was missing, and which state makes it?",),
        ),
        "SKIPPED": "ask for the connection after it was looked up, and skip nothing but Notify",
        "NOBODY_FAILS": Diagnosis(
            "ask whether somebody listens before you send",
            (
                "Nobody is connected. Which state needs a connection id, and which one can skip it?",
                "IsConnected leads around the states between itself and Done.",
                "IsConnected comes directly before Notify.",
            ),
        ),
        "LOST_WAKE_UP": Diagnosis(
            "write the result before you look who listens",
            (
                "The client writes its id and then looks for a result. When did your state machine look?",
                "Each side must write its own half *first*, and then read the other's. Then one of them "
                "sees both, whatever the moment.",
                "SaveResult comes directly before GetConn.",
            ),
        ),
    },
    solved="Write first, then look: both sides do it, so no moment is a bad one. The client may get the "
    "result twice, and drops the second by its sequence number.",
)
def states_in_order(attempt: Attempt, order: Any) -> None:
    letters = [str(letter).lower() for letter in order] if isinstance(order, list | tuple) else []
    if isinstance(order, str):
        letters = [letter for letter in order.lower() if letter.isalpha()]
    if sorted(letters) != sorted(STATES):
        raise attempt.not_yet(
            "NOT_SIX", did=brief(f"your order is {order}"), expected="a to f, each once"
        )
    with attempt.sandbox() as aws:
        show = Rehearsal(attempt, aws, _chained(letters))
        client = aws.connect(show.url)
        placed = show.order()
        name = show.place(placed, client)
        ended = show.run(name, {"order": placed})
        if ended.status != "SUCCEEDED":
            raise show.not_yet("TOO_EARLY", did=show.failed(ended), expected="SUCCEEDED")
        frames = show.told(client)
        if frames != [show.message(name, placed)]:
            raise show.not_yet(
                "SKIPPED",
                did=f"the client got {_count(frames)}; entered: {', '.join(ended.states)}",
                expected="the message, once",
            )
        ended = show.run(show.place(placed), {"order": placed})
        if ended.status != "SUCCEEDED":
            raise show.not_yet(
                "NOBODY_FAILS", did=f"nobody listens: {show.failed(ended)}", expected="SUCCEEDED"
            )
        _wake_up(show, placed)


def _wake_up(show: Rehearsal, order: Mapping[str, Any]) -> None:
    """A client that connects at the moment in which the result is being stored."""
    client = show.aws.connect(show.url)
    meeting = _meet(show, order, client)
    for _ in range(TRIES):
        if meeting.too_late:
            meeting = _meet(show, order, client)
    name, ended = meeting.name, meeting.ended
    if ended.status != "SUCCEEDED":
        raise show.not_yet(
            "LOST_WAKE_UP",
            did=f"the client came while the result was stored: {show.failed(ended)}",
            expected="SUCCEEDED",
        )
    if "result" not in show.item(name):
        raise show.not_yet(
            "LOST_WAKE_UP",
            did=f"nobody listened yet; entered: {', '.join(ended.states)}; no result was stored",
            expected="the result is stored for whoever comes later",
        )
    if meeting.in_time and show.message(name, order) not in show.told(client):
        raise show.not_yet(
            "LOST_WAKE_UP",
            did="the client came while the result was being stored, and was never told",
            expected="the result is stored, and only then is looked who listens",
        )


@dataclass(frozen=True)
class _Meeting:
    """An execution, and a client that came while it stored its result.

    Attributes:
        name: the order's name.
        ended: the execution.
        in_time: whether the client had written its id before the result was there.
        too_late: whether it had not: nothing can be said then.
    """

    name: str
    ended: Execution
    in_time: bool
    too_late: bool


def _meet(show: Rehearsal, order: Mapping[str, Any], client: Socket) -> _Meeting:
    name = show.place(order)
    hold = show.fault("aws.call", "delay", seconds=HOLD, operation="UpdateItem", table=show.table)
    with hold as fault:
        arn = show.start(name, {"order": order})
        came = show.struck(fault, arn)
        found = came and show.subscribe(name, client)
        return _Meeting(name, show.end(arn), in_time=came and not found, too_late=found)


# -- 5.8 ------------------------------------------------------------------------------------------


@exercise(
    "5.8",
    "The whole state machine",
    kind=Kind.MAKE,
    difficulty=4,
    minutes=25,
    needs=("5.3", "5.4", "5.6", "5.7"),
    hints=(
        "Begin with the happy path: four tasks and the choice between them. What is the data after each?",
        "Then go through the tasks after `SaveResult`, one by one: what can go wrong in it, and where "
        "must the execution go then? Each catcher keeps the data with its `ResultPath`.",
        "`DoWork` and `SaveResult` are those of 5.3, `GetConn` and `IsConnected` those of 5.4, "
        "`ForgetConn` is that of 5.6. New are the Retry of `Notify`, and a Catch of States.ALL with the "
        "Next `Done` in each of the last three tasks.",
    ),
    diagnoses={
        "REFUSED": REFUSED,
        "EXECUTION_FAILS": FAILS,
        "NOT_TEXT": "make a text of the message with States.JsonToString, or with $string",
        "WRAPPED": "take the function's answer out of Payload",
        "NOT_SAVED": "store the message in the item, and leave its other attributes alone",
        "NOT_DELIVERED": "send the message itself, once, to the connection in the item",
        "REJECTED_HELD_BACK": "deliver a rejected order as you deliver an accepted one",
        "NO_RETRY": "try DoWork again after Lambda.TooManyRequestsException",
        "NOBODY_FAILS": Diagnosis(
            "ask with IsPresent whether there is a connection id",
            ("What is in the result of getItem if nobody has connected yet?",),
        ),
        "LOST_WAKE_UP": "store the result first, and only then look who listens",
        "DELIVERY_FAILS": Diagnosis(
            "catch what goes wrong after SaveResult, and go to the end with success",
            (
                "The result was in the table already. Has the order failed?",
                "Each task after `SaveResult` needs a catcher for `States.ALL` that ends well.",
                '"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Done"}]',
            ),
        ),
        "ITEM_LOST": "remove one attribute, and not the item",
        "RETRIES_GONE": "name 429 and 500 to 504 in Retry, and not 410",
        "STALE_KEPT": Diagnosis(
            "remove the id of a connection that is gone from the item",
            (
                "Which name does the error have in the history, and which one does your catcher name?",
                "A function's error has the name of the exception's class, `GoneException`; the one of "
                "`apigateway:invoke` is `ApiGateway.410`. The first catcher that fits is taken.",
                "A catcher for that name stands before the one for States.ALL, and its Next is a state "
                "that removes connectionId with updateItem, as ForgetConn in 5.6.",
            ),
        ),
        "NEWER_REMOVED": "remove the id on condition that it is still the one that is gone",
        "GIVES_UP": Diagnosis(
            "try again after 429, and after 500 to 504",
            (
                "Which name does the error have in the history? Is it in the Retry of that state?",
                "`apigateway:invoke` names an error by its status, `ApiGateway.429`. A function's error "
                "has the name of the exception's class, `LimitExceededException` or `ClientError`.",
                'Name each of them in "ErrorEquals", with "MaxAttempts" of 2 or more; not the one of 410.',
            ),
        ),
    },
    solved="That is the heart of the system, and you have made it from nothing. The reference in "
    "labkit/pattern/state_machine.asl.json does a little more: compare.",
)
def whole_machine(attempt: Attempt, definition: Any) -> None:
    with attempt.sandbox() as aws:
        show = Rehearsal(attempt, aws, definition)
        order = show.order()
        _delivers(show, aws.connect(show.url), order)
        _work_again(show, order)
        _wake_up(show, order)
        _stale(show, order, "DELIVERY_FAILS")
        _newer(show, order, "DELIVERY_FAILS")
        _sends_again(show, order)
        _cannot_deliver(show, order)


def _delivers(show: Rehearsal, client: Socket, order: Mapping[str, Any]) -> None:
    """Three orders at once: one is accepted, one is rejected, to one nobody listens."""
    placed = [
        (order, show.place(order, client), "NOT_DELIVERED"),
        (other := show.order(sku="coffee"), show.place(other, client), "REJECTED_HELD_BACK"),
        (order, show.place(order), ""),
    ]
    arns = [show.start(name, {"order": ordered}) for ordered, name, _ in placed]
    for (ordered, name, undelivered), arn in zip(placed, arns, strict=True):
        ended = show.end(arn)
        if not undelivered and ended.status != "SUCCEEDED":
            raise show.not_yet(
                "NOBODY_FAILS", did=f"nobody listens: {show.failed(ended)}", expected="SUCCEEDED"
            )
        _saved(show, ended, name, ordered)
        message = show.message(name, ordered)
        mine = [frame for frame in show.told(client) if name in json.dumps(frame)]
        if undelivered and mine != [message]:
            status = message["body"]["status"]
            got = f"the frame {json.dumps(mine[0])}" if mine else "nothing"
            raise show.not_yet(
                undelivered,
                did=f"the order was {status}; the client got {got}",
                expected="the message that DoWork answered, once",
            )


def _work_again(show: Rehearsal, order: Mapping[str, Any]) -> None:
    """Lambda is busy twice."""
    with show.fault("function.invoke", "throttle", function=show.do_work, times=2):
        ended = show.run(show.place(order), {"order": order})
    if ended.status != "SUCCEEDED":
        raise show.not_yet(
            "NO_RETRY",
            did=f"Lambda was busy twice: {show.failed(ended)}",
            expected="a third attempt, which succeeds",
        )


def _sends_again(show: Rehearsal, order: Mapping[str, Any]) -> None:
    """API Gateway fails once, for two orders in two ways; 500 comes in what follows."""
    started = []
    for status in (429, 503):
        client = show.aws.connect(show.url)
        show.aws.fault("management", "error", status=status, connection=client.id)
        name = show.place(order, client)
        started.append((status, client, name, show.start(name, {"order": order})))
    for status, client, name, arn in started:
        show.end(arn)
        if show.message(name, order) not in show.told(client):
            raise show.not_yet(
                "GIVES_UP",
                did=f"API Gateway answered {status} once; attempts: {show.posts(client.id)}; "
                "the client was never told",
                expected="a second attempt",
            )


def _cannot_deliver(show: Rehearsal, order: Mapping[str, Any]) -> None:
    """API Gateway does not work at all for two clients, in two ways; then the table does not."""
    started = []
    for status, what in ((500, "API Gateway said 500 each time"), (403, "API Gateway said 403")):
        client = show.aws.connect(show.url)
        show.aws.fault("management", "error", status=status, times=None, connection=client.id)
        arn = show.start(show.place(order, client), {"order": order})
        started.append((status, what, client, arn))
    for status, what, client, arn in started:
        _ends_well(show, what, show.end(arn))
        if status == 500 and show.posts(client.id) == 1:
            raise show.not_yet(
                "GIVES_UP", did=f"{what}; it was asked once", expected="a second attempt"
            )
    unreadable = {"operation": "GetItem", "table": show.table, "status": 500}
    with show.fault("aws.call", "error", times=None, **unreadable):
        _ends_well(
            show, "the table could not be read", show.run(show.place(order), {"order": order})
        )


def _ends_well(show: Rehearsal, what: str, ended: Execution) -> None:
    if ended.status != "SUCCEEDED":
        raise show.not_yet(
            "DELIVERY_FAILS", did=f"{what}: {show.failed(ended)}", expected="SUCCEEDED"
        )
