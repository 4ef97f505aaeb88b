"""The checks of lesson 06's exercises."""

from __future__ import annotations

import contextlib
import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from labkit.course.exercise import Attempt, Diagnosis, Kind, exercise
from labkit.course.lessons.l05_state_machine.definition import filled_in
from labkit.course.lessons.l05_state_machine.rehearsal import Rehearsal, brief
from labkit.course.lessons.l06_end_to_end.shop import IDLE, Shop, gist, text
from labkit.course.sandbox import STAGE, Execution, Sandbox, Socket

LOG = "read the log above: its [ERROR] line, then the last line with /var/task, which is yours"

# -- 6.1 ------------------------------------------------------------------------------------------

# The work during which the client comes back under another connection id.
MEANWHILE = """
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    name = event["execution"]
    back = event["order"].get("back")
    if back:
        dynamodb.update_item(
            TableName=back["table"],
            Key={"executionName": {"S": name}},
            UpdateExpression="SET connectionId = :new",
            ExpressionAttributeValues={":new": {"S": back["connection"]}},
        )
    body = {"status": "accepted", "orderId": name}
    return {"id": f"{name}#3", "execution": name, "sequence": 3, "type": "result", "body": body}
"""


@exercise(
    "6.1",
    "The result that went to nobody",
    kind=Kind.FIND_THE_FAULT,
    difficulty=2,
    minutes=8,
    hints=(
        "Which connection id does the state machine use at the end, and when did it read it?",
        "The id was read before the work and carried along. Between reading and using it there should "
        "be as little time as possible; and it has to be read after the result is stored.",
        "StartAt DoWork; DoWork → SaveResult → GetConn → IsConnected → Notify.",
    ),
    diagnoses={
        "FROZEN": Diagnosis(
            "look the connection up when the message is ready, not before",
            ("How old is the connection id when Notify uses it?",),
        ),
        "LOST_WAKE_UP": "store the result first, then look who listens",
        "NOT_DELIVERED": "put GetConn's answer where IsConnected and Notify look for it",
        "NOT_STORED": "keep storing the result: a client that connects later looks for it",
        "STALE": Diagnosis(
            "let GetConn read what was written last",
            (
                "A client has written its connection id a moment ago. Does GetItem always see it?",
                "By default DynamoDB may answer with a copy to which the last write has not come yet. "
                "The local cloud never does so, AWS now and then. A member of the parameters asks for the newest.",
                '"ConsistentRead": true',
            ),
        ),
        "EXECUTION_FAILS": "read the error and its cause, and ask which data the state had",
        "REFUSED": "go to the place that it names, and mend what it says",
    },
    solved="An id that somebody else can change is read late, or it is read twice.",
)
def went_to_nobody(attempt: Attempt, definition: Any) -> None:
    with attempt.sandbox() as aws:
        shop = Rehearsal(attempt, aws, definition, work=MEANWHILE)
        stays, back, late = (aws.connect(shop.url) for _ in range(3))

        name = shop.place({}, stays)
        ran = _succeeds(attempt, shop, name, {})
        if not shop.told(stays):
            raise attempt.not_yet(
                "NOT_DELIVERED",
                did=f"a listening client gets nothing; states: {', '.join(ran.states)}",
                expected="it gets the result",
            )
        if "result" not in shop.item(name):
            raise attempt.not_yet(
                "NOT_STORED",
                did="the item has no result when the execution is done",
                expected="the message as text in result",
            )

        name = shop.place({}, shop.gone())
        _succeeds(attempt, shop, name, {"back": {"table": shop.table, "connection": back.id}})
        if not shop.told(back):
            raise attempt.not_yet(
                "FROZEN",
                did="a client that came back during the work got nothing",
                expected="the result, at the connection that is in the table by then",
            )
        _meets(attempt, shop, late)
        for last in (*shop.called(ran, "getItem")[-1:], *shop.called(ran, "query")[-1:]):
            if last.get("ConsistentRead") is not True:
                raise attempt.not_yet(
                    "STALE",
                    did=f"the last look was with ConsistentRead {json.dumps(last.get('ConsistentRead'))}",
                    expected="true: what was written before the look must be seen",
                )


def _succeeds(attempt: Attempt, shop: Rehearsal, name: str, order: Mapping[str, Any]) -> Execution:
    execution = shop.run(name, {"order": dict(order)})
    if execution.status != "SUCCEEDED":
        raise attempt.not_yet(
            "EXECUTION_FAILS", did=shop.failed(execution), expected="the execution succeeds"
        )
    return execution


