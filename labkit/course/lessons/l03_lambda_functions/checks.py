"""The checks of lesson 03's exercises."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import textwrap
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from labkit.course.exercise import Attempt, Diagnosis, Kind, exercise
from labkit.course.sandbox import Refused, Sandbox, Socket, quoted
from labkit.resources import TRUST

TWO_HOURS = 2 * 3600

LOG = "read the log above: its [ERROR] line, then the last line with /var/task, which is yours"

WRITES = ("UpdateItem", "TransactWriteItems")
"""The calls by which an attribute is changed on a condition."""


def _cut(text: str, width: int = 90) -> str:
    """A text on one line of a verdict."""
    return textwrap.shorten(text, width, placeholder=" …")


# -- 3.1 ------------------------------------------------------------------------------------------

LINES = {
    "a": "archive.close()",
    "b": 'answer = functions.invoke(FunctionName="greet", Payload=b\'{"name": "Ada"}\')',
    "c": 'archive.write(path, "greet.py")',
    "d": 'functions.create_function(FunctionName="greet", Runtime="python3.12", '
    'Handler="greet.handler", Role=role["Role"]["Arn"], Code={"ZipFile": data.getvalue()})',
    "e": 'archive = zipfile.ZipFile(data, "w")',
    "f": 'print(answer["Payload"].read().decode())',
    "g": 'functions.get_waiter("function_active_v2").wait(FunctionName="greet")',
    "h": "data = io.BytesIO()",
    "i": 'role = iam.create_role(RoleName="greet-role", AssumeRolePolicyDocument=trust)',
}


@exercise(
    "3.1",
    "Deploy by hand",
    kind=Kind.ORDER_LINES,
    difficulty=2,
    minutes=8,
    hints=(
        "Which four lines make the zip file, and what does a function need beside it?",
        "The archive is written into `data`, and it is complete when it is closed. A function needs a "
        "role and the bytes. Before it is called, it must have become active.",
        "The zip file is h, e, c, a. The function and its call are d, g, b, f. Line i goes anywhere "
        "above d.",
    ),
    diagnoses={
        "NOT_ALL_LINES": "use each of the nine letters once",
        "USED_BEFORE_MADE": "put the line that makes a name above the lines that use it",
        "ARCHIVE_OPEN": "close the archive before you take its bytes",
        "CLOSED_TOO_EARLY": "write the file into the archive before you close it",
        "NO_FUNCTION": "create the function before you wait for it and call it",
        "NOT_WAITED": Diagnosis(
            "wait until the function is active, then call it",
            ("On AWS a new function is `Pending` for some seconds. What happens to a call then?",),
        ),
    },
    solved="labkit.resources.function does these steps for you from here on, and updates a function "
    "that is there.",
)
def deploy_by_hand(attempt: Attempt, order: Any) -> None:
    given = order if isinstance(order, list | tuple | str) else ()
    letters = [str(each).strip().lower() for each in given]
    if isinstance(order, str):
        letters = [letter for letter in letters if letter.isalpha()]
    if sorted(letters) != sorted(LINES):
        missing = [letter for letter in LINES if letter not in letters]
        raise attempt.not_yet(
            "NOT_ALL_LINES",
            did=_cut(f"your order is {order}"),
            expected=f"each of a to i once; missing: {', '.join(missing) or 'none'}",
        )
    with attempt.sandbox() as aws, contextlib.ExitStack() as after:
        path = Path(after.enter_context(tempfile.TemporaryDirectory()), "file.py")
        path.write_text("def handler(event, context):\n    return event['name']\n", "utf-8")
        names = {
            "iam": aws.client("iam"),
            "functions": aws.client("lambda"),
            "io": io,
            "zipfile": zipfile,
            "trust": json.dumps(TRUST),
            "path": path,
        }
        printed = io.StringIO()
        for letter in letters:
            try:
                with contextlib.redirect_stdout(printed):
                    exec(LINES[letter], names)
            except Exception as error:
                raise _stopped(attempt, letter, error) from None
            if letter == "e":
                after.callback(names["archive"].close)
        called = [call["operation"] for call in aws.calls("lambda")]
        if "GetFunction" not in called[: called.index("Invoke")]:
            raise attempt.not_yet(
                "NOT_WAITED",
                did="the function was called before anybody asked whether it is active",
                expected="line g above line b; on AWS the call fails with ResourceConflictException",
            )


def _stopped(attempt: Attempt, letter: str, error: Exception) -> Exception:
    said = str(error).rpartition("operation: ")[2]
    code, expected = "USED_BEFORE_MADE", "every name is made before it is used"
    if "Could not unzip" in said:
        code, expected = "ARCHIVE_OPEN", "the archive was closed, so that its bytes are a zip file"
    elif isinstance(error, ValueError):
        code, expected = "CLOSED_TOO_EARLY", "the archive is open when the file is written into it"
    elif "Function not found" in said:
        code, expected = "NO_FUNCTION", "the function was created"
    did = _cut(f"line {letter} stopped: {type(error).__name__}: {said}")
    return attempt.not_yet(code, did=did, expected=expected)


# -- the tables of 3.2 and 3.3 -------------------------------------------------------------------


def _tables(aws: Sandbox, *executions: dict[str, Any]) -> dict[str, str]:
    """Make both tables, the first with items; the environment that functions get."""
    return {
        "EXECUTIONS_TABLE": aws.table("executions", "executionName", items=executions),
        "CONNECTIONS_TABLE": aws.table("connections", "connectionId"),
    }


def _told(item: dict[str, Any], shown: str = "") -> str:
    """Which attributes an item has, with the value of one of them."""
    names = [f"{name} ({item[name]})" if name == shown else name for name in sorted(item)]
    return f"has {', '.join(names)}" if names else "is not there"


def _order(aws: Sandbox) -> str:
    return f"order-{aws.random.randrange(16**8):08x}"


def _named(items: list[dict[str, Any]], key: str, name: str) -> dict[str, Any] | None:
    """The item with a key, or ``None``."""
    return next((item for item in items if item[key] == name), None)


# -- 3.2 ------------------------------------------------------------------------------------------


@exercise(
    "3.2",
    "The function behind $connect",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=12,
    hints=(
        "What is in the event when the URL has no query at all? And what does `update_item` do when "
        "there is no item?",
        "Without a query the event has no `queryStringParameters`. Whether the execution exists, "
        "DynamoDB tells you while it writes: by a condition on the update. If it fails, take back "
        "what you have written and answer 403.",
        'query = event.get("queryStringParameters") or {}; put_item(…); then try: update_item(…, '
        'ConditionExpression="attribute_exists(executionName)") except '
        "dynamodb.exceptions.ConditionalCheckFailedException: delete_item(…) and return 403.",
    ),
    diagnoses={
        "NAMELESS_CRASHES": Diagnosis(
            "answer 400 if the query names no execution, or if there is no query",
            ("Which members does the event of `$connect` have if the URL has no `?`?",),
        ),
        "NAMELESS_LET_IN": "refuse a client that names no execution, with 400",
        "UNKNOWN_CRASHES": "catch the exception that says that the condition does not hold",
        "UNKNOWN_LET_IN": Diagnosis(
            "refuse a client that names an execution which does not exist, with 403",
            ("What does `update_item` do when there is no item of that key?",),
        ),
        "LEFT_BEHIND": "leave nothing of a refused connection in the tables",
        "WRONG_STATUS": "answer 400 without a name, 403 for an unknown execution, 200 else",
        "NOT_REMEMBERED": "write the connection's item: `connectionId`, `executionName`, `expiresAt`",
        "MILLISECONDS": "give `expiresAt` in seconds: `time.time()` counts in seconds already",
        "WRONG_TIME": "let the item expire two hours from now",
        "DEAF": "write the connection's id into the execution's item, as `connectionId`",
        "ORDER_LOST": "change one attribute of the execution's item: an update, not a put",
        "LOCKED_OUT": Diagnosis(
            "let the newest connection listen, also when the item names another one",
            ("A client's network was lost for a second. Which id is in the item when it is back?",),
        ),
        "FAILS": LOG,
        "HIDES_ERRORS": "catch only the exception of the condition: any other error is a real one",
        "POSTS": Diagnosis(
            "send nothing from here: the connection does not exist until the function has answered",
            ("When does the connection begin to exist: before or after the function's answer?",),
        ),
    },
    solved="This function is part of your system now: resume() deploys it in later lessons. In "
    "lesson 04 a name alone will no longer do.",
)
def behind_connect(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        new, back = _order(aws), _order(aws)
        environment = _tables(
            aws,
            {"executionName": new, "order": "{}"},
            {"executionName": back, "order": "{}", "connectionId": "old="},
        )
        url = aws.websocket_api(
            {"$connect": aws.function("connect", file, environment=environment)}
        )
        known = _welcome(attempt, aws, url, new)
        _nameless(attempt, aws, url, known)
        _unknown(attempt, aws, url, _order(aws), known)
        _welcome(attempt, aws, url, back, "LOCKED_OUT")
        _sends_nothing(attempt, aws)
        _table_fails(attempt, aws, url, new)


def _status(aws: Sandbox, url: str) -> int:
    """Connect; the status of the answer, 101 if the connection was opened."""
    try:
        aws.connect(url)
    except Refused as refused:
        return refused.status
    return 101


def _nameless(attempt: Attempt, aws: Sandbox, url: str, known: str) -> None:
    for query, what in (("", "without a query"), ("?lang=en", "with ?lang=en")):
        status = _status(aws, url + query)
        if status == 400:
            continue
        code = {101: "NAMELESS_LET_IN", 502: "NAMELESS_CRASHES"}.get(status, "WRONG_STATUS")
        raise attempt.not_yet(
            code, did=f"a client {what} is {_answered(status)}", expected="it is refused with 400"
        )
    _nothing_left(attempt, aws, "no name", known)


def _unknown(attempt: Attempt, aws: Sandbox, url: str, name: str, known: str) -> None:
    status = _status(aws, f"{url}?execution={name}")
    if status != 403:
        code = {101: "UNKNOWN_LET_IN", 502: "UNKNOWN_CRASHES"}.get(status, "WRONG_STATUS")
        raise attempt.not_yet(
            code,
            did=f"{name} does not exist: the client is {_answered(status)}",
            expected="it is refused with 403",
        )
    _nothing_left(attempt, aws, "unknown execution", known)


def _nothing_left(attempt: Attempt, aws: Sandbox, who: str, known: str) -> None:
    left = [item for item in aws.items("connections") if item["connectionId"] != known]
    made = [item for item in aws.items("executions") if "order" not in item]
    if left or made:
        where = "connections" if left else "executions"
        key = left[0]["connectionId"] if left else made[0]["executionName"]
        raise attempt.not_yet(
            "LEFT_BEHIND",
            did=f"{who}: refused, but the table {where} has an item {key}",
            expected="no table has anything of that connection",
        )


def _welcome(attempt: Attempt, aws: Sandbox, url: str, name: str, otherwise: str = "DEAF") -> str:
    """Connect for an execution that exists, and look at both items; the connection's id."""
    before = int(time.time())
    try:
        connection = aws.connect(f"{url}?execution={name}").id
    except Refused as refused:
        _sends_nothing(attempt, aws)
        back = " that comes back" if otherwise == "LOCKED_OUT" else ""
        raise attempt.not_yet(
            "LOCKED_OUT" if back else "FAILS" if refused.status == 502 else "WRONG_STATUS",
            did=f"a client{back}, with ?execution={name}, is {_answered(refused.status)}",
            expected="it connects",
        ) from None
    item = _named(aws.items("connections"), "connectionId", connection) or {}
    if item.get("executionName") != name or "expiresAt" not in item:
        raise attempt.not_yet(
            "NOT_REMEMBERED",
            did=f"the connection's item {_told(item, 'executionName')}",
            expected=f"connectionId, executionName (here {name}) and expiresAt",
        )
    expires = item["expiresAt"]
    is_number = isinstance(expires, Decimal)
    if is_number and abs(expires - before - TWO_HOURS) <= 60:
        _listens(attempt, aws, name, connection, otherwise)
        return connection
    raise attempt.not_yet(
        "MILLISECONDS" if is_number and expires > 100 * before else "WRONG_TIME",
        did=f"expiresAt is {'' if is_number else 'no number: '}{expires}, the time was {before}",
        expected=f"the number {before + TWO_HOURS}, which is in two hours",
    )


