"""The checks of lesson 02's exercises."""

from __future__ import annotations

import json
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from labkit.course.exercise import Attempt, Diagnosis, Kind, exercise
from labkit.course.sandbox import Sandbox

DAY = 24 * 3600


@dataclass(slots=True)
class Calls:
    """What was asked of DynamoDB and how much it read, as boto3's own events tell.

    Attributes:
        asked: pairs of operation and parameters.
        read: items that queries and scans have read.
    """

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    read: int = 0

    def of(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each call of an operation."""
        return [parameters for name, parameters in self.asked if name == operation]


@contextmanager
def _watched(client: Any) -> Iterator[Calls]:
    calls = Calls()

    def ask(params: dict[str, Any], model: Any, **_: Any) -> None:
        calls.asked.append((model.name, params))

    def answer(parsed: dict[str, Any], **_: Any) -> None:
        calls.read += parsed.get("ScannedCount", 0)

    events = client.meta.events
    events.register("provide-client-params.dynamodb", ask)
    events.register("after-call.dynamodb", answer)
    try:
        yield calls
    finally:
        events.unregister("provide-client-params.dynamodb", ask)
        events.unregister("after-call.dynamodb", answer)


def _refused(act: Callable[[], Any]) -> str:
    try:
        act()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return "refused"
    return "written"


# -- 2.1 ------------------------------------------------------------------------------------------


@exercise(
    "2.1",
    "What do these writes leave?",
    kind=Kind.PREDICT,
    difficulty=2,
    minutes=5,
    hints=(
        "What is in the item just before each of the writes?",
        "A condition looks at the item as it is at that moment. A put replaces the whole item, an "
        "update changes attributes, and a refused write changes nothing.",
        "After write 3 B listens. So write 4, which is about A, is refused, and write 5 is not.",
    ),
    diagnoses={
        "NOT_SIX": 'give "written" or "refused" for each of the six writes, in their order',
        "NEVER_TWICE": "ask whether the item is there when the second put comes",
        "NEVER_FIRST": "ask whether the item is there when the first put comes",
        "UPDATE_NEEDS_ITEM": "ask whether the item is there when the update comes",
        "LATE_DISCONNECT": Diagnosis(
            "ask who listens when write 4 comes, and whom it is about",
            ("After write 3, is A still in the item?",),
        ),
        "MINE": "ask who listens when the delete comes",
        "GONE": "ask what is left after the delete",
    },
    solved="A refused write is an answer, not a failure: somebody else was faster, or it is not yours.",
)
def what_writes_leave(attempt: Attempt, prediction: Any) -> None:
    said = [str(each).strip().lower() for each in _listed(prediction)]
    if len(said) != 6 or set(said) - {"written", "refused"}:
        raise attempt.not_yet(
            "NOT_SIX",
            did=textwrap.shorten(f"prediction is {prediction}", 100, placeholder=" …"),
            expected='six times "written" or "refused"',
        )
    with attempt.sandbox() as aws:
        happened = _six_writes(aws, aws.table("executions", key="executionName"))
    codes = ("NEVER_FIRST", "NEVER_TWICE", "UPDATE_NEEDS_ITEM", "LATE_DISCONNECT", "MINE", "GONE")
    for number, (guess, was, code) in enumerate(zip(said, happened, codes, strict=True), 1):
        if guess != was:
            raise attempt.not_yet(
                code, did=f"write {number}: you said {guess}", expected=f"it was {was}"
            )


def _listed(prediction: Any) -> list[Any]:
    return list(prediction) if isinstance(prediction, list | tuple) else []


def _six_writes(aws: Sandbox, table: str) -> list[str]:
    dynamodb = aws.client("dynamodb")
    key = {"executionName": {"S": "order-1"}}

    def put(connection: str) -> Any:
        return dynamodb.put_item(
            TableName=table,
            Item={**key, "connectionId": {"S": connection}},
            ConditionExpression="attribute_not_exists(executionName)",
        )

    def listen(connection: str) -> Any:
        return dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="SET connectionId = :new",
            ConditionExpression="attribute_exists(executionName)",
            ExpressionAttributeValues={":new": {"S": connection}},
        )

    def forget(connection: str) -> Any:
        return dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="REMOVE connectionId",
            ConditionExpression="connectionId = :mine",
            ExpressionAttributeValues={":mine": {"S": connection}},
        )

    def delete(connection: str) -> Any:
        return dynamodb.delete_item(
            TableName=table,
            Key=key,
            ConditionExpression="connectionId = :mine",
            ExpressionAttributeValues={":mine": {"S": connection}},
        )

    return [
        _refused(partial(act, who))
        for act, who in (
            (put, "A"),
            (put, "B"),
            (listen, "B"),
            (forget, "A"),
            (delete, "B"),
            (listen, "C"),
        )
    ]


# -- 2.2 ------------------------------------------------------------------------------------------

AT_ONCE = 6
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


@exercise(
    "2.2",
    "Only one may start the work",
    kind=Kind.FILL_IN,
    difficulty=2,
    minutes=10,
    needs=("2.1",),
    hints=(
        "What may happen between a look and a write?",
        "Let DynamoDB look and write in one step: a put with a condition. If the condition does not "
        "hold, boto3 raises ConditionalCheckFailedException, and only that one means False.",
        'put_item(…, ConditionExpression="attribute_not_exists(executionName)") in a try, and '
        "except dynamodb.exceptions.ConditionalCheckFailedException: return False.",
    ),
    diagnoses={
        "TWO_WINNERS": Diagnosis(
            "let one call look and write: a put with a condition",
            ("Six callers look, and none of them sees an item. What does each of them do next?",),
        ),
        "OVERWRITES": "leave the item of the first caller as it is",
        "REFUSAL_RAISES": "catch the exception that says that the condition does not hold",
        "HIDES_ERRORS": "catch only ConditionalCheckFailedException: any other error is a real one",
        "NOT_WRITTEN": "write the item, with the key `executionName` and the attribute `order`",
        "NOT_TRUE": "return True if this call wrote the item, and False if not",
    },
    solved="The winner is chosen where the data is. Locks, queues and luck are not needed.",
)
def only_one(attempt: Attempt, claim: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        dynamodb = aws.client("dynamodb")
        table = aws.table("executions", key="executionName")
        name, other = (f"order-{aws.random.randrange(10**6)}" for _ in range(2))
        orders = [f'{{"customer": "c{number}"}}' for number in range(AT_ONCE)]
        alone = claim(dynamodb, table, name, orders[0])
        written = aws.items(table)
        if [(each["executionName"], each.get("order")) for each in written] != [(name, orders[0])]:
            raise attempt.not_yet(
                "NOT_WRITTEN",
                did=textwrap.shorten(
                    f"after the first call the table holds {written or 'nothing'}",
                    100,
                    placeholder=" …",
                ),
                expected=f"one item {name} with the order",
            )
        try:
            again = claim(dynamodb, table, name, orders[1])
        except dynamodb.exceptions.ConditionalCheckFailedException:
            raise attempt.not_yet(
                "REFUSAL_RAISES",
                did="the second call raised ConditionalCheckFailedException",
                expected="it returns False",
            ) from None
        if aws.items(table) != written:
            raise attempt.not_yet(
                "OVERWRITES",
                did=f"a second call for {name} changed the item",
                expected="the first order stays",
            )
        if alone is not True or again is not False:
            raise attempt.not_yet(
                "NOT_TRUE",
                did=f"the first call returned {alone!r}, the second {again!r}",
                expected="True, then False",
            )
        _race(attempt, aws, claim, table, other, orders)
        _other_program(attempt, aws, claim, table, f"{name}-again", orders)
        _real_error(attempt, dynamodb, claim)


def _race(
    attempt: Attempt,
    aws: Sandbox,
    claim: Callable[..., Any],
    table: str,
    name: str,
    orders: list[str],
) -> None:
    dynamodb = aws.client("dynamodb")
    # Whoever looks before writing has looked by the time that the first write gets through.
    aws.fault("aws.call", "delay", seconds=0.05, operation="PutItem", table=table, times=None)
    together = Barrier(AT_ONCE)

    def caller(order: str) -> Any:
        together.wait(5)
        return claim(dynamodb, table, name, order)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        won = Counter(bool(result) for result in threads.map(caller, orders))[True]
    if won != 1:
        raise attempt.not_yet(
            "TWO_WINNERS",
            did=f"{AT_ONCE} callers at the same moment: {won} got True",
            expected="exactly one gets True",
        )


def _other_program(
    attempt: Attempt,
    aws: Sandbox,
    claim: Callable[..., Any],
    table: str,
    name: str,
    orders: list[str],
) -> None:
    # Functions run in processes of their own, so a lock in one of them stops nobody in another.
    dynamodb = aws.client("dynamodb")
    theirs = {"executionName": {"S": name}, "order": {"S": orders[1]}}
    overtaken = False

    def overtake(model: Any, **_: Any) -> None:
        nonlocal overtaken
        if model.name not in WRITES and not overtaken:
            write = partial(
                dynamodb.put_item,
                TableName=table,
                Item=theirs,
                ConditionExpression="attribute_not_exists(executionName)",
            )
            overtaken = _refused(write) == "written"

    dynamodb.meta.events.register("after-call.dynamodb", overtake)
    try:
        said = claim(dynamodb, table, name, orders[0])
    finally:
        dynamodb.meta.events.unregister("after-call.dynamodb", overtake)
    if overtaken and said:
        raise attempt.not_yet(
            "TWO_WINNERS",
            did="it looked, another program wrote the item, and it still got True",
            expected="False, because the other program was first",
        )


def _real_error(attempt: Attempt, dynamodb: Any, claim: Callable[..., Any]) -> None:
    try:
        said = claim(dynamodb, "no-such-table", "order-1", "{}")
    except ClientError:
        return
    raise attempt.not_yet(
        "HIDES_ERRORS",
        did=f"with a table that does not exist it returned {said!r}",
        expected="the error ResourceNotFoundException comes out",
    )


# -- 2.3 ------------------------------------------------------------------------------------------


@exercise(
    "2.3",
    "The table that never gets empty",
    kind=Kind.FIND_THE_FAULT,
    difficulty=1,
    minutes=8,
    hints=(
        "How many digits does the time in seconds have today?",
        "TTL takes a number of seconds since the epoch. Thirteen digits are milliseconds.",
        "expires = int(time.time()) + TWO_HOURS",
    ),
    diagnoses={
        "MILLISECONDS": "give the time in seconds: `time.time()` counts in seconds already",
        "NO_SPAN": "add two hours to the time, and nothing else",
        "IN_THE_PAST": "let it expire after now, not before",
        "NOT_WHOLE": "give a whole number of seconds, as DynamoDB's type N",
        "NOT_AN_EPOCH": "give the seconds since 1970, which have ten digits today: TTL compares them with "
        "the clock",
        "ITEM_CHANGED": "keep the key `connectionId` and the attribute `executionName` as they were",
    },
    solved="An item whose time is years in the past is ignored by TTL too, in case it is a mistake. "
    "One in the far future is not noticed by anybody.",
)
def never_empty(attempt: Attempt, remember: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        table = aws.table("connections", key="connectionId")
        connection = f"c{aws.random.randrange(10**6)}="
        before = time.time()
        remember(aws.client("dynamodb"), table, connection, "order-1")
        after = time.time()
        answer = aws.client("dynamodb").get_item(
            TableName=table, Key={"connectionId": {"S": connection}}
        )
        item = answer.get("Item", {})
    if item.get("executionName") != {"S": "order-1"}:
        raise attempt.not_yet(
            "ITEM_CHANGED",
            did=f"the item of {connection} is {item or 'not there'}"[:110],
            expected="connectionId, executionName and expiresAt",
        )
    stored = item.get("expiresAt", {}).get("N", "")
    did = f"expiresAt is {stored or item.get('expiresAt')}, the time was {int(before)}"
    expected = f"{int(before) + 7200}, which is in two hours"
    if not stored.lstrip("-").isdecimal():
        raise attempt.not_yet("NOT_WHOLE", did=did, expected=expected)
    expires = int(stored)
    if expires > 100 * before:
        code = "MILLISECONDS"
    elif expires < DAY * 365:
        code = "NOT_AN_EPOCH"
    elif expires <= before:
        code = "IN_THE_PAST"
    elif not before + 7199 <= expires <= after + 7201:
        code = "NO_SPAN"
    else:
        return
    raise attempt.not_yet(code, did=did, expected=expected)


# -- 2.4 ------------------------------------------------------------------------------------------


@exercise(
    "2.4",
    "Who listens?",
    kind=Kind.FILL_IN,
    difficulty=2,
    minutes=10,
    needs=("2.3",),
    hints=(
        "In which three cases does nobody listen?",
        "`get_item` answers without `Item` if there is none. An item may lack `connectionId`. An "
        "expired item is still there. And a read sees the newest write only if you ask for it.",
        'answer = dynamodb.get_item(…, ConsistentRead=True); item = answer.get("Item", {}); then ask '
        'for "connectionId" in item, and compare int(item["expiresAt"]["N"]) with now.',
    ),
    diagnoses={
        "NO_ITEM": "return None if there is no item: the answer has no `Item` then",
        "NO_CONNECTION": "return None if the item names no connection",
        "EXPIRED": Diagnosis(
            "compare `expiresAt` with `now`: an expired item is still there",
            ("How long may it take until DynamoDB deletes an expired item?",),
        ),
        "SCANNED": "go to the item by its key: a scan reads the whole table",
        "STALE": "ask for a consistent read, so that a write of a moment ago is seen",
        "WRONG_TYPE": "return the connection's id as a text, without DynamoDB's `S`",
        "WRONG_CONNECTION": "return the `connectionId` of this execution's item",
    },
    solved="A consistent read costs twice as much as another one. A lost result costs more.",
)
def who_listens(attempt: Attempt, listener: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        now = 1_900_000_000 + aws.random.randrange(1000)
        connection = f"c{aws.random.randrange(10**6)}="
        cases: dict[str, tuple[dict[str, Any] | None, str | None, str]] = {
            "live": ({"connectionId": connection, "expiresAt": now + 1}, connection, ""),
            "none": (None, None, "NO_ITEM"),
            "bare": ({"expiresAt": now + 60}, None, "NO_CONNECTION"),
            "old": ({"connectionId": "old=", "expiresAt": now - 60}, None, "EXPIRED"),
            "just": ({"connectionId": "just=", "expiresAt": now}, None, "EXPIRED"),
        }
        table = aws.table(
            "executions",
            key="executionName",
            items=[{"executionName": name, **item} for name, (item, *_) in cases.items() if item],
        )
        dynamodb = aws.client("dynamodb")
        with _watched(dynamodb) as calls:
            for name, (item, wanted, code) in cases.items():
                call = partial(listener, dynamodb, table, name, now)
                _listened(attempt, call, item, wanted, code)
    if calls.of("Scan"):
        raise attempt.not_yet(
            "SCANNED",
            did=f"it scanned: {calls.read} items were read for {len(cases)} questions",
            expected="each question reads one item at most",
        )
    reads = [*calls.of("GetItem"), *calls.of("Query")]
    if any(not read.get("ConsistentRead") for read in reads):
        raise attempt.not_yet(
            "STALE",
            did="it read without ConsistentRead",
            expected="each read asks for the newest state",
        )


def _listened(
    attempt: Attempt,
    call: Callable[[], Any],
    item: dict[str, Any] | None,
    wanted: str | None,
    code: str,
) -> None:
    shown = f"the item is {item}" if item else "there is no item"
    try:
        said = call()
    except (KeyError, TypeError, AttributeError) as error:
        if not code or code == "EXPIRED":
            raise
        raise attempt.not_yet(
            code, did=f"{shown}: it raised {type(error).__name__}: {error}", expected="None"
        ) from None
    if said == wanted:
        return
    if wanted is not None:
        code = "WRONG_TYPE" if isinstance(said, dict) else "WRONG_CONNECTION"
    raise attempt.not_yet(code, did=f"{shown}: it gave {said!r}", expected=repr(wanted))


# -- 2.5 ------------------------------------------------------------------------------------------


@exercise(
    "2.5",
    "All followers, and nobody else's",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=10,
    hints=(
        "Which call goes to one partition key, and reads no other?",
        "Query with a KeyConditionExpression on the partition key. An answer has at most 1 MB; if it "
        "has a LastEvaluatedKey, there is more. A paginator follows it.",
        'pages = dynamodb.get_paginator("query").paginate(TableName=table, KeyConditionExpression='
        '"executionName = :name", ExpressionAttributeValues={":name": {"S": name}}), then go through '
        'page["Items"].',
    ),
    diagnoses={
        "SCANNED": "use a query: a scan reads all items, whatever its filter says",
        "FIRST_PAGE_ONLY": Diagnosis(
            "go on where the answer ended: it names the last key that it read",
            ("What does an answer hold, beside `Items`, when there is more?",),
        ),
        "OTHERS_TOO": "return only the followers of the execution that is asked for",
        "NOT_IDS": "return a list of connection ids as texts",
        "NOT_IN_ORDER": "return them in the order of the sort key",
        "READ_TOO_MUCH": "read each follower once, and nothing else",
    },
    solved="ScannedCount is what you pay for, Count is what you get. For a query on keys they agree.",
)
def all_followers(attempt: Attempt, followers: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        table = aws.table("followers", key="executionName", sort="connectionId")
        name, other, nobody = (f"order-{aws.random.randrange(10**6)}" for _ in range(3))
        wanted = sorted(f"tab-{number:03}" for number in aws.random.sample(range(1000), 6))
        # Three of these fit into one answer.
        heavy = "x" * 300_000
        aws.put(
            table,
            *({"executionName": name, "connectionId": each, "page": heavy} for each in wanted),
            *({"executionName": other, "connectionId": f"other-{each}"} for each in range(9)),
        )
        dynamodb = aws.client("dynamodb")
        with _watched(dynamodb) as calls:
            found = followers(dynamodb, table, name)
        empty = followers(dynamodb, table, nobody)
    expected = f"{wanted}"
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise attempt.not_yet("NOT_IDS", did=f"it returned {str(found)[:70]}", expected=expected)
    if not isinstance(empty, list):
        raise attempt.not_yet(
            "NOT_IDS", did=f"for an execution without followers: {str(empty)[:50]}", expected="[]"
        )
    did = f"it returned {found}"[:150]
    if calls.of("Scan"):
        raise attempt.not_yet(
            "SCANNED",
            did=f"it scanned: {calls.read} items were read",
            expected=f"a query, which reads {len(wanted)}",
        )
    if set(found) < set(wanted):
        raise attempt.not_yet("FIRST_PAGE_ONLY", did=did, expected=expected)
    if set(found) != set(wanted) or empty:
        did = did if set(found) != set(wanted) else f"for an execution without followers: {empty}"
        raise attempt.not_yet("OTHERS_TOO", did=did[:150], expected=expected if not empty else "[]")
    if calls.read > len(wanted):
        raise attempt.not_yet(
            "READ_TOO_MUCH", did=f"{calls.read} items were read", expected=f"{len(wanted)} are read"
        )
    if found != wanted:
        raise attempt.not_yet("NOT_IN_ORDER", did=did, expected=expected)


# -- 2.6 ------------------------------------------------------------------------------------------


@exercise(
    "2.6",
    "Make: the tables of your system",
    kind=Kind.MAKE,
    difficulty=3,
    minutes=15,
    needs=("2.4",),
    hints=(
        "What must be different between the two tables, and what is the same?",
        "create_table with one key of type S, wait until it exists, then update_time_to_live. A name "
        "that is taken raises ResourceInUseException: in a second run that is good news.",
        'for table, key in ((executions, "executionName"), (connections, "connectionId")): try '
        "create_table(…) except dynamodb.exceptions.ResourceInUseException: pass; then the waiter "
        '"table_exists", then update_time_to_live(…, {"Enabled": True, "AttributeName": "expiresAt"}).',
    ),
    diagnoses={
        "TABLE_MISSING": "make a table under each of the two names that the function gets",
        "WRONG_KEY": "give each table its own key, a text, and no sort key",
        "NO_TTL": "switch on TTL for both tables",
        "WRONG_TTL_ATTRIBUTE": "let TTL look at `expiresAt`",
        "NOT_TWICE": "let a second run find the tables, and their TTL, instead of failing",
        "ITEMS_LOST": "keep what is in the tables when the function runs again",
        "NOT_READY": "wait until both tables can be used",
    },
    solved="These tables are part of your system now: resume() makes them in later lessons.",
)
def make_tables(attempt: Attempt, create_tables: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        dynamodb = aws.client("dynamodb")
        number = aws.random.randrange(1000)
        keys = {f"executions-{number}": "executionName", f"connections-{number}": "connectionId"}
        with _watched(dynamodb) as calls:
            create_tables(dynamodb, *keys)
        for table, key in keys.items():
            _as_it_should_be(attempt, dynamodb, table, key)
        # On AWS a table is being created for seconds; here it is there at once.  So what is looked at
        # is whether the function asked.
        waited = {each["TableName"] for each in calls.of("DescribeTable")}
        if waited < set(keys):
            raise attempt.not_yet(
                "NOT_READY",
                did="it returned without asking whether the tables can be used",
                expected='a wait for both, such as the waiter "table_exists"',
            )
        for table, key in keys.items():
            aws.put(table, {key: "kept"})
        try:
            with _ttl_enabled_once(dynamodb):
                create_tables(dynamodb, *keys)
        except ClientError as error:
            raise attempt.not_yet(
                "NOT_TWICE",
                did=f"a second run raised {error.response['Error']['Code']}: "
                f"{error.response['Error']['Message']}"[:100],
                expected="it finds the tables and changes nothing",
            ) from None
        for table, key in keys.items():
            if aws.items(table) != [{key: "kept"}]:
                raise attempt.not_yet(
                    "ITEMS_LOST",
                    did=f"after a second run {table} holds {aws.items(table)}",
                    expected="the item that was put into it",
                )


@contextmanager
def _ttl_enabled_once(client: Any) -> Iterator[None]:
    """Refuse to enable TTL again, as AWS does; moto takes it."""

    def refuse(params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        table = json.loads(params["body"])["TableName"]
        now = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        if now["TimeToLiveStatus"] != "ENABLED":
            return None
        error = {"Code": "ValidationException", "Message": "TimeToLive is already enabled"}
        return AWSResponse("", 400, HTTPHeaders(), None), {"Error": error, "ResponseMetadata": {}}

    client.meta.events.register("before-call.dynamodb.UpdateTimeToLive", refuse)
    try:
        yield
    finally:
        client.meta.events.unregister("before-call.dynamodb.UpdateTimeToLive", refuse)


def _as_it_should_be(attempt: Attempt, dynamodb: Any, table: str, key: str) -> None:
    try:
        made = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        there = dynamodb.list_tables()["TableNames"]
        raise attempt.not_yet(
            "TABLE_MISSING", did=f"there is no {table}; tables: {there}", expected=table
        ) from None
    names = [each["AttributeName"] for each in made["KeySchema"]]
    types = {each["AttributeName"]: each["AttributeType"] for each in made["AttributeDefinitions"]}
    if names != [key] or types.get(key) != "S":
        raise attempt.not_yet(
            "WRONG_KEY",
            did=f"the key of {table} is {', '.join(f'{n} ({types.get(n)})' for n in names)}",
            expected=f"{key} (S)",
        )
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if expiry["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
        raise attempt.not_yet(
            "NO_TTL", did=f"TTL of {table} is {expiry['TimeToLiveStatus']}", expected="ENABLED"
        )
    if expiry["AttributeName"] != "expiresAt":
        raise attempt.not_yet(
            "WRONG_TTL_ATTRIBUTE",
            did=f"TTL of {table} looks at {expiry['AttributeName']!r}",
            expected="'expiresAt'",
        )