def _meets(attempt: Attempt, shop: Rehearsal, late: Socket) -> None:
    """A client subscribes in the moment before the result is stored."""
    name = shop.place({})
    states = {"state": "SaveResult", "machine": shop.machine}
    with shop.fault("state.enter", "delay", seconds=0.1, **states) as fault:
        arn = shop.start(name, {"order": {}})
        found = shop.subscribe(name, late) if shop.struck(fault, arn) else True
        shop.end(arn)
    if not found and not shop.told(late):
        raise attempt.not_yet(
            "LOST_WAKE_UP",
            did="a client connected, saw no result, and got nothing either",
            expected="who connects before the result is stored is sent the result",
        )


# -- 6.2 ------------------------------------------------------------------------------------------


@exercise(
    "6.2",
    "The client that comes late",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=12,
    needs=("2.4", "3.2"),
    hints=(
        "Who knows which execution this connection is for: the message, or the table?",
        "Read the connection's item; write `connectionId` into the execution's item; and look at that "
        "item only after the write. An update can return the item as it is afterwards.",
        'item = dynamodb.update_item(…, UpdateExpression="SET connectionId = :me", '
        'ReturnValues="ALL_NEW")["Attributes"], then item.get("result") or item.get("progress").',
    ),
    diagnoses={
        "FAILS": LOG,
        "NOT_DELIVERED": "send the stored text to the connection that the event came from",
        "ENCODED_TWICE": "send the text as it is stored: it is JSON already",
        "NOT_WRITTEN": Diagnosis(
            "write the connection's id into the execution's item, whatever is there",
            ("A Notify during the handshake got 410 and removed the id. Who writes it again?",),
        ),
        "READS_TOO_EARLY": Diagnosis(
            "write first, then read the execution's item",
            ("The result is stored after your read and before your write. Who delivers it?",),
        ),
        "PROGRESS_FIRST": "send the result if there is one, and progress only if there is none",
        "NOTHING_STORED": "send nothing, and do not fail, while there is neither result nor progress",
        "TRUSTS_THE_MESSAGE": "find the execution by the connection, not by what the message says",
        "STRANGER": "answer 403 to a connection that is not in the table, and change nothing",
        "SENT_TWICE": "send one message",
    },
    solved="This is the other half of the meeting: the state machine has its half in SaveResult and "
    "GetConn.",
)
def comes_late(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        shop = Shop(aws, "subscribe", file, route="subscribe")
        _stored_result(attempt, shop)
        _stored_progress(attempt, shop)
        _strangers(attempt, shop)
        _while_it_runs(attempt, shop)


def _frames(shop: Shop, client: Socket, action: str = "subscribe", **members: Any) -> list[Any]:
    """What a client has received when its message has been handled."""
    client.send({"action": action, **members})
    shop.aws.settle()
    return client.frames


def _stored_result(attempt: Attempt, shop: Shop) -> None:
    name = shop.execution()
    result = shop.message(name, 3, status="accepted", orderId=name)
    progress = shop.message(name, 2, step="reserved")
    shop.update(name, result=text(result), progress=text(progress))
    client = shop.client(name)
    frames = _frames(shop, client)
    did = f"the client received {gist(frames)}"
    if frames == [progress]:
        raise attempt.not_yet("PROGRESS_FIRST", did=did, expected="the result, which is there too")
    if text(result) in frames:
        raise attempt.not_yet(
            "ENCODED_TWICE",
            did=brief(f"the client received a text in quotes: {json.dumps(frames[0])}"),
            expected="the stored text, which is an object in JSON",
        )
    if result not in frames:
        code = "FAILS" if shop.aws.crashes else "NOT_DELIVERED"
        raise attempt.not_yet(code, did=did, expected=f"the stored result of {name}")
    if len(frames) > 1:
        raise attempt.not_yet("SENT_TWICE", did=did, expected="the result, once")
    written = shop.item(name).get("connectionId")
    if written != client.id:
        raise attempt.not_yet(
            "NOT_WRITTEN",
            did=f"connectionId in the item of {name} is {written}",
            expected=f"{client.id}, the client's",
        )


def _stored_progress(attempt: Attempt, shop: Shop) -> None:
    early = shop.execution()
    frames = _frames(shop, shop.client(early))
    if frames:
        raise attempt.not_yet(
            "NOTHING_STORED",
            did=f"with nothing stored, the client received {gist(frames)}",
            expected="nothing",
        )
    if "connectionId" not in shop.item(early):
        raise attempt.not_yet(
            "NOT_WRITTEN",
            did="with nothing stored, the connection was not written down",
            expected="connectionId in the execution's item",
        )
    name = shop.execution()
    progress = shop.message(name, 1, step="priced")
    shop.update(name, progress=text(progress))
    frames = _frames(shop, shop.client(name))
    if frames != [progress]:
        raise attempt.not_yet(
            "NOT_DELIVERED",
            did=f"with progress stored, the client received {gist(frames)}",
            expected="the progress",
        )


def _strangers(attempt: Attempt, shop: Shop) -> None:
    other = shop.execution()
    secret = shop.message(other, 3, status="accepted", orderId=other)
    shop.update(other, result=text(secret))
    mine = shop.execution()
    frames = _frames(shop, shop.client(mine), execution=other, executionName=other, orderId=other)
    if secret in frames:
        raise attempt.not_yet(
            "TRUSTS_THE_MESSAGE",
            did="a client named another one's order in its message, and got its result",
            expected="nothing: its own order has no result yet",
        )
    before = shop.aws.items(shop.executions)
    frames = _frames(shop, shop.client(), execution=other, executionName=other, orderId=other)
    if secret in frames:
        raise attempt.not_yet(
            "TRUSTS_THE_MESSAGE",
            did="a connection that is not in the table got a result by naming an order",
            expected="nothing",
        )
    if frames or shop.aws.items(shop.executions) != before:
        raise attempt.not_yet(
            "STRANGER",
            did=f"a connection that is not in the table received {gist(frames)}"
            if frames
            else "a connection that is not in the table changed the executions",
            expected="statusCode 403, and nothing changed",
        )


def _while_it_runs(attempt: Attempt, shop: Shop) -> None:
    """The result is stored while the function's first write is on its way."""
    name = shop.execution()
    result = shop.message(name, 3, status="accepted", orderId=name)
    client = shop.client(name)
    # What the state machine does: it stores the result, then looks who listens.  Nobody, yet.
    shop.meanwhile(client, "subscribe", lambda: shop.update(name, result=text(result)))
    if result not in client.frames:
        raise attempt.not_yet(
            "READS_TOO_EARLY",
            did="a result that was stored while the function ran reached nobody",
            expected="the function finds it, since it looks after it has written",
        )


# -- 6.3 ------------------------------------------------------------------------------------------

Follow = Callable[[Iterator[str], Callable[[Any], Any]], Any]


def _news(frame: str) -> Any:
    """The message in a frame, or ``None``."""
    try:
        message = json.loads(frame)
        return message if isinstance(message["sequence"], int) else None
    except (ValueError, KeyError, TypeError):
        return None


def _highest(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    last = 0
    for frame in frames:
        message = _news(frame)
        if message is None or message["sequence"] <= last:
            continue
        last = message["sequence"]
        on_message(message)
        if message["type"] == "result":
            return message["body"]
    return None


def _remembers_all(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    seen = {0}
    for message in filter(None, map(_news, frames)):
        if all(message["sequence"] > number for number in seen):
            seen.add(message["sequence"])
            on_message(message)
            if message["type"] == "result":
                return message["body"]
    return None


def _passes_all(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    for message in filter(None, map(_news, frames)):
        on_message(message)
        if message["type"] == "result":
            return message["body"]
    return None


def _only_neighbours(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    last = None
    for message in filter(None, map(_news, frames)):
        if message["id"] != last:
            on_message(message)
        last = message["id"]
        if message["type"] == "result":
            return message["body"]
    return None


def _by_id(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    seen = set()
    for message in filter(None, map(_news, frames)):
        if message["id"] not in seen:
            on_message(message)
        seen.add(message["id"])
        if message["type"] == "result":
            return message["body"]
    return None


def _no_gaps(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    due = 1
    for message in filter(None, map(_news, frames)):
        if message["sequence"] == due:
            due += 1
            on_message(message)
            if message["type"] == "result":
                return message["body"]
    return None


def _fails_on_others(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    return _highest((json.dumps(json.loads(frame)) for frame in frames), on_message)


def _passes_others(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    def told() -> Iterator[str]:
        for frame in frames:
            if _news(frame) is None:
                with contextlib.suppress(ValueError):
                    on_message({"sequence": 0, **json.loads(frame)})
            yield frame

    return _highest(told(), on_message)


def _last_is_result(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    told: list[Any] = []
    result = _highest(frames, _also(told, on_message))
    return result if result is not None else (told[-1]["body"] if told else None)


def _whole_message(frames: Iterator[str], on_message: Callable[[Any], Any]) -> Any:
    told: list[Any] = []
    result = _highest(frames, _also(told, on_message))
    return told[-1] if result is not None else None


def _also(told: list[Any], on_message: Callable[[Any], Any]) -> Callable[[Any], None]:
    def tell(message: Any) -> None:
        told.append(message)
        on_message(message)

    return tell


WRONG: tuple[tuple[Follow, str, str], ...] = (
    (_passes_all, "PASSES_DUPLICATES", "one that drops nothing"),
    (_only_neighbours, "PASSES_DUPLICATES", "one that compares with the message before, only"),
    (_by_id, "PASSES_LATE", "one that takes an old message that comes late"),
    (_no_gaps, "PASSES_GAPS", "one that waits for a number that got lost"),
    (_fails_on_others, "PASSES_OTHERS", "one that fails on a frame that is no JSON"),
    (_passes_others, "PASSES_OTHERS", "one that hands on frames that are no messages of the shop"),
    (_last_is_result, "PASSES_RESULT", "one that takes progress for the result, if the frames end"),
    (_whole_message, "PASSES_RESULT", "one that returns the message instead of its body"),
)
RIGHT: tuple[Follow, ...] = (_highest, _remembers_all)


@exercise(
    "6.3",
    "Write the check: does this client drop duplicates?",
    kind=Kind.WRITE_THE_CHECK,
    difficulty=3,
    minutes=15,
    hints=(
        "What can happen to messages on the way? Write down each thing.",
        "Twice in a row; twice with another one in between; an old one late; one lost; a frame that is "
        "no message; an end without a result. Each is a list of frames with what must come out.",
        "news = []; result = follow(iter([message(1), message(1), message(3, 'result', "
        "status='accepted')]), lambda m: news.append(m['sequence'])); assert news == [1, 3]; "
        "assert result == {'status': 'accepted'}.",
    ),
    diagnoses={
        "REJECTS_RIGHT": "read again what a client has to do: your test rejects one that does it",
        "RETURNS": "assert it: what your test returns does not count, only whether it raises",
        "PASSES_DUPLICATES": "send a message twice: in a row, and with another one in between",
        "PASSES_LATE": "send number 2 before number 1, and see that 1 is dropped",
        "PASSES_GAPS": "leave a number out, and see that the next one is news",
        "PASSES_OTHERS": "mix in frames that are no messages: help, an error, no JSON",
        "PASSES_RESULT": "look at what follow returns, with a result and without one",
    },
    solved="Tests of a client need no server: what comes over the wire is a list of texts.",
)
def drops_duplicates(attempt: Attempt, test_follow: Callable[[Follow], Any]) -> None:
    for follow in RIGHT:
        try:
            test_follow(follow)
        except Exception as error:
            raise attempt.not_yet(
                "REJECTS_RIGHT",
                did=brief(f"your test rejects a right client: {_where(error)}"),
                expected="it accepts it",
            ) from None
    for follow, code, what in WRONG:
        try:
            returned = test_follow(follow)
        except Exception:
            continue  # whatever it raises, the wrong client is noticed
        if returned is not None:
            raise attempt.not_yet(
                "RETURNS",
                did=f"your test returns {returned!r} for a wrong client, and raises nothing",
                expected="an AssertionError",
            )
        raise attempt.not_yet(
            code, did=f"your test let a wrong client pass: {what}", expected="an AssertionError"
        )


def _where(error: Exception) -> str:
    """An exception with the line of the student's test that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.line for frame in reversed(frames) if frame.filename != __file__), "")
    said = f"{type(error).__name__}: {error}".removeprefix("AssertionError").strip(": ")
    return f"{line} ({said})" if said else f"{line}"


# -- 6.4 ------------------------------------------------------------------------------------------

PRICES = {"tea-green-100": Decimal("8.90"), "cup-glass-02": Decimal("5.25")}


def _order(aws: Sandbox) -> tuple[dict[str, Any], str]:
    """An order, and what it costs."""
    quantities = {sku: aws.random.randrange(1, 9) for sku in PRICES}
    total = sum(PRICES[sku] * quantity for sku, quantity in quantities.items())
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return {"customer": "ada@example.com", "currency": "EUR", "items": lines}, str(total)


@exercise(
    "6.4",
    "Progress while the work goes on",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=12,
    needs=("5.2",),
    hints=(
        "Which single call can store the progress, tell who listens, and tell whether it was cancelled?",
        "update_item with ReturnValues ALL_NEW returns the item after the write. Send to its "
        "connectionId, catch what goes wrong there, and look at cancelled after each step.",
        'item = dynamodb.update_item(…, UpdateExpression="SET progress = :text", '
        'ReturnValues="ALL_NEW")["Attributes"]; try: api.post_to_connection(…) except (ClientError, '
        'BotoCoreError) as error: print(error); return item.get("cancelled", {}).get("BOOL", False).',
    ),
    diagnoses={
        "FAILS": LOG,
        "WRONG_RESULT": "answer with the result message of exercise 5.2",
        "NO_PROGRESS": "send both steps to the connection in the execution's item, in their order",
        "WRONG_MESSAGE": "give progress the form of a message: id, execution, sequence, type, body",
        "NOT_STORED": "store each progress as JSON text in `progress` of the execution's item",
        "NOBODY_FAILS": "let the work go on when nobody listens",
        "GONE_FAILS": Diagnosis(
            "let the work go on when sending fails",
            ("The customer has closed the page. Is that a reason not to send the tea?",),
        ),
        "CANCEL_IGNORED": "look at `cancelled` after each of the two steps, as it is at that moment",
        "REPORTS_REJECTED": "report nothing for an order that is rejected",
    },
    solved="Progress is a courtesy: it is stored and sent as well as can be, and never in the way.",
)
def progress_goes_on(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        shop = Shop(aws, "do-work", file)
        order, total = _order(aws)
        _listened(attempt, shop, order, total)
        _alone(attempt, shop, order)
        _rejected(attempt, shop, order)
        _cancelled(attempt, shop, order)


def _work(shop: Shop, name: str, order: Any) -> Any:
    return shop.aws.invoke(shop.function, {"execution": name, "order": order})


def _result_of(attempt: Attempt, answer: Any, name: str, status: str, code: str, did: str) -> None:
    body = answer.get("body", {}) if isinstance(answer, Mapping) else {}
    if body.get("status") == status and answer.get("id") == f"{name}#3":
        return
    said = answer.get("errorType") if isinstance(answer, Mapping) else None
    shown = f"it raised {said}: {answer['errorMessage']}" if said else f"the answer is {answer}"
    raise attempt.not_yet(
        "FAILS" if said and code == "WRONG_RESULT" else code,
        did=brief(f"{did}: {shown}" if did else shown),
        expected=f"a result with status {status}",
    )


def _listened(attempt: Attempt, shop: Shop, order: Any, total: str) -> None:
    name = shop.execution()
    client = shop.client(name)
    shop.update(name, connectionId=client.id)
    answer = _work(shop, name, order)
    _result_of(attempt, answer, name, "accepted", "WRONG_RESULT", "")
    if answer["body"].get("total") != total or answer.get("type") != "result":
        raise attempt.not_yet(
            "WRONG_RESULT", did=brief(f"the answer is {answer}"), expected=f"a total of {total}"
        )
    shop.aws.settle()
    wanted = [
        shop.message(name, 1, step="priced", total=total),
        shop.message(name, 2, step="reserved"),
    ]
    frames = client.frames
    steps = [f.get("body", {}).get("step") if isinstance(f, Mapping) else None for f in frames]
    if steps != ["priced", "reserved"]:
        raise attempt.not_yet(
            "NO_PROGRESS",
            did=f"the client received {gist(frames)}",
            expected="progress priced, progress reserved",
        )
    if frames != wanted:
        first = next(f for f, w in zip(frames, wanted, strict=True) if f != w)
        raise attempt.not_yet(
            "WRONG_MESSAGE",
            did=brief(f"the client received {first}"),
            expected=brief(str(wanted[frames.index(first)])),
        )
    stored = shop.item(name).get("progress", "")
    if _parsed(stored) != wanted[1]:
        raise attempt.not_yet(
            "NOT_STORED",
            did=brief(f"progress in the item is {stored!r}"),
            expected="message 2 as JSON text",
        )


def _parsed(stored: str) -> Any:
    try:
        return json.loads(stored)
    except ValueError:
        return None


def _alone(attempt: Attempt, shop: Shop, order: Any) -> None:
    nobody = shop.execution()
    answer = _work(shop, nobody, order)
    _result_of(attempt, answer, nobody, "accepted", "NOBODY_FAILS", "nobody listens")
    if "progress" not in shop.item(nobody):
        raise attempt.not_yet(
            "NOT_STORED", did="nobody listens, and no progress is stored", expected="message 2"
        )
    left = shop.client()
    left.close()
    shop.aws.wait(lambda e: e.kind == "connection.closed" and e["connection"] == left.id)
    gone = shop.execution(connectionId=left.id)
    answer = _work(shop, gone, order)
    _result_of(attempt, answer, gone, "accepted", "GONE_FAILS", "the client is gone (410)")


def _rejected(attempt: Attempt, shop: Shop, order: Any) -> None:
    wishes: dict[str, dict[str, Any]] = {
        "an order for coffee": {"items": [{"sku": "coffee", "quantity": 1}]},
        "an order in USD": {"currency": "USD"},
    }
    for what, change in wishes.items():
        name = shop.execution()
        answer = _work(shop, name, {**order, **change})
        _result_of(attempt, answer, name, "rejected", "WRONG_RESULT", what)
        if not answer["body"].get("reason"):
            raise attempt.not_yet(
                "WRONG_RESULT",
                did=f"{what} is rejected without a reason",
                expected="a reason for the customer",
            )
        if "progress" in shop.item(name):
            raise attempt.not_yet(
                "REPORTS_REJECTED",
                did=f"{what} leaves progress in its item",
                expected="a rejected order has no progress",
            )


def _cancelled(attempt: Attempt, shop: Shop, order: Any) -> None:
    early = shop.execution(cancelled=True)
    answer = _work(shop, early, order)
    _result_of(attempt, answer, early, "cancelled", "CANCEL_IGNORED", "cancelled before the work")

    name = shop.execution()
    client = shop.client(name)
    shop.update(name, connectionId=client.id)
    # The first progress is on its way when the customer cancels.
    shop.aws.fault("management", "delay", seconds=0.1, connection=client.id)
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(_work, shop, name, order)
        shop.aws.wait(lambda e: e.kind == "fault.applied" and e.get("connection") == client.id)
        shop.update(name, cancelled=True)
        answer = working.result()
    _result_of(attempt, answer, name, "cancelled", "CANCEL_IGNORED", "cancelled after step 1")


# -- 6.5 ------------------------------------------------------------------------------------------


@exercise(
    "6.5",
    "Several tabs",
    kind=Kind.STATE_MACHINE,
    difficulty=4,
    minutes=15,
    needs=("2.5", "5.6"),
    hints=(
        "What does the query answer with, and what does one round of the Map need of it?",
        "The query's result has Items, each in DynamoDB's form. ItemSelector makes the input of one "
        "round: the connection id out of the item, and the message. The Catch belongs to the task "
        "inside, so that one round that fails does not stop the others.",
        '"ItemsPath": "$.followers.Items", "ItemSelector": {"connectionId.$": '
        '"$$.Map.Item.Value.connectionId.S", "message.$": "$.message"}; inside: the Notify of exercise '
        '5.6, with "Path.$": "States.Format(\'/@connections/{}\', $.connectionId)" and a Catch.',
    ),
    diagnoses={
        "NOT_FOUND": "let the query ask for the name of this execution: a path needs a key with .$",
        "NOT_SENT": "compare Path and RequestBody of the task with the data that one round gets",
        "ONE_STOPS_ALL": Diagnosis(
            "catch what fails inside the Map, at each message",
            ("One round fails. What becomes of the other rounds, and of the whole Map?",),
        ),
        "NOT_ALL": "send the message to every connection that the query finds",
        "STRANGERS": "ask for the followers of this execution, and of no other",
        "NOBODY_FAILS": "let the execution succeed when there are no followers",
        "STALE": "read consistently: a tab that has subscribed a moment ago must be seen",
        "WRONG_MESSAGE": "send the message of the input, as it is",
        "EXECUTION_FAILS": "read the error and its cause, and ask which data the state had",
        "REFUSED": "go to the place that it names, and mend what it says",
    },
    solved="A Map without limits calls as many at once as it likes; MaxConcurrency holds it back.",
)
def several_tabs(attempt: Attempt, definition: Any) -> None:
    with attempt.sandbox() as aws:
        tag = aws.random.randrange(10**6)
        url = aws.websocket_api({"$default": aws.function(f"idle-{tag}", IDLE)})
        table = aws.table(f"followers-{tag}", key="executionName", sort="connectionId")
        values = {
            "FollowersTable": table,
            "WebSocketApiId": url.split("/")[-2],
            "Region": aws.region,
            "Stage": STAGE,
        }
        try:
            machine = aws.state_machine(filled_in(attempt, definition, values), name=f"tabs-{tag}")
        except ClientError as error:
            raise attempt.not_yet(
                "REFUSED",
                did=brief(error.response["Error"]["Message"].partition(": '")[2].rstrip("'")),
                expected="a definition that CreateStateMachine accepts",
            ) from None
        aws.fault("state.wait", "drop", times=None, machine=f"tabs-{tag}")
        name = f"order-{tag}"
        tabs = [aws.connect(url) for _ in range(3)]
        other, left = aws.connect(url), aws.connect(url)
        left.close()
        aws.wait(lambda e: e.kind == "connection.closed" and e["connection"] == left.id)
        message = {"id": f"{name}#3", "sequence": 3, "type": "result", "body": {"orderId": name}}

        def follow(whose: str, *clients: Socket) -> None:
            aws.put(table, *({"executionName": whose, "connectionId": c.id} for c in clients))

        follow(name, *tabs)
        follow("order-other", other)
        _told(attempt, aws, machine, name, message, tabs, other, "")

        follow(f"{name}-b", *tabs, left)
        message = {**message, "id": f"{name}-b#3"}
        _told(attempt, aws, machine, f"{name}-b", message, tabs, other, "one of four tabs is gone")

        execution = aws.execute(machine, {"message": message}, f"{name}-c")
        if execution.status != "SUCCEEDED":
            raise attempt.not_yet(
                "NOBODY_FAILS",
                did=f"without followers the execution is {execution.status}: {execution.error}",
                expected="SUCCEEDED",
            )
        history = aws.client("stepfunctions").get_execution_history(executionArn=execution.arn)
        scheduled = (event.get("taskScheduledEventDetails") for event in history["events"])
        asked = [json.loads(each["parameters"]) for each in scheduled if each]
        if not all(query.get("ConsistentRead") for query in asked):
            raise attempt.not_yet(
                "STALE", did="it asked for followers without ConsistentRead", expected="true"
            )


def _told(
    attempt: Attempt,
    aws: Sandbox,
    machine: str,
    name: str,
    message: Mapping[str, Any],
    tabs: Iterable[Socket],
    other: Socket,
    when: str,
) -> None:
    """Run the machine; each of the tabs must receive the message, once, and nobody else."""
    before = {tab.id: len(tab.frames) for tab in tabs}
    execution = aws.execute(machine, {"message": message}, name)
    aws.settle()
    new = [tab.frames[before[tab.id] :] for tab in tabs]
    heard = sum(message in frames for frames in new)
    if execution.status != "SUCCEEDED":
        described = aws.client("stepfunctions").describe_execution(executionArn=execution.arn)
        cause = described.get("cause", "").rpartition("). ")[2]
        raise attempt.not_yet(
            "ONE_STOPS_ALL" if when else "EXECUTION_FAILS",
            did=brief(f"{when or f'in {execution.states[-1]}'}: {execution.error}: {cause}"),
            expected="the execution succeeds",
        )
    history = aws.client("stepfunctions").get_execution_history(
        executionArn=execution.arn, maxResults=1000
    )["events"]
    if when and any(event["type"] == "MapStateFailed" for event in history):
        raise attempt.not_yet(
            "ONE_STOPS_ALL",
            did=f"{when}, and the whole Map fails: its other rounds are stopped",
            expected="only the round of that tab fails, and the Map succeeds",
        )
    if other.frames:
        raise attempt.not_yet(
            "STRANGERS", did="a follower of another execution got the message", expected="nothing"
        )
    if any(frames and message not in frames for frames in new):
        odd = next(frames for frames in new if frames and message not in frames)
        raise attempt.not_yet(
            "WRONG_MESSAGE", did=brief(f"a tab received {odd[0]}"), expected=brief(f"{message}")
        )
    if not heard:
        _nobody_heard(attempt, history)
    if heard < len(new) or any(len(frames) > 1 for frames in new):
        raise attempt.not_yet(
            "ONE_STOPS_ALL" if when else "NOT_ALL",
            did=f"{when or 'three tabs follow'}: {sum(map(len, new))} messages came to {heard} tabs",
            expected=f"one message to each of {len(new)} tabs",
        )


def _nobody_heard(attempt: Attempt, history: list[Any]) -> None:
    """Say why no message came at all, if the history does."""
    outputs = (event.get("taskSucceededEventDetails", {}).get("output") for event in history)
    found = [json.loads(output).get("Count") for output in outputs if output]
    if found and found[0] == 0:
        raise attempt.not_yet(
            "NOT_FOUND",
            did="three tabs follow, and the query found 0 items",
            expected="it finds three",
        )
    failures = [
        event["taskFailedEventDetails"] for event in history if "taskFailedEventDetails" in event
    ]
    if failures:
        said = failures[0].get("cause", "")
        with contextlib.suppress(ValueError, AttributeError):
            said = json.loads(said).get("message", said)
        said = f"{failures[0].get('error')}: {said}"
        raise attempt.not_yet(
            "NOT_SENT",
            did=brief(f"no message came: {said}"),
            expected="one message to each of 3 tabs",
        )


# -- 6.6 ------------------------------------------------------------------------------------------


@exercise(
    "6.6",
    "Make: cancel, from the client to the work",
    kind=Kind.MAKE,
    difficulty=4,
    minutes=20,
    needs=("6.2", "6.4"),
    hints=(
        "Who decides whether it is too late: your function, or the table?",
        "One conditional update: set cancelled if the item is there and has no result. Whether the "
        "condition held is what the client is told. `result` is a reserved word: give it another name "
        "with ExpressionAttributeNames.",
        'ConditionExpression="attribute_exists(executionName) AND attribute_not_exists(#result)", '
        'ExpressionAttributeNames={"#result": "result"}, ExpressionAttributeValues={":yes": {"BOOL": '
        "True}}; except dynamodb.exceptions.ConditionalCheckFailedException: too late.",
    ),
    diagnoses={
        "NOT_SET": "set `cancelled` to a BOOL in the item of the connection's execution",
        "SAYS_TOO_LATE": "print the exception that you catch: is it the one of the condition?",
        "NOT_TOLD": "tell the client what became of it, through `@connections`",
        "TOO_LATE_SET": Diagnosis(
            "let the condition of the update ask for the result",
            ("You look, see no result, and write. What may happen between the two?",),
        ),
        "WRONG_ANSWER": "tell accepted or too late, as the table has decided",
        "MAKES_ITEMS": "let the update succeed only if the item is there",
        "TRUSTS_THE_MESSAGE": "find the execution by the connection, not by what the message says",
        "STRANGER": "answer 403 to a connection that is not in the table, and change nothing",
        "OTHERS_LOST": "keep the other attributes of the item",
    },
    solved="Two-way: the same connection carries the result down and the wish to cancel up.",
)
def cancel(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        shop = Shop(aws, "cancel", file, route="cancel")
        _in_time(attempt, shop)
        _too_late(attempt, shop)
        _only_mine(attempt, shop)
        _crossing(attempt, shop)


ACCEPTED = {"type": "cancel", "body": {"status": "accepted"}}
TOO_LATE = {"type": "cancel", "body": {"status": "too late"}}


def _told_wrong(frames: list[Any]) -> str:
    return "WRONG_ANSWER" if any("cancel" in gist([frame]) for frame in frames) else "NOT_TOLD"


def _cancelled_is(item: Mapping[str, Any]) -> str:
    if "cancelled" not in item:
        return "cancelled is not there"
    kind = "the text " if isinstance(item["cancelled"], str) else ""
    return f"cancelled is {kind}{item['cancelled']!r}"


def _in_time(attempt: Attempt, shop: Shop) -> None:
    name = shop.execution(progress="{}")
    frames = _frames(shop, shop.client(name), "cancel")
    item = shop.item(name)
    if "cancelled" not in item and TOO_LATE in frames:
        raise attempt.not_yet(
            "SAYS_TOO_LATE",
            did="the item has no result yet, and the client received cancel too late",
            expected="cancelled is set, and the client receives cancel accepted",
        )
    if item.get("cancelled") is not True:
        raise attempt.not_yet(
            "NOT_SET",
            did=f"{_cancelled_is(item)}; the client received {gist(frames)}",
            expected="the BOOL true, in the item of the connection's execution",
        )
    if item != {"executionName": name, "order": "{}", "progress": "{}", "cancelled": True}:
        raise attempt.not_yet(
            "OTHERS_LOST", did=brief(f"the item is {item}"), expected="order and progress as before"
        )
    if frames != [ACCEPTED]:
        raise attempt.not_yet(
            _told_wrong(frames),
            did=f"the client received {gist(frames)}",
            expected="cancel accepted",
        )


def _too_late(attempt: Attempt, shop: Shop) -> None:
    name = shop.execution(result="{}")
    frames = _frames(shop, shop.client(name), "cancel")
    if "cancelled" in shop.item(name):
        raise attempt.not_yet(
            "TOO_LATE_SET", did="an order with a result was cancelled", expected="no change"
        )
    if frames != [TOO_LATE]:
        raise attempt.not_yet(
            _told_wrong(frames),
            did=f"there is a result; the client received {gist(frames)}",
            expected="cancel too late",
        )


def _only_mine(attempt: Attempt, shop: Shop) -> None:
    other, mine = shop.execution(), shop.execution()
    named = {"execution": other, "executionName": other, "orderId": other}
    _frames(shop, shop.client(mine), "cancel", **named)
    if "cancelled" in shop.item(other):
        raise attempt.not_yet(
            "TRUSTS_THE_MESSAGE",
            did="a client named another one's order in its message, and cancelled it",
            expected="its own order is cancelled",
        )
    before = shop.aws.items(shop.executions)
    frames = _frames(shop, shop.client(), "cancel", **named)
    if frames or shop.aws.items(shop.executions) != before:
        raise attempt.not_yet(
            "STRANGER",
            did=f"a connection that is not in the table received {gist(frames)}"
            if frames
            else "a connection that is not in the table changed the executions",
            expected="statusCode 403, and nothing changed",
        )
    expired = f"{other}-expired"
    _frames(shop, shop.client(expired), "cancel")
    if shop.item(expired):
        raise attempt.not_yet(
            "MAKES_ITEMS",
            did="for an execution whose item has expired, an item was made",
            expected="no item",
        )


def _crossing(attempt: Attempt, shop: Shop) -> None:
    """The result is stored while the function's write is on its way."""
    name = shop.execution()
    client = shop.client(name)
    shop.meanwhile(client, "cancel", lambda: shop.update(name, result="{}"))
    if "cancelled" in shop.item(name):
        raise attempt.not_yet(
            "TOO_LATE_SET",
            did="the result was stored in the last moment, and the order was cancelled all the same",
            expected="no change, and the client is told that it is too late",
        )
    if client.frames != [TOO_LATE]:
        raise attempt.not_yet(
            "WRONG_ANSWER",
            did=f"the result was faster; the client received {gist(client.frames)}",
            expected="cancel too late",
        )