def _listens(attempt: Attempt, aws: Sandbox, name: str, connection: str, otherwise: str) -> None:
    item = _named(aws.items("executions"), "executionName", name) or {}
    if "order" not in item:
        raise attempt.not_yet(
            "ORDER_LOST",
            did=f"the execution's item {_told(item)}",
            expected="its order is still there",
        )
    if item.get("connectionId") != connection:
        raise attempt.not_yet(
            otherwise,
            did=f"connectionId in the item of {name} is {item.get('connectionId', 'not there')}",
            expected=f"{connection}, the connection that was opened last",
        )


def _sends_nothing(attempt: Attempt, aws: Sandbox) -> None:
    posts = aws.calls("apigatewaymanagementapi")
    if posts:
        raise attempt.not_yet(
            "POSTS",
            did=f"the function sent something through @connections; the answer was "
            f"{posts[-1]['status']}",
            expected="nothing is sent before the connection is open",
        )


def _table_fails(attempt: Attempt, aws: Sandbox, url: str, name: str) -> None:
    """A table that may not be written to is no unknown execution."""
    for operation in WRITES:
        aws.fault(
            "aws.call",
            "error",
            times=None,
            status=400,
            code="AccessDeniedException",
            service="dynamodb",
            operation=operation,
        )
    status = _status(aws, f"{url}?execution={name}")
    if status < 500:
        raise attempt.not_yet(
            "HIDES_ERRORS",
            did=f"with AccessDeniedException from DynamoDB, a client is {_answered(status)}",
            expected="the error leaves the function: the client gets 502, and the log says why",
        )


