"""The checks of lesson 04's exercises."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import textwrap
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from labkit.course.exercise import Attempt, Diagnosis, Kind, exercise
from labkit.course.lessons.l04_request_and_reply.order_desk import (
    TICKETS,
    Desk,
    module,
    name_of,
    order_of,
    parsed,
    short,
)
from labkit.course.lessons.l04_request_and_reply.versions import RIGHT, WRONG, Shop
from labkit.course.sandbox import Refused, Sandbox, quoted
from labkit.eventlog import Event

DAY = 24 * 3600

LOG = "read the log above: its [ERROR] line, then the last line with /var/task, which is yours"

WRITES = ("PutItem", "UpdateItem", "TransactWriteItems")
"""The operations that can look and write in one step."""

# -- 4.1 ------------------------------------------------------------------------------------------

SIX_WAYS = """
import time


def handler(event, context):
    case = event.get("body")
    if case == "A":
        return {"statusCode": 202, "body": "accepted"}
    if case == "B":
        return {"orderId": "order-1"}
    if case == "C":
        raise KeyError("items")
    if case == "D":
        time.sleep(1)
        return {"statusCode": 200, "body": "done"}
    return {"statusCode": 400, "body": "no items"}
"""


REQUESTS = {
    "A": ("FUNCTION_DECIDES", "the function returns 202"),
    "B": ("NO_STATUS", "the function returns no status"),
    "C": ("FUNCTION_FAILS", "the function raises"),
    "D": ("TOO_SLOW", "the function works for longer than the API waits"),
    "E": ("NO_ROUTE", "the method is GET"),
    "F": ("FUNCTION_DECIDES", "the function returns 400"),
}
"""The diagnosis of a wrong prediction, and what the request is about."""


@exercise(
    "4.1",
    "What does the client get?",
    kind=Kind.PREDICT,
    difficulty=1,
    minutes=5,
    hints=(
        "In which of these cases does the function decide, and in which does the API?",
        "A function's status reaches the client as it is. JSON without one is a success. If the "
        "function fails, does not answer in time, or is not reached at all, the API answers itself.",
        "C is the API's 500, D its 503, E its 404. B is an ordinary success.",
    ),
    diagnoses={
        "NOT_SIX": "give one status, a number, for each of the six requests",
        "FUNCTION_DECIDES": "take the status that the function returns",
        "NO_STATUS": "ask what the API makes of an answer that has no statusCode",
        "FUNCTION_FAILS": "ask who answers when the function has raised",
        "TOO_SLOW": Diagnosis(
            "ask who answers when the function is still working",
            ("The client waits, the API waits, the function works. Who gives up first?",),
        ),
        "NO_ROUTE": "ask whether the API has a route for this request",
    },
    solved="On AWS the longest wait is 30 seconds for an HTTP API and 29 for a WebSocket API.",
)
def statuses(attempt: Attempt, statuses: Any) -> None:
    if (
        not isinstance(statuses, list | tuple)
        or len(statuses) != 6
        or not all(isinstance(each, int) for each in statuses)
    ):
        raise attempt.not_yet(
            "NOT_SIX",
            did=f"statuses is {short(str(statuses))}",
            expected="six numbers, such as 404",
        )
    with attempt.sandbox() as aws:
        function = aws.function("orders", SIX_WAYS)
        url = aws.http_api({"POST /orders": function})
        got = {case: _status(aws, url, case) for case in "ABCEF"}
        # Only now, so that on a slow machine no other request waits too long.
        apis = aws.client("apigatewayv2")
        api_id = apis.get_apis()["Items"][0]["ApiId"]
        integration = apis.get_integrations(ApiId=api_id)["Items"][0]["IntegrationId"]
        apis.update_integration(ApiId=api_id, IntegrationId=integration, TimeoutInMillis=300)
        got["D"] = _status(aws, url, "D")
    for (case, (code, what)), said in zip(REQUESTS.items(), statuses, strict=True):
        if said != got[case]:
            raise attempt.not_yet(
                code,
                did=f"request {case}, in which {what}: you said {said}",
                expected=f"the client got {got[case]}",
            )


def _status(aws: Sandbox, url: str, case: str) -> int:
    """Send one of the six requests; the status that the client gets."""
    if case == "E":
        return aws.request("GET", f"{url}/orders")[0]
    return aws.request("POST", f"{url}/orders", case)[0]


# -- 4.2 ------------------------------------------------------------------------------------------


@exercise(
    "4.2",
    "The same order, sent twice",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=10,
    needs=("2.2",),
    hints=(
        "What must be the same on each try, and what decides it?",
        "The name is made of the key alone. One conditional put writes the item; if it is refused, the "
        "item that is there tells whether it is the same order. "
        "ReturnValuesOnConditionCheckFailure brings it along.",
        "hashlib.sha256(key.encode()).hexdigest()[:32]; put_item(…, ConditionExpression="
        '"attribute_not_exists(executionName)", ReturnValuesOnConditionCheckFailure="ALL_OLD"); in the '
        'except: json.loads(there.response["Item"]["order"]["S"]) != order: raise ValueError.',
    ),
    diagnoses={
        "WRONG_NAME": "make the name of the key: order- and 32 hexadecimal digits of its SHA-256",
        "NO_KEY": "make up another name each time, if there is no key",
        "NOT_WRITTEN": "write the item, with the order as JSON text",
        "NO_EXPIRY": "let the item expire in 90 days, in seconds",
        "SAME_ORDER_REFUSED": "let the same order through as often as it comes",
        "TEXTS_COMPARED": Diagnosis(
            "compare the orders, not their texts",
            ('Are {"a": 1, "b": 2} and {"b": 2, "a": 1} the same order? And the same text?',),
        ),
        "OVERWRITES": "leave the item as it is when the order comes again",
        "OTHER_ORDER_PASSES": Diagnosis(
            "compare the order with the one in the item, and raise ValueError if it is another",
            ("A client uses its key for a second order by mistake. What should it hear?",),
        ),
        "TWO_WINNERS": Diagnosis(
            "let one call look and write: a write with a condition",
            ("Two functions look, and neither sees an item. What does each of them do next?",),
        ),
        "STALE": Diagnosis(
            "compare with the item as it is now: let the refused put bring it, or read consistently",
            (
                "The put was refused, so the item is there. Does GetItem see it already?",
                "By default GetItem may answer with a copy to which the last write has not come yet. The "
                "local cloud never does so, AWS now and then.",
                'ConsistentRead=True, or ReturnValuesOnConditionCheckFailure="ALL_OLD", which needs no '
                "second call.",
            ),
        ),
        "HIDES_ERRORS": "catch only ConditionalCheckFailedException: any other error is a real one",
    },
    solved="AWS's own APIs do the same with a ClientToken.",
)
def same_order(attempt: Attempt, begin: Callable[..., Any]) -> None:
    with attempt.sandbox() as aws:
        desk = Desk(aws)
        dynamodb = aws.client("dynamodb")
        order = order_of(aws)
        key = f"{aws.random.randrange(10**9)} / ä€ {{}}"

        name = begin(dynamodb, desk.executions, key, order)
        if name != name_of(key):
            raise attempt.not_yet(
                "WRONG_NAME",
                did=f"for the key {key!r} the name is {short(str(name), 50)}",
                expected=name_of(key),
            )
        _item_is_right(attempt, desk, name, order)
        before = desk.item(name) or {}

        # What others write into the item meanwhile must stay, too.
        dynamodb.update_item(
            TableName=desk.executions,
            Key={"executionName": {"S": name}},
            UpdateExpression="SET connectionId = :c",
            ExpressionAttributeValues={":c": {"S": "AAA="}},
        )
        reversed_order = dict(reversed(order.items()))
        for code, what, again in (
            ("SAME_ORDER_REFUSED", "the same order again", order),
            ("TEXTS_COMPARED", "the same order, its members in another order,", reversed_order),
        ):
            said = _said(begin, dynamodb, desk.executions, key, again)
            if said != name:
                raise attempt.not_yet(
                    code, did=f"{what} gave {short(said, 60)}", expected=f"the same name, {name}"
                )
        wanted, found = {**before, "connectionId": "AAA="}, desk.item(name) or {}
        changed = [key for key in wanted | found if wanted.get(key) != found.get(key)]
        if changed:
            raise attempt.not_yet(
                "OVERWRITES",
                did=f"the same order again changed or removed: {', '.join(changed)}",
                expected="the item stays as it is, with what others have written into it",
            )
        _other_orders(attempt, desk, dynamodb, begin, key, order)
        _overtaken(attempt, desk, dynamodb, begin, order)
        _read_too_old(attempt, desk, dynamodb, begin, key, order)
        said = _said(begin, dynamodb, "no-such-table", key, order)
        if said != "ResourceNotFoundException":
            raise attempt.not_yet(
                "HIDES_ERRORS",
                did=f"with a table that does not exist it gave {short(said, 60)}",
                expected="the error ResourceNotFoundException comes out",
            )


def _said(begin: Callable[..., Any], *arguments: Any) -> str:
    """What a call returned, or the name of the error that came out."""
    try:
        return str(begin(*arguments))
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except ValueError:
        return "ValueError"


def _lasts(item: dict[str, Any]) -> float:
    """Seconds until an item expires; 0 if it does not say so with a number."""
    expires = item.get("expiresAt")
    return float(expires) - time.time() if isinstance(expires, Decimal) else 0.0


def _item_is_right(attempt: Attempt, desk: Desk, name: str, order: Any) -> None:
    item = desk.item(name) or {}
    if parsed(item.get("order")) != order:
        raise attempt.not_yet(
            "NOT_WRITTEN",
            did=f"the item's order is {short(str(item.get('order')))}"
            if item
            else f"there is no item {name}",
            expected=f"the order as JSON text: {short(json.dumps(order), 60)}",
        )
    lasts = _lasts(item)
    if not 89 * DAY < lasts < 91 * DAY:
        raise attempt.not_yet(
            "NO_EXPIRY",
            did=f"expiresAt is {item.get('expiresAt', 'not there')}, the time is {int(time.time())}",
            expected=f"{int(time.time()) + 90 * DAY}",
        )


def _other_orders(
    attempt: Attempt, desk: Desk, dynamodb: Any, begin: Callable[..., Any], key: str, order: Any
) -> None:
    other = {**order, "customer": "grace@example.com"}
    said = _said(begin, dynamodb, desk.executions, key, other)
    if said != "ValueError":
        raise attempt.not_yet(
            "OTHER_ORDER_PASSES",
            did=f"another order under the same key gave {short(said, 60)}",
            expected="ValueError",
        )
    made_up = {str(begin(dynamodb, desk.executions, None, order)) for _ in range(2)}
    if len(made_up) < 2 or not all(re.fullmatch(r"order-[0-9a-f]{32}", n) for n in made_up):
        raise attempt.not_yet(
            "NO_KEY",
            did=f"two orders without a key got {short(' and '.join(sorted(made_up)))}",
            expected="two names, each order- and 32 hexadecimal digits",
        )


def _overtaken(
    attempt: Attempt, desk: Desk, dynamodb: Any, begin: Callable[..., Any], order: Any
) -> None:
    """Another order takes the key in the moment before the item is written."""
    key = f"{desk.aws.random.randrange(10**9)} twice"
    other = {**order, "customer": "grace@example.com"}
    events, before = dynamodb.meta.events, "before-call.dynamodb"

    def overtake(model: Any, **_: Any) -> None:
        if model.name in WRITES:
            events.unregister(before, overtake)
            desk.take(name_of(key), other)

    events.register(before, overtake)
    said = _said(begin, dynamodb, desk.executions, key, order)
    events.unregister(before, overtake)  # if nothing was written
    item = desk.item(name_of(key)) or {}
    if said != "ValueError" or parsed(item.get("order")) != other:
        raise attempt.not_yet(
            "TWO_WINNERS",
            did=f"another order took the key just before the write; begin gave {short(said, 50)}",
            expected="ValueError, and the item of the other order stays",
        )


def _read_too_old(
    attempt: Attempt, desk: Desk, dynamodb: Any, begin: Callable[..., Any], key: str, order: Any
) -> None:
    """The item was written a moment ago, and a read that is not consistent does not see it yet."""

    def copy(params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        if json.loads(params["body"]).get("ConsistentRead"):
            return None
        return AWSResponse("", 200, HTTPHeaders(), None), {"ResponseMetadata": {}}

    dynamodb.meta.events.register("before-call.dynamodb.GetItem", copy)
    try:
        said = str(begin(dynamodb, desk.executions, key, order))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    finally:
        dynamodb.meta.events.unregister("before-call.dynamodb.GetItem", copy)
    if said != name_of(key):
        raise attempt.not_yet(
            "STALE",
            did=f"GetItem did not see what was written just before; begin gave {short(said, 50)}",
            expected=f"the same name, {name_of(key)}",
        )


# -- 4.3 ------------------------------------------------------------------------------------------


@exercise(
    "4.3",
    "The ticket",
    kind=Kind.FILL_IN,
    difficulty=3,
    minutes=15,
    hints=(
        "What must nobody be able to change, and how would you notice?",
        "Put the name and the time into the payload, as JSON, base64url. Sign the payload. To verify: "
        "sign the payload that came, compare with the signature that came, and only then read it.",
        "hmac.digest(key.encode(), payload.encode(), hashlib.sha256); text.partition('.'); "
        "hmac.compare_digest(given.encode(), signature.encode()); then json.loads(decode(payload)).",
    ),
    diagnoses={
        "NO_ROUND_TRIP": "let verify return the name that sign was given",
        "NOT_FOR_A_URL": "use only letters, digits, - and _ in the two parts, with a dot between them",
        "FORGED_PASSES": Diagnosis(
            "compare the signature that came with the one that belongs to the payload",
            ("A client writes a payload of its own. What does it lack?",),
        ),
        "NOT_BOUND": "sign the whole payload: the name and the time",
        "OTHER_KEY_PASSES": "sign with the key",
        "EXPIRED_PASSES": "raise Expired when `now` has reached the time in the ticket",
        "EXPIRED_TOO_EARLY": "let a ticket through until its time is over",
        "GARBAGE_FAILS": "raise Forged for any text that is no ticket of ours, and nothing else",
        "KEY_SHOWN": "keep the key out of the ticket",
        "NOT_AN_HMAC": Diagnosis(
            "sign with HMAC-SHA256, not with a hash of key and payload",
            (
                "A hash of key and payload, one after the other, can be continued by somebody who "
                "does not know the key. Which function was made against that?",
            ),
        ),
    },
    solved="Whoever lacks the key can make no ticket, so nothing has to be stored when one is issued.",
)
def ticket(attempt: Attempt, file: Path) -> None:
    names = module(file.read_text("utf-8"), "ticket")
    wanted = ("sign", "verify", "Forged", "Expired")
    if missing := [each for each in wanted if each not in names]:
        raise attempt.not_yet(
            "WRONG_KIND", did=f"ticket.py has no {missing[0]}", expected=", ".join(wanted)
        )
    sign, verify, forged, expired = (names[each] for each in wanted)
    seed = attempt.seed
    name, other = f"order-{seed % 9973:04}", f"order-ä{seed % 9967:04}"
    key, now = f"key-{seed}", 1_900_000_000 + seed % 1000

    good = sign(name, key, now + 60)
    _is_text(attempt, good, key)
    for execution in (name, other):
        try:
            found = verify(sign(execution, key, now + 60), key, now)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found != execution:
            raise attempt.not_yet(
                "NO_ROUND_TRIP", did=f"verify gave {short(str(found))}", expected=repr(execution)
            )

    def raised(text: str, at: int = now, with_key: str = key) -> str:
        try:
            return repr(verify(text, with_key, at))
        except forged:
            return "Forged"
        except expired:
            return "Expired"
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def need(code: str, said: str, wanted: str, what: str) -> None:
        if said != wanted:
            raise attempt.not_yet(
                code, did=f"{what}: verify gave {short(said, 60)}", expected=wanted
            )

    payload, _, signed = good.partition(".")
    others = sign(other, key, now + 60).partition(".")[0]
    later = sign(name, key, now + 9999).partition(".")[0]
    need(
        "FORGED_PASSES", raised(f"{payload}.{_changed(signed)}"), "Forged", "with another signature"
    )
    need("FORGED_PASSES", raised(f"{payload}."), "Forged", "without a signature")
    need(
        "NOT_BOUND",
        raised(f"{others}.{signed}"),
        "Forged",
        "with the signature of another execution's ticket",
    )
    need(
        "NOT_BOUND",
        raised(f"{later}.{signed}"),
        "Forged",
        "with a later time under the old signature",
    )
    need("OTHER_KEY_PASSES", raised(good, with_key=f"{key}!"), "Forged", "signed with another key")
    need(
        "EXPIRED_TOO_EARLY", raised(good, now + 59), repr(name), "a second before its time is over"
    )
    need("EXPIRED_PASSES", raised(good, now + 60), "Expired", "at the moment when its time is over")
    need("EXPIRED_PASSES", raised(good, now + 10**6), "Expired", "long after its time")
    unreadable = base64.urlsafe_b64encode(b"\xff\xfe{").decode().rstrip("=")
    for garbage in ("", ".", "x", "a.b.c", f"{unreadable}.{signed}", f"ä{good}", good + "ö"):
        need("GARBAGE_FAILS", raised(garbage), "Forged", f"the text {short(garbage, 12)!r}")
    _is_hmac(attempt, good, key)


def _is_hmac(attempt: Attempt, good: str, key: str) -> None:
    """The signature is over the payload as text or as bytes, and written in base64url or hex."""
    payload, _, signed = good.partition(".")
    for signable in (payload.encode(), _bytes(payload)):
        mac = hmac.digest(key.encode(), signable, hashlib.sha256)
        if signed.rstrip("=") == mac.hex() or _bytes(signed) == mac:
            return
    raise attempt.not_yet(
        "NOT_AN_HMAC",
        did=f"the signature is {short(signed, 60)}",
        expected="the HMAC-SHA256 of the payload, with the key",
    )


def _is_text(attempt: Attempt, good: Any, key: str) -> None:
    if not isinstance(good, str) or not re.fullmatch(r"[\w-]+\.[\w-]+", good, re.ASCII):
        raise attempt.not_yet(
            "NOT_FOR_A_URL",
            did=f"the ticket is {short(str(good))}",
            expected="payload.signature, base64url",
        )
    shown = [good, *(_bytes(part).decode(errors="replace") for part in good.split("."))]
    if any(key in text for text in shown):
        raise attempt.not_yet(
            "KEY_SHOWN", did="the ticket holds the key", expected="a signature only"
        )


def _bytes(part: str) -> bytes:
    """What a part of a ticket decodes to; nothing if it is no base64url."""
    with contextlib.suppress(ValueError):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return b""


def _changed(signature: str) -> str:
    """A signature of the same length that differs in its first character."""
    return ("A" if signature[:1] != "A" else "B") + signature[1:]


# -- 4.4 ------------------------------------------------------------------------------------------


@exercise(
    "4.4",
    "Only with a ticket",
    kind=Kind.FILL_IN,
    difficulty=2,
    minutes=10,
    needs=("3.2", "4.3"),
    hints=(
        "Which three answers are there, beside 200, and what is each for?",
        "Verify first: Forged is 401, Expired is 403. The query is absent if the URL has none. Then "
        "the two writes of exercise 3.2, and the clean-up if there is no such execution.",
        'query = event.get("queryStringParameters") or {}; ticket.verify(query.get("ticket", ""), '
        'os.environ["TICKET_KEY"], time.time()) in a try with two excepts.',
    ),
    diagnoses={
        "LETS_ANYBODY_IN": "refuse who has no ticket, or one that is not ours",
        "FAILS": LOG,
        "WRONG_STATUS": "answer 401 for no ticket or a forged one, 403 for one that is too late",
        "TRUSTS_THE_QUERY": "take the execution's name from the ticket, from nothing else",
        "REFUSES_GOOD": "let in who has a good ticket",
        "CONNECTION_NOT_WRITTEN": "write the connection's item, with the execution and its end",
        "LISTENER_NOT_WRITTEN": "write the connection's id into the execution's item",
        "MAKES_ITEMS": "refuse a ticket whose execution has no item, and make none",
        "LEFT_BEHIND": "remove the connection's item when you refuse",
        "LOCKED_OUT": Diagnosis(
            "let the newest connection listen, also when the item names another one",
            ("A client's network was lost for a second. Which id is in the item when it is back?",),
        ),
        "HIDES_ERRORS": "catch only the exception of the condition: any other error is a real one",
    },
    solved="This connect.py takes the place of the one from lesson 03 in your system.",
)
def only_with_a_ticket(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        desk = Desk(aws)
        function = aws.function("connect", desk.files(file), environment=desk.environment)
        url = aws.websocket_api({"$connect": function})
        mine, other = (f"order-{aws.random.randrange(16**6):06x}" for _ in range(2))
        aws.put(desk.executions, {"executionName": mine}, {"executionName": other})

        def refused(query: str) -> int:
            try:
                aws.connect(f"{url}{query}")
            except Refused as no:
                return no.status
            return 101

        good = desk.sign(mine)
        cases = [
            ("no query", "", 401),
            ("no ticket", f"?execution={mine}", 401),
            ("a ticket with another key", f"?ticket={quoted(desk.sign(mine, key='wrong'))}", 401),
            ("half a ticket", f"?ticket={quoted(good[: len(good) // 2])}", 401),
            ("an expired ticket", f"?ticket={quoted(desk.sign(mine, -5))}", 403),
        ]
        for what, query, wanted in cases:
            status = refused(query)
            if status != wanted:
                code = {101: "LETS_ANYBODY_IN", 502: "FAILS"}.get(status, "WRONG_STATUS")
                raise attempt.not_yet(
                    code,
                    did=f"{what}: {_answered(status)}",
                    expected=f"refused with {wanted}",
                )
        if aws.items(desk.connections):
            raise attempt.not_yet(
                "LEFT_BEHIND",
                did=f"after refusals the table of connections has {len(aws.items(desk.connections))} items",
                expected="no item of a connection that was refused",
            )
        _good_ticket(attempt, desk, url, mine, other)
        _back_again(attempt, desk, url, mine)
        gone = f"{mine}-expired"
        status = refused(f"?ticket={quoted(desk.sign(gone))}")
        if status != 403 or desk.item(gone):
            raise attempt.not_yet(
                "FAILS" if status == 502 else "MAKES_ITEMS",
                did=f"a ticket for an execution without an item: {_answered(status)}"
                f"{', and an item was made' if desk.item(gone) else ''}",
                expected="refused with 403, and no item",
            )
        if any(item["executionName"] == gone for item in aws.items(desk.connections)):
            raise attempt.not_yet(
                "LEFT_BEHIND",
                did="it refused, and its connection's item stayed in the table",
                expected="no item of a connection that was refused",
            )
        for operation in ("UpdateItem", "TransactWriteItems"):
            aws.fault(
                "aws.call",
                "error",
                times=None,
                status=400,
                code="AccessDeniedException",
                service="dynamodb",
                operation=operation,
            )
        status = refused(f"?ticket={quoted(good)}")
        if status < 500:
            raise attempt.not_yet(
                "HIDES_ERRORS",
                did=f"with AccessDeniedException from DynamoDB: {_answered(status)}",
                expected="the error leaves the function: the client gets 502, and the log says why",
            )


def _answered(status: int) -> str:
    if status == 101:
        return "let in"
    return f"refused with {status}" + (": the function failed" if status == 502 else "")


def _good_ticket(attempt: Attempt, desk: Desk, url: str, mine: str, other: str) -> None:
    aws = desk.aws
    query = f"?execution={other}&executionName={other}&ticket={quoted(desk.sign(mine))}"
    try:
        client = aws.connect(f"{url}{query}")
    except Refused as no:
        raise attempt.not_yet(
            "FAILS" if no.status == 502 else "REFUSES_GOOD",
            did=f"a good ticket: {_answered(no.status)}",
            expected="let in",
        ) from None
    written = next((i for i in aws.items(desk.connections) if i["connectionId"] == client.id), {})
    if written.get("executionName") == other or (desk.item(other) or {}).get("connectionId"):
        raise attempt.not_yet(
            "TRUSTS_THE_QUERY",
            did="with ?execution= beside its ticket, a client listens to another order",
            expected="the execution in the ticket",
        )
    lasts = _lasts(written)
    if written.get("executionName") != mine or not 7100 < lasts < 7300:
        raise attempt.not_yet(
            "CONNECTION_NOT_WRITTEN",
            did=f"its item has executionName {written.get('executionName')}, "
            f"expiresAt {written.get('expiresAt')}; the time is {int(time.time())}"
            if written
            else "the table of connections has no item of it",
            expected=f"executionName {mine}, expiresAt in two hours",
        )
    listener = (desk.item(mine) or {}).get("connectionId")
    if listener != client.id:
        raise attempt.not_yet(
            "LISTENER_NOT_WRITTEN",
            did=f"connectionId in the item of {mine} is {listener}",
            expected=client.id,
        )


def _back_again(attempt: Attempt, desk: Desk, url: str, mine: str) -> None:
    """A client whose connection was lost connects once more; the old id is in the item still."""
    try:
        client = desk.aws.connect(f"{url}?ticket={quoted(desk.sign(mine))}")
    except Refused as no:
        raise attempt.not_yet(
            "FAILS" if no.status == 502 else "LOCKED_OUT",
            did=f"a client that comes back with a good ticket: {_answered(no.status)}",
            expected="let in",
        ) from None
    listener = (desk.item(mine) or {}).get("connectionId")
    if listener != client.id:
        raise attempt.not_yet(
            "LOCKED_OUT",
            did=f"a client came back as {client.id}; {listener} listens",
            expected=f"{client.id}, the connection that was opened last",
        )


# -- 4.5 ------------------------------------------------------------------------------------------


@exercise(
    "4.5",
    "Write the check: does this function take orders right?",
    kind=Kind.WRITE_THE_CHECK,
    difficulty=3,
    minutes=15,
    needs=("4.2",),
    hints=(
        "Which sentences in the task say what a right version does? Each of them is an assertion.",
        "Look at three things: what the client gets, what is in the table and among the executions, "
        "and in which order it was called. Then send again: the same order and key, another key, "
        "another order under the same key, what is no order, and an order whose start is refused.",
        'assert shop.started(body["orderId"]); assert shop.execution_of(body["websocketUrl"]) == '
        'body["orderId"]; shop.refuse_start(), then post twice with one key: the second answer is 202, '
        "and shop.started(…) holds.",
    ),
    diagnoses={
        "REJECTS_RIGHT": Diagnosis(
            "read again what a right version does: your test rejects one",
            ("Which of your assertions asks for more than the task says?",),
        ),
        "NOT_AN_ASSERTION": "say that the version is wrong by an assert, before anything else fails",
        "PASSES_WAITING": "ask for the status 202",
        "PASSES_LATE_ITEM": "look at the order of the calls",
        "PASSES_NO_ITEM": "ask whether the item is there",
        "PASSES_NO_START": "ask whether the execution was started with the order",
        "PASSES_TICKET": "ask which execution the ticket in the URL is good for",
        "PASSES_NEW_NAMES": "send the same order with the same key twice, and compare the names",
        "PASSES_ONE_NAME": "send an order with another key, and compare the names",
        "PASSES_OTHER_ORDER": "send another order under the same key",
        "PASSES_NEVER_STARTED": Diagnosis(
            "let a start be refused, send the request again, and ask whether it was started",
            ("The item was written, and the start failed. Who begins the work?",),
        ),
        "PASSES_CRASH": "ask for 400, not only for a refusal, when an order has no items",
        "PASSES_MALFORMED": "send an order without items",
    },
    solved="A list of such sentences is called a contract. Tests keep both sides to it.",
)
def takes_orders_right(attempt: Attempt, test_place_order: Callable[[Shop], Any]) -> None:
    with attempt.sandbox() as aws:
        desk = Desk(aws)
        for version in RIGHT:
            failed = _tested(test_place_order, Shop(desk, version))
            if failed is not None:
                if not isinstance(failed, AssertionError):
                    raise failed
                raise attempt.not_yet(
                    "REJECTS_RIGHT",
                    did=f"a right version fails your test: {_where(failed)}",
                    expected="it passes",
                )
        for version, (code, what) in WRONG.items():
            failed = _tested(test_place_order, Shop(desk, version))
            if failed is None:
                raise attempt.not_yet(
                    code,
                    did=f"your test accepts a version that {what}",
                    expected="an AssertionError",
                )
            if not isinstance(failed, AssertionError):
                raise attempt.not_yet(
                    "NOT_AN_ASSERTION",
                    did=f"for a version that {what}: {_where(failed)}"[:150],
                    expected="an AssertionError",
                )


def _tested(test: Callable[[Shop], Any], shop: Shop) -> Exception | None:
    """Run the student's test with a shop; what it raised."""
    try:
        test(shop)
    except Exception as error:
        return error
    return None


def _where(error: Exception) -> str:
    """An exception with the student's line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__]
    line = own[0].line if own else ""
    said = ": ".join(filter(None, (type(error).__name__, str(error))))
    return textwrap.shorten(f"{said} ({line})", 85)


# -- 4.6 ------------------------------------------------------------------------------------------

SHOWS_EVENT = """
import json


def handler(event, context):
    seen = {"version": event.get("version"), "routeKey": event.get("routeKey"), "body": event.get("body")}
    return {"statusCode": 202, "body": json.dumps(seen)}
"""


@exercise(
    "4.6",
    "An HTTP API in front",
    kind=Kind.FILL_IN,
    difficulty=2,
    minutes=10,
    needs=("1.6",),
    hints=(
        "Which of the four calls of exercise 1.6 are different for an HTTP API?",
        'create_api with ProtocolType="HTTP", create_integration with PayloadFormatVersion="2.0", '
        "create_route with a method and a path as its key, create_stage with the name $default.",
        'RouteKey="POST /orders", Target=f"integrations/{integration[\'IntegrationId\']}"; '
        'create_stage(ApiId=…, StageName="$default", AutoDeploy=True); return api["ApiEndpoint"].',
    ),
    diagnoses={
        "WRONG_URL": "return the API's endpoint as it is, without stage and path",
        "NOT_DEPLOYED": "publish the API on the stage `$default`, with AutoDeploy or a deployment",
        "NO_ROUTE": "make the route `POST /orders`",
        "NO_TARGET": Diagnosis(
            "let the route's Target be integrations/ and the id of the integration",
            (
                "A route leads to an integration, and the integration to the function. What has "
                "create_integration returned?",
            ),
        ),
        "TOO_MANY_ROUTES": "let nothing but `POST /orders` reach the function",
        "OLD_PAYLOAD": "choose payload format 2.0",
        "WRONG_NAME": "give the API the name that the function gets",
    },
    solved="This function is part of your system now: resume() calls it in later lessons.",
)
def http_api(attempt: Attempt, build_http_api: Callable[[str, str], Any]) -> None:
    with attempt.sandbox() as aws:
        function = aws.function("orders", SHOWS_EVENT)
        name = f"shop{aws.random.randrange(1000)}"
        url = build_http_api(name, function)
        apis = aws.client("apigatewayv2").get_apis()["Items"]
        endpoints = {api["ApiEndpoint"]: api for api in apis}
        if not isinstance(url, str) or url.rstrip("/") not in endpoints:
            raise attempt.not_yet(
                "WRONG_URL",
                did=f"it returned {short(str(url))}",
                expected=f"the endpoint: {', '.join(endpoints) or 'there is no API'}",
            )
        if endpoints[url.rstrip("/")]["Name"] != name:
            raise attempt.not_yet(
                "WRONG_NAME",
                did=f"its name is {endpoints[url.rstrip('/')]['Name']!r}",
                expected=repr(name),
            )
        status, body = aws.request("POST", f"{url.rstrip('/')}/orders", {"number": 1})
        if status != 202:
            _why(attempt, aws, endpoints[url.rstrip("/")]["ApiId"], status, body)
        if body.get("version") != "2.0":
            raise attempt.not_yet(
                "OLD_PAYLOAD", did=f"the event's version is {body.get('version')}", expected="2.0"
            )
        for method, path in (("GET", "/orders"), ("POST", "/other")):
            status, _ = aws.request(method, f"{url.rstrip('/')}{path}")
            if status != 404:
                raise attempt.not_yet(
                    "TOO_MANY_ROUTES", did=f"{method} {path} is answered {status}", expected="404"
                )


def _why(attempt: Attempt, aws: Sandbox, api_id: str, status: int, body: Any) -> None:
    apis = aws.client("apigatewayv2")
    routes = {route["RouteKey"]: route for route in apis.get_routes(ApiId=api_id)["Items"]}
    if "POST /orders" in routes:
        there = apis.get_integrations(ApiId=api_id)["Items"]
        wanted = [f"integrations/{integration['IntegrationId']}" for integration in there]
        target = routes["POST /orders"].get("Target")
        if target not in wanted:
            raise attempt.not_yet(
                "NO_TARGET",
                did=f"the Target of POST /orders is {target or 'not there'}",
                expected=" or ".join(wanted) or "an integration; there is none",
            )
    keys = list(routes)
    stages = [stage["StageName"] for stage in apis.get_stages(ApiId=api_id)["Items"]]
    did = short(f"POST /orders is answered {status} {body}; routes {keys}, stages {stages}", 110)
    code = "NO_ROUTE" if "POST /orders" not in keys else "NOT_DEPLOYED"
    raise attempt.not_yet(code, did=did, expected="202, the function's answer")


# -- 4.7 ------------------------------------------------------------------------------------------


@exercise(
    "4.7",
    "Make: take orders",
    kind=Kind.MAKE,
    difficulty=4,
    minutes=20,
    needs=("4.2", "4.3"),
    hints=(
        "Go through what may fail at each line. What does the client's next try find then?",
        "Check the order; make the name; put the item on condition; start the execution whether the "
        "item was new or not, and take ExecutionAlreadyExists for good news; sign a ticket for a minute.",
        "try: states.start_execution(stateMachineArn=…, name=name, input=json.dumps({'order': order})) "
        "except states.exceptions.ExecutionAlreadyExists: pass. The ARN is the state "
        "machine's with :execution: in the place of :stateMachine:, and the name at its end.",
    ),
    diagnoses={
        "FAILS": LOG,
        "KEY_NOT_READ": Diagnosis(
            "look at the name of the header: in the event it is in lower case",
            ("The client sent a key, and each try got another name. Which header did you read?",),
        ),
        "WRONG_ANSWER": "answer 202 with `orderId`, `executionArn` and `websocketUrl`",
        "WRONG_NAME": "make the name of the key, as in exercise 4.2",
        "NO_ITEM": "write the item of the execution: the order as JSON text, and when it expires",
        "NOT_STARTED": "start the execution under the name, with the order as its input",
        "WRONG_TICKET": "put a ticket into the URL that is good for this execution, for a minute",
        "ITEM_TOO_LATE": Diagnosis(
            "write the item first, then start the execution",
            ("The execution runs at once. What may it look for, and not find?",),
        ),
        "AGAIN_FAILS": "give the same answer when the same request comes again",
        "HIDES_ERRORS": Diagnosis(
            "let an error of AWS out of the function, but for the one that you expect",
            ("A client that reads 202 does not try again. When may it read that?",),
        ),
        "TWO_WINNERS": "put the item on condition: of two orders under one key, one gets 422",
        "NEVER_STARTED": Diagnosis(
            "start the execution also when the item is there already",
            ("Your function has failed between item and start. Who starts the execution now?",),
        ),
        "OTHER_ORDER_PASSES": "answer 422 to another order under the same key",
        "MALFORMED": "answer 400 with the field that `problem_of` names",
    },
    solved="With this function the first half of the pattern stands: the client has its answer, and "
    "the work goes on without it.",
)
def place_order(attempt: Attempt, file: Path) -> None:
    with attempt.sandbox() as aws:
        desk = Desk(aws)
        function = aws.function("place-order", desk.files(file), environment=desk.environment)
        url = f"{aws.http_api({'POST /orders': function})}/orders"

        def post(order: Any, key: str | None = None) -> tuple[int, Any]:
            return aws.request("POST", url, order, {"Idempotency-Key": key} if key else {})

        order, key = order_of(aws), f"key {aws.random.randrange(10**9)}"
        _accepted(attempt, desk, post, order, key)
        _again(attempt, desk, post, order, key)
        _crash_between(attempt, desk, post)
        _malformed(attempt, desk, post, order)
        _key_is_taken(attempt, desk, post, order)


Post = Callable[..., tuple[int, Any]]


def _accepted(attempt: Attempt, desk: Desk, post: Post, order: Any, key: str) -> None:
    begun = len(_writes(desk.aws))
    status, body = post(order, key)
    if status == 500:
        raise attempt.not_yet("FAILS", did="a good order is answered 500", expected="202")
    arn = desk.execution_arn(name_of(key))
    if (
        status != 202
        or not isinstance(body, dict)
        or not {"orderId", "executionArn", "websocketUrl"} <= set(body)
    ):
        raise attempt.not_yet(
            "WRONG_ANSWER",
            did=f"a good order is answered {status} {short(str(body), 60)}",
            expected="202 with orderId, executionArn and websocketUrl",
        )
    if body["orderId"] != name_of(key):
        again = post(order, key)[1]
        if isinstance(again, dict) and again.get("orderId") != body["orderId"]:
            raise attempt.not_yet(
                "KEY_NOT_READ",
                did=f"Idempotency-Key: {key} was sent twice; the orderIds were two",
                expected=f"{name_of(key)}, both times",
            )
        raise attempt.not_yet(
            "WRONG_NAME", did=f"orderId is {short(str(body['orderId']))}", expected=name_of(key)
        )
    if body["executionArn"] != arn:
        raise attempt.not_yet(
            "WRONG_ANSWER",
            did=f"executionArn is {short(str(body['executionArn']), 110)}",
            expected=arn,
        )
    item = desk.item(name_of(key)) or {}
    if parsed(item.get("order")) != order or not 89 * DAY < _lasts(item) < 91 * DAY:
        raise attempt.not_yet(
            "NO_ITEM",
            did=f"its order is {short(str(item.get('order')), 50)}, expiresAt {item.get('expiresAt')}"
            if item
            else f"there is no item {name_of(key)}",
            expected=f"the order as JSON text, expiresAt {int(time.time()) + 90 * DAY}",
        )
    data = desk.input_of(name_of(key))
    if data != {"order": order}:
        raise attempt.not_yet(
            "NOT_STARTED",
            did=f"the input of {name_of(key)[:14]}… is {short(str(data), 60)}"
            if data is not None
            else f"there is no execution of the name {name_of(key)}",
            expected=f'{{"order": …}}, with the order: {short(str(order), 60)}',
        )
    _ticket_is_good(attempt, desk, body["websocketUrl"], name_of(key))
    calls = _writes(desk.aws)[begun:]
    if calls.index("StartExecution") == 0:
        raise attempt.not_yet(
            "ITEM_TOO_LATE",
            did=f"it called {', '.join(calls)}",
            expected="the item is written before StartExecution",
        )


def _writes(aws: Sandbox) -> list[str]:
    """The calls that wrote an item or started an execution, in order."""
    writing = (*WRITES, "BatchWriteItem", "StartExecution")
    calls = [*aws.calls("dynamodb"), *aws.calls("states")]
    return [
        call["operation"]
        for call in sorted(calls, key=lambda call: call.seq)
        if call["operation"] in writing
    ]


def _ticket_is_good(attempt: Attempt, desk: Desk, url: Any, name: str) -> None:
    found = desk.execution_of(url)
    right = str(url).startswith(f"{desk.environment['WEBSOCKET_URL']}?")
    if found != name or not right:
        raise attempt.not_yet(
            "WRONG_TICKET",
            did=f"the ticket in the URL is good for {short(str(found), 50)}"
            if right
            else f"websocketUrl is {short(str(url), 80)}",
            expected=name if right else f"{desk.environment['WEBSOCKET_URL']}?ticket=…",
        )
    later = time.time() + 90
    with contextlib.suppress(TICKETS["Expired"]):
        TICKETS["verify"](str(url).partition("ticket=")[2].partition("&")[0], desk.key, later)
        raise attempt.not_yet(
            "WRONG_TICKET", did="its ticket is good for more than a minute", expected="60 seconds"
        )


def _again(attempt: Attempt, desk: Desk, post: Post, order: Any, key: str) -> None:
    before = desk.item(name_of(key))
    status, body = post(order, key)
    if status != 202 or not isinstance(body, dict) or body.get("orderId") != name_of(key):
        raise attempt.not_yet(
            "AGAIN_FAILS",
            did=f"the same request again is answered {status} {short(str(body), 50)}",
            expected="the same answer",
        )
    if desk.execution_of(body["websocketUrl"]) != name_of(key):
        raise attempt.not_yet(
            "WRONG_TICKET",
            did="the second answer's ticket is no good",
            expected="a good ticket in each answer",
        )
    other = {**order, "customer": "grace@example.com"}
    status, body = post(other, key)
    if status != 422 or desk.item(name_of(key)) != before:
        raise attempt.not_yet(
            "OTHER_ORDER_PASSES",
            did=f"another order under the same key is answered {status}",
            expected="422, and the first order stays",
        )
    bodies = [post(order)[1] for _ in range(2)]
    names = {each.get("orderId") if isinstance(each, dict) else None for each in bodies}
    if len(names | {name_of(key)}) < 3 or None in names:
        raise attempt.not_yet(
            "WRONG_NAME",
            did="two orders without a key got one name",
            expected="a name of its own for each",
        )


def _crash_between(attempt: Attempt, desk: Desk, post: Post) -> None:
    """Step Functions refuses the start, once; the client tries again."""
    order, key = order_of(desk.aws), f"key {desk.aws.random.randrange(10**9)}"
    name = name_of(key)
    refused = {"status": 400, "code": "ExecutionLimitExceeded"}
    desk.aws.fault("aws.call", "error", operation="StartExecution", **refused)
    status, body = post(order, key)
    if status < 500:
        raise attempt.not_yet(
            "HIDES_ERRORS",
            did=f"Step Functions refused the start; the client is answered {status}",
            expected="the error leaves the function, and the client gets 500",
        )
    status, body = post(order, key)
    if desk.input_of(name) is None:
        raise attempt.not_yet(
            "NEVER_STARTED",
            did=f"the start failed once; the next try is answered {status}, and starts nothing",
            expected="the client's next try starts the execution",
        )
    if status != 202:
        raise attempt.not_yet(
            "AGAIN_FAILS",
            did=f"the start failed once; the next try is answered {status} {short(str(body), 40)}",
            expected="202",
        )


def _malformed(attempt: Attempt, desk: Desk, post: Post, order: Any) -> None:
    cases = (
        ("no JSON", ""),
        ("", ""),
        ("[]", "order"),
        ({**order, "items": []}, "items"),
        ({**order, "customer": None}, "customer"),
        ({**order, "items": [{"sku": "tea", "quantity": 0}]}, "items[0].quantity"),
    )
    begun = len(_writes(desk.aws))
    for sent, field in cases:
        status, body = post(sent)
        if status != 400 or not isinstance(body, dict) or body.get("field") != field:
            what = short(str(sent), 50) or "an empty body"
            raise attempt.not_yet(
                "MALFORMED",
                did=f"{what} is answered {status} {short(str(body), 40)}",
                expected=f"400 with the field {field!r}",
            )
    if written := _writes(desk.aws)[begun:]:
        raise attempt.not_yet(
            "MALFORMED",
            did=f"for what is no order it called {written[0]}",
            expected="400, and nothing is written or started",
        )


def _key_is_taken(attempt: Attempt, desk: Desk, post: Post, order: Any) -> None:
    """Another order takes the key in the moment before the function writes its item."""
    aws = desk.aws
    key = f"key {aws.random.randrange(10**9)} twice"
    name, other = name_of(key), {**order, "customer": "grace@example.com"}
    for operation in WRITES:
        aws.fault("aws.call", "delay", seconds=0.1, operation=operation)
    desk.item(name)
    begun, written = aws.calls("dynamodb")[-1].seq, len(_writes(aws))

    def is_about_to_write(event: Event) -> bool:
        delayed = event.kind == "fault.applied" and event["action"] == "delay"
        return event.seq > begun and (delayed or event.kind == "http.response")

    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(post, order, key)
        aws.wait(is_about_to_write)
        desk.take(name, other)
        status, _ = answer.result()
    if _writes(aws)[written] != "BatchWriteItem":
        return  # the machine is slow, and the other order came too late
    item = desk.item(name) or {}
    if status != 422 or parsed(item.get("order")) != other:
        raise attempt.not_yet(
            "TWO_WINNERS",
            did=f"another order took the key just before the write; the answer was {status}",
            expected="422, and the item of the other order stays",
        )