def _answered(status: int) -> str:
    if status == 101:
        return "let in"
    return f"refused with {status}" + (": the function failed" if status == 502 else "")


# -- 3.3 ------------------------------------------------------------------------------------------


@exercise(
    "3.3",
    "The function behind $disconnect",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=12,
    needs=("3.2",),
    hints=(
        "Where does the name of the execution come from, if not from the event? And who may listen "
        "by the time that this function runs?",
        "delete_item can give back what it deleted. The update has a condition: the item still names "
        "this connection. If it fails, there is nothing to do.",
        'delete_item(…, ReturnValues="ALL_OLD").get("Attributes"), then in a try: update_item(…, '
        'UpdateExpression="REMOVE connectionId", ConditionExpression="connectionId = :mine").',
    ),
    diagnoses={
        "ITEM_STAYS": "delete the connection's item",
        "STILL_LISTENS": "remove `connectionId` from the execution's item",
        "TAKES_ANOTHERS": Diagnosis(
            "remove `connectionId` on the condition that it is still this connection's id",
            (
                "A client is back under a new id when the old connection's end is told. Who listens?",
            ),
        ),
        "LATE_FAILS": "let the function end well when the condition does not hold",
        "FORGOTTEN_FAILS": "let the function end well when there is no item of this connection",
        "MADE_ANEW": "do not make an execution's item that is gone: `update_item` does, without a "
        "condition",
        "OTHERS_DELETED": "delete nothing but this connection's own item",
        "ORDER_LOST": "remove one attribute of the execution's item, and keep the rest",
        "FAILS": LOG,
        "HIDES_ERRORS": "catch only the exception of the condition: any other error is a real one",
    },
    solved="This function is part of your system now. It may come late or never, and nothing in the "
    "system depends on it: it only tidies up.",
)
def behind_disconnect(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        here, late, over, meets, open_, broken = (_order(aws) for _ in range(6))
        environment = _tables(aws)
        function = aws.function("disconnect", file, environment=environment)
        url = aws.websocket_api({"$disconnect": function})
        clients = {name: aws.connect(url) for name in (here, late, over, meets, open_, broken)}
        forgotten = aws.connect(url)
        for name, client in clients.items():
            aws.put("connections", {"connectionId": client.id, "executionName": name})
        aws.put("connections", {"connectionId": "back=", "executionName": late})
        for name, listener in (
            (here, clients[here].id),
            (late, "back="),
            (meets, clients[meets].id),
            (open_, clients[open_].id),
            (broken, clients[broken].id),
        ):
            aws.put("executions", {"executionName": name, "order": name, "connectionId": listener})

        _ends(attempt, aws, clients[here], "FAILS", "a connection that listens is closed")
        _forgets(attempt, aws, here, clients[here].id)
        _ends(attempt, aws, clients[late], "LATE_FAILS", "the client is back under another id")
        _keeps(attempt, aws, late, "TAKES_ANOTHERS", "back=")
        _ends(attempt, aws, clients[over], "LATE_FAILS", "the execution's item is gone")
        _meets(attempt, aws, meets, clients[meets])
        _ends(attempt, aws, forgotten, "FORGOTTEN_FAILS", "the connection has no item")
        _keeps(attempt, aws, open_, "OTHERS_DELETED", clients[open_].id)
        made = {item["executionName"] for item in aws.items("executions")} - set(clients)
        if made or _named(aws.items("executions"), "executionName", over):
            raise attempt.not_yet(
                "MADE_ANEW",
                did=f"the table executions has an item again for {over}, whose item was gone",
                expected="it stays gone",
            )
        kept = {item["connectionId"] for item in aws.items("connections")}
        wanted = {clients[open_].id, clients[broken].id, "back="}
        if kept != wanted:
            raise attempt.not_yet(
                "OTHERS_DELETED" if kept < wanted else "ITEM_STAYS",
                did=f"the table connections has the items {sorted(kept)}",
                expected=f"{sorted(wanted)}",
            )
        _update_fails(attempt, aws, clients[broken])


def _ends(attempt: Attempt, aws: Sandbox, client: Socket, code: str, what: str) -> None:
    """Close a connection; the function must not raise."""
    before = len(aws.crashes)
    client.close()
    aws.settle()
    if len(aws.crashes) > before:
        raise attempt.not_yet(
            code,
            did=f"{what}: it raises {aws.crashes[-1].error}",
            expected="it ends without an error",
        )


def _forgets(attempt: Attempt, aws: Sandbox, name: str, connection: str) -> None:
    if _named(aws.items("connections"), "connectionId", connection):
        raise attempt.not_yet(
            "ITEM_STAYS",
            did=f"the item of {connection} is still in the table connections",
            expected="it is deleted",
        )
    item = _named(aws.items("executions"), "executionName", name) or {}
    if item.get("order") != name:
        raise attempt.not_yet(
            "ORDER_LOST",
            did=f"the execution's item {_told(item)}",
            expected="only its connectionId is gone",
        )
    if "connectionId" in item:
        raise attempt.not_yet(
            "STILL_LISTENS",
            did=f"connectionId in the item of {name} is {item['connectionId']!r}",
            expected="the attribute is not there any more",
        )


def _meets(attempt: Attempt, aws: Sandbox, name: str, client: Socket) -> None:
    """The client is back before the function's first write has arrived."""
    for operation in WRITES:
        aws.fault("aws.call", "delay", seconds=0.08, operation=operation)
    client.close()
    aws.wait(
        lambda e: (
            (e.kind == "fault.applied" and e.get("operation") in WRITES)
            or (e.kind == "disconnect.handled" and e["connection"] == client.id)
        )
    )
    aws.put("executions", {"executionName": name, "order": name, "connectionId": "soon="})
    aws.settle()
    _keeps(attempt, aws, name, "TAKES_ANOTHERS", "soon=")


def _keeps(attempt: Attempt, aws: Sandbox, name: str, code: str, listener: str) -> None:
    item = _named(aws.items("executions"), "executionName", name) or {}
    if item.get("connectionId") != listener:
        raise attempt.not_yet(
            code,
            did=f"the item of {name} named {listener}, and now {item.get('connectionId', 'nobody')}",
            expected=f"{listener} still listens",
        )


def _update_fails(attempt: Attempt, aws: Sandbox, client: Socket) -> None:
    """A table that may not be written to is no late end."""
    before = len(aws.crashes)
    for operation in WRITES:
        aws.fault(
            "aws.call", "error", status=400, code="AccessDeniedException", operation=operation
        )
    client.close()
    aws.settle()
    if len(aws.crashes) == before:
        raise attempt.not_yet(
            "HIDES_ERRORS",
            did="with AccessDeniedException from DynamoDB, the function ends as if all were well",
            expected="the error leaves the function, and the log says why",
        )


# -- 3.4 ------------------------------------------------------------------------------------------

JOIN = """
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    dynamodb.put_item(
        TableName=os.environ["CONNECTIONS_TABLE"],
        Item={"connectionId": {"S": event["requestContext"]["connectionId"]}},
    )
    return {"statusCode": 200}
"""
"""The chat's ``$connect``."""


@exercise(
    "3.4",
    "The chat that stops halfway",
    kind=Kind.FIND_THE_FAULT,
    difficulty=2,
    minutes=10,
    hints=(
        "The log names an error, and the function has a branch for it. Why is it not taken?",
        "boto3 tells errors apart by name: the code is a text. And when the branch is taken: whose "
        "item does it delete, and who is gone?",
        'Compare with "GoneException", and delete the item whose key is connection_id.',
    ),
    diagnoses={
        "STILL_RAISES": Diagnosis(
            "compare the error's code with what boto3 gives: it is in the log's first error line",
            ("Of which type is the code in the log's line, and with what is it compared?",),
        ),
        "SENDER_DELETED": "delete the item of the connection that is gone, not the sender's",
        "STALE_STAYS": "delete the item of the connection that is gone",
        "STOPS": "go on with the next connection after one that is gone",
        "EVERY_ERROR": "delete an item only if its connection is gone: another error is no proof",
        "NOT_EACH_ONCE": "send the text once to each connection in the table",
        "FAILS": LOG,
    },
    solved="Each item that is deleted here is one whose $disconnect never came. That is the second "
    "of three brooms: $disconnect, 410, and TTL.",
)
def halfway(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        table = aws.table("connections", "connectionId")
        environment = {"CONNECTIONS_TABLE": table}
        url = aws.websocket_api(
            {
                "$connect": aws.function("join", JOIN, environment=environment),
                "say": aws.function("say", file, environment=environment),
            }
        )
        clients = {client.id: client for client in (aws.connect(url) for _ in range(4))}
        # In the order in which the function reads them, one is gone between others.
        found = aws.client("dynamodb").scan(TableName=table)["Items"]
        first, gone, sender, last = (clients[item["connectionId"]["S"]] for item in found)
        gone.close()
        aws.settle()
        text = f"Tea {aws.random.randrange(1000)} is ready"
        sender.send({"action": "say", "text": text})
        aws.settle()
        _everybody(attempt, aws, (first, sender, last), gone, text)
        _not_gone(attempt, aws, sender, last)


def _everybody(
    attempt: Attempt, aws: Sandbox, living: tuple[Socket, ...], gone: Socket, text: str
) -> None:
    sender = living[1]
    left = {item["connectionId"] for item in aws.items("connections")}
    heard = [[frame for frame in client.frames if frame == text] for client in living]
    counts = [len(frames) for frames in heard]
    did = f"with one of 4 connections gone, {sum(map(bool, counts))} of 3 receive the text"
    expected = "all 3 receive it once"
    if aws.crashes:
        error = aws.crashes[-1].error
        code = "STILL_RAISES" if "Gone" in error else "FAILS"
        raise attempt.not_yet(code, did=f"{did}; then {error}", expected=expected)
    if sender.id not in left:
        raise attempt.not_yet(
            "SENDER_DELETED",
            did=f"{gone.id} is gone, and the item of the sender, {sender.id}, was deleted",
            expected=f"the item of {gone.id} is deleted",
        )
    if counts == [1, 0, 0]:
        raise attempt.not_yet("STOPS", did=did, expected=expected)
    if counts != [1, 1, 1]:
        raise attempt.not_yet("NOT_EACH_ONCE", did=f"{did}: {counts} times", expected=expected)
    if gone.id in left:
        raise attempt.not_yet(
            "STALE_STAYS",
            did=f"the item of {gone.id}, which is gone, is still there",
            expected="it is deleted",
        )


def _not_gone(attempt: Attempt, aws: Sandbox, sender: Socket, other: Socket) -> None:
    """A connection that cannot be written to for another reason than 410 keeps its item."""
    aws.fault(
        "management",
        "error",
        status=403,
        code="ForbiddenException",
        connection=other.id,
        times=None,
    )
    sender.send({"action": "say", "text": "more tea"})
    aws.settle()
    if not _named(aws.items("connections"), "connectionId", other.id):
        raise attempt.not_yet(
            "EVERY_ERROR",
            did=f"post_to_connection answered ForbiddenException, and {other.id} was deleted",
            expected="only GoneException means that a connection is gone",
        )


# -- 3.5 ------------------------------------------------------------------------------------------

VARIANTS = Path(__file__).with_name("variants.py")

RIGHT = ("put_first", "update_first")
WRONG = {
    "crashes": ("NAMELESS_CRASHES", "fails, and so answers 502, without a query"),
    "lets_in": ("UNKNOWN_LET_IN", "lets in a client whose execution does not exist"),
    "leaves": ("LEFT_BEHIND", "leaves the item of a connection that it refuses"),
    "milliseconds": ("MILLISECONDS", "writes expiresAt in milliseconds"),
    "forgets": ("NOT_REMEMBERED", "writes no item into the connections table"),
    "deaf": ("DEAF", "does not set connectionId in the execution's item"),
    "posts": ("POSTS", "sends a welcome from $connect, which cannot arrive"),
    "locks_out": ("LOCKED_OUT", "refuses a client that comes back"),
}


@dataclass(frozen=True, slots=True)
class Connected:
    """What came of connecting.

    Attributes:
        status: 101 if the connection was opened, else the status of the refusal.
        connection_id: the connection's id; ``None`` if it was refused.
        item: the item that the connections table has of it now; ``None`` if it has none.
        listener: ``connectionId`` of the execution's item; ``None`` if there is none.
        posts: how often something was sent through ``@connections`` meanwhile.
    """

    status: int
    connection_id: str | None
    item: dict[str, Any] | None
    listener: str | None
    posts: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What a student's test made of one function.

    Attributes:
        failed: what it raised.
        returned: what it returned.
        frames: what its calls showed, a line each, for the verdict.
    """

    failed: Exception | None
    returned: Any
    frames: tuple[str, ...]


@exercise(
    "3.5",
    "A test for $connect",
    kind=Kind.WRITE_THE_CHECK,
    difficulty=4,
    minutes=15,
    needs=("3.2",),
    hints=(
        "For each sentence of 3.2: which call of `connect` shows whether it is true, and which value "
        "must you look at?",
        "Three calls show most of it: without a name, with an unknown one, with `order`. After each, "
        "look at the status and at what is in the tables. A fourth call, with `order` again, shows "
        "what happens to a client that comes back.",
        "assert stranger.status == 403 and stranger.item is None; for connect(order): status 101, the "
        'item\'s executionName, 0 < item["expiresAt"] - time.time() <= 7300, listener == '
        "connection_id, posts == 0; then the same for a second connect(order).",
    ),
    diagnoses={
        "RETURNS": "assert it: what your test returns does not count, only whether it raises",
        "REJECTS_RIGHT": Diagnosis(
            "ask only for what 3.2 asks for, and leave room where the clock goes on",
            ("Which of your assertions would also fail for a function that is right?",),
        ),
        "NOT_AN_ASSERTION": "say that the function is wrong by an assert, before anything else fails",
        "NAMELESS_CRASHES": "ask for the status 400 when there is no query, not only for a refusal",
        "UNKNOWN_LET_IN": "connect with the name of an execution that does not exist",
        "LEFT_BEHIND": "look at what is in the table after a refusal",
        "MILLISECONDS": "compare `expiresAt` with the time in two hours, from above too",
        "NOT_REMEMBERED": "look at the item of a client that has connected",
        "DEAF": "look at who listens after a client has connected",
        "POSTS": "look at whether something was sent",
        "LOCKED_OUT": Diagnosis(
            "connect a second time for the same execution",
            ("What happens to a client that lost its network for a second?",),
        ),
    },
    solved="A test that accepts everything looks the same as a test of a function that is right. So "
    "break the function once, on purpose, and see the test fail.",
)
def test_for_connect(attempt: Attempt, test: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        order, seen = _order(aws), set[str]()
        environment = _tables(aws)
        function = aws.function("variants", VARIANTS, environment=environment)
        url = aws.websocket_api({"$connect": function})
        for variant in RIGHT:
            tried = _tested(aws, test, variant, url, order, seen)
            if tried.failed is not None:
                if not isinstance(tried.failed, AssertionError):
                    raise tried.failed
                raise attempt.not_yet(
                    "REJECTS_RIGHT",
                    did=_cut(f"your test rejects a right function: {_where(tried.failed)}"),
                    expected="it accepts it",
                    frames=tried.frames,
                )
        for variant, (code, what) in WRONG.items():
            tried = _tested(aws, test, variant, url, order, seen)
            if tried.failed is None and tried.returned is not None:
                raise attempt.not_yet(
                    "RETURNS",
                    did=f"your test returns {tried.returned!r} for a wrong function, and raises nothing",
                    expected="an AssertionError",
                    frames=tried.frames,
                )
            if tried.failed is None:
                raise attempt.not_yet(
                    code,
                    did=f"your test accepts a function that {what}",
                    expected="it rejects it",
                    frames=tried.frames,
                )
            if not isinstance(tried.failed, AssertionError):
                raise attempt.not_yet(
                    "NOT_AN_ASSERTION",
                    did=_cut(f"your test raised {_where(tried.failed)}"),
                    expected=f"an AssertionError, because the function {what}",
                    frames=tried.frames,
                )


def _tested(
    aws: Sandbox, test: Callable[..., Any], variant: str, url: str, order: str, seen: set[str]
) -> Tried:
    """Run the student's test against one function.

    ``seen`` holds the connections whose items are there from before.
    """
    aws.put("executions", {"executionName": order, "order": "{}"})
    asked: set[str] = set()
    calls: list[str] = []

    def connect(execution: str | None = None) -> Connected:
        posts = len(aws.calls("apigatewaymanagementapi"))
        query = "" if execution is None else f"?execution={quoted(str(execution))}"
        connection, status = None, 101
        try:
            connection = aws.connect(url + query, {"Variant": variant}).id
        except Refused as refused:
            status = refused.status
        own = [item for item in aws.items("connections") if item["connectionId"] not in seen]
        seen.update(item["connectionId"] for item in own)
        connected = Connected(
            status,
            connection,
            {**own[0], "expiresAt": int(own[0]["expiresAt"])} if own else None,
            _listener(aws, execution, asked) if execution else None,
            len(aws.calls("apigatewaymanagementapi")) - posts,
        )
        calls.append(_call(execution, connected))
        return connected

    failed = returned = None
    try:
        returned = test(connect, order)
    except Exception as error:
        failed = error
    finally:
        # What a wrong function has made must not be there for the next one.
        for name in asked - {order}:
            aws.client("dynamodb").delete_item(
                TableName="executions", Key={"executionName": {"S": name}}
            )
    seen_by_test = calls[-5:] or ["  nothing: it never called connect"]
    return Tried(failed, returned, ("What your test saw of this function:", *seen_by_test, ""))


def _call(execution: str | None, came: Connected) -> str:
    """One call of ``connect`` and what came of it, on a line."""
    argument = "" if execution is None else repr(str(execution))
    item = f"expiresAt {came.item['expiresAt']}" if came.item else "no item"
    listener = "the client" if came.listener == came.connection_id else came.listener
    listens = f"listener {listener}" if came.listener else "no listener"
    return f"  connect({argument}): status {came.status}, {item}, {listens}, {came.posts} posts"


def _listener(aws: Sandbox, execution: str, asked: set[str]) -> str | None:
    """Who listens to an execution."""
    asked.add(execution)
    answer = aws.client("dynamodb").get_item(
        TableName="executions", Key={"executionName": {"S": execution}}, ConsistentRead=True
    )
    found = answer.get("Item", {})
    return str(found["connectionId"]["S"]) if "connectionId" in found else None


def _where(error: Exception) -> str:
    """An exception with the student's line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.line for frame in frames if frame.filename != __file__), "")
    said = f"{type(error).__name__}: {error}".removeprefix("AssertionError: ")
    return f"{said} ({line})" if said else f"{line}"


# -- 3.6 ------------------------------------------------------------------------------------------


@exercise(
    "3.6",
    "Make: an answer to everything else",
    kind=Kind.MAKE,
    difficulty=3,
    minutes=15,
    needs=("3.4",),
    hints=(
        "To whom does the function answer, and where in the event is that?",
        "A client for apigatewaymanagementapi needs an endpoint: domain name and stage of the event's "
        "`requestContext`. `post_to_connection` takes the connection's id and bytes. It raises "
        "GoneException if the client is gone.",
        'request = event["requestContext"]; api = boto3.client("apigatewaymanagementapi", '
        "endpoint_url=f\"https://{request['domainName']}/{request['stage']}\"); then "
        'api.post_to_connection(ConnectionId=request["connectionId"], Data=json.dumps(…).encode()) in '
        "a try, with except api.exceptions.GoneException.",
    ),
    diagnoses={
        "NOTHING_SENT": Diagnosis(
            "send it with `post_to_connection`: what a function returns is not sent to the client",
            ("Where does `body` of the returned value go, if the route has no route response?",),
        ),
        "TEXT_FAILS": "do not read the message: it may be anything",
        "WRONG_STAGE": "take all of the endpoint from the event: https://, domainName, a slash, stage",
        "WRONG_FORM": "send JSON with the members `type`, which is help, and `body` with a `message`",
        "TO_OTHERS": "send to the connection of the event, and to no other",
        "SENT_TWICE": "send one message for each that comes",
        "BAD_ANSWER": "return a dictionary with a `statusCode`",
        "GONE_FAILS": "catch the exception that says that the client is gone",
        "FAILS": LOG,
    },
    solved="This function is part of your system now. With it, all three events of a connection have "
    "their function.",
)
def everything_else(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        environment = _tables(aws)
        function = aws.function("default", file, environment=environment)
        url = aws.websocket_api({"$default": function})
        endpoint, _, _ = url.rpartition("/")
        stage = f"try{aws.random.randrange(100)}"
        aws.client("apigatewayv2").create_stage(
            ApiId=endpoint.rpartition("/")[2], StageName=stage, AutoDeploy=True
        )
        bystander, client, other = (aws.connect(each) for each in (url, url, f"{endpoint}/{stage}"))
        for each in (bystander, client, other):
            aws.put("connections", {"connectionId": each.id, "executionName": _order(aws)})
        for message in ('{"action": "hlep"}', "hello?", "[1, 2]"):
            _helped(attempt, aws, client, message, "TEXT_FAILS" if message[0] != "{" else "FAILS")
        if bystander.frames:
            raise attempt.not_yet(
                "TO_OTHERS",
                did=_cut(f"a client that sent nothing received {json.dumps(bystander.frames[0])}"),
                expected="only the sender receives something",
            )
        _helped(attempt, aws, other, "hello", "WRONG_STAGE", f" on the stage {stage}")
        _gone(attempt, aws, client)


def _helped(
    attempt: Attempt, aws: Sandbox, client: Socket, message: str, code: str, where: str = ""
) -> None:
    """Send a message; exactly one help must come."""
    seen, crashes = len(client.frames), len(aws.crashes)
    client.send(message)
    aws.settle()
    came = client.frames[seen:]
    expected = 'one message {"type": "help", "body": {"message": …}}'
    what = f"for the message {message}{where}"
    if len(aws.crashes) > crashes:
        crash = aws.crashes[-1]
        nowhere = any("(404) when calling the PostToConnection" in line for line in crash.lines)
        raise attempt.not_yet(
            "WRONG_STAGE" if nowhere else code,
            did=f"{what} the function raised {crash.error}",
            expected=expected,
        )
    if not came:
        raise attempt.not_yet(
            "WRONG_STAGE" if code == "WRONG_STAGE" else "NOTHING_SENT",
            did=f"{what} nothing came",
            expected=expected,
        )
    if any(isinstance(frame, dict) and "connectionId" in frame for frame in came):
        raise attempt.not_yet(
            "BAD_ANSWER",
            did=f"{what} an error of API Gateway came: {came[-1].get('message')}",
            expected="the function returns something that API Gateway understands",
        )
    if len(came) > 1:
        raise attempt.not_yet(
            "SENT_TWICE", did=f"{what} {len(came)} messages came", expected=expected
        )
    help_ = came[0]
    body = help_.get("body") if isinstance(help_, dict) else None
    said = body.get("message") if isinstance(body, dict) else None
    if not isinstance(said, str) or not said.strip() or help_.get("type") != "help":
        shown = help_ if isinstance(help_, str) else json.dumps(help_)
        raise attempt.not_yet("WRONG_FORM", did=_cut(f"{what} came {shown}"), expected=expected)


def _gone(attempt: Attempt, aws: Sandbox, client: Socket) -> None:
    """A client that is gone before it is answered."""
    crashes = len(aws.crashes)
    aws.fault("management", "error", status=410, code="GoneException", connection=client.id)
    client.send("hello")
    aws.settle()
    if len(aws.crashes) > crashes:
        raise attempt.not_yet(
            "GONE_FAILS",
            did=f"the client is gone: it raises {aws.crashes[-1].error}",
            expected="it ends without an error",
        )
