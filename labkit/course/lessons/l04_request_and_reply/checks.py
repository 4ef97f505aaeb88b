"""The checks of lesson 04's exercises."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from labkit.course.exercise import Attempt, Diagnosis, Kind, exercise
from labkit.course.lessons.l04_request_and_reply.order_desk import (
    TICKETS,
    Desk,
    module,
    order_of,
    parsed,
    short,
)
from labkit.course.sandbox import Refused, Sandbox, quoted

DAY = 24 * 3600

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
        aws.invoke(function, {"body": "A"})  # cold it might take too long for the API's patience
        url = aws.http_api({"POST /orders": function})
        apis = aws.client("apigatewayv2")
        api_id = apis.get_apis()["Items"][0]["ApiId"]
        integration = apis.get_integrations(ApiId=api_id)["Items"][0]["IntegrationId"]
        apis.update_integration(ApiId=api_id, IntegrationId=integration, TimeoutInMillis=300)
        got = [
            aws.request(
                "GET" if case == "E" else "POST", f"{url}/orders", None if case == "E" else case
            )[0]
            for case in "ABCDEF"
        ]
    codes = (
        "FUNCTION_DECIDES",
        "NO_STATUS",
        "FUNCTION_FAILS",
        "TOO_SLOW",
        "NO_ROUTE",
        "FUNCTION_DECIDES",
    )
    for case, said, was, code in zip("ABCDEF", statuses, got, codes, strict=True):
        if said != was:
            raise attempt.not_yet(
                code, did=f"request {case}: you said {said}", expected=f"the client got {was}"
            )


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
        'except: compare there.response["Item"]["order"]["S"] with the text.',
    ),
    diagnoses={
        "WRONG_NAME": "make the name of the key: order- and 32 hexadecimal digits of its SHA-256",
        "NO_KEY": "make up another name each time, if there is no key",
        "NOT_WRITTEN": "write the item, with the order as JSON text",
        "NO_EXPIRY": "let the item expire in 90 days, in seconds",
        "SAME_ORDER_REFUSED": "let the same order through as often as it comes",
        "OVERWRITES": "leave the item as it is when the order comes again",
        "OTHER_ORDER_PASSES": Diagnosis(
            "compare the order with the one in the item, and raise ValueError if it is another",
            ("A client uses its key for a second order by mistake. What should it hear?",),
        ),
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
        if name != _name(key):
            raise attempt.not_yet(
                "WRONG_NAME", did=f"the name is {short(str(name))}", expected=_name(key)
            )
        _item_is_right(attempt, desk, name, order)
        before = desk.item(name)

        try:
            again = begin(dynamodb, desk.executions, key, dict(reversed(order.items())))
        except (ValueError, ClientError) as error:
            raise attempt.not_yet(
                "SAME_ORDER_REFUSED",
                did=f"the same order again raised {type(error).__name__}",
                expected="the same name",
            ) from None
        if again != name:
            raise attempt.not_yet(
                "SAME_ORDER_REFUSED",
                did=f"the second call returned {short(str(again))}",
                expected=name,
            )
        aws.client("dynamodb").update_item(
            TableName=desk.executions,
            Key={"executionName": {"S": name}},
            UpdateExpression="SET connectionId = :c",
            ExpressionAttributeValues={":c": {"S": "AAA="}},
        )
        begin(dynamodb, desk.executions, key, order)
        if desk.item(name) != {**(before or {}), "connectionId": "AAA="}:
            raise attempt.not_yet(
                "OVERWRITES",
                did="the same order again changed the item",
                expected="it stays as it is",
            )
        _other_orders(attempt, desk, dynamodb, begin, key, order)


def _name(key: str) -> str:
    return f"order-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _item_is_right(attempt: Attempt, desk: Desk, name: str, order: Any) -> None:
    item = desk.item(name) or {}
    if parsed(item.get("order")) != order:
        raise attempt.not_yet(
            "NOT_WRITTEN", did=f"the item is {short(str(item))}", expected="the order as JSON text"
        )
    lasts = float(item.get("expiresAt", 0)) - time.time()
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
    try:
        name = begin(dynamodb, desk.executions, key, other)
    except ValueError:
        pass
    except ClientError as error:
        raise attempt.not_yet(
            "OTHER_ORDER_PASSES",
            did=f"another order under the same key raised {type(error).__name__}",
            expected="ValueError",
        ) from None
    else:
        raise attempt.not_yet(
            "OTHER_ORDER_PASSES",
            did=f"another order under the same key got the name {short(str(name), 20)}",
            expected="ValueError",
        )
    made_up = {begin(dynamodb, desk.executions, None, order) for _ in range(2)}
    if len(made_up) < 2 or not all(re.fullmatch(r"order-[0-9a-f]{32}", str(n)) for n in made_up):
        raise attempt.not_yet(
            "NO_KEY",
            did=f"two orders without a key got {short(', '.join(map(str, made_up)))}",
            expected="two names, each order- and 32 hexadecimal digits",
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
    },
    solved="Whoever lacks the key can make no ticket, so nothing has to be stored when one is issued.",
)
def ticket(attempt: Attempt, file: Path) -> None:
    names = module(file.read_text("utf-8"), "ticket")
    sign, verify, forged, expired = (names[n] for n in ("sign", "verify", "Forged", "Expired"))
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
            raise attempt.not_yet(code, did=short(f"{what}: {said}"), expected=wanted)

    payload, _, signed = good.partition(".")
    others = sign(other, key, now + 60).partition(".")[0]
    later = sign(name, key, now + 9999).partition(".")[0]
    need("FORGED_PASSES", raised(f"{payload}.{_changed(signed)}"), "Forged", "another signature")
    need("FORGED_PASSES", raised(f"{payload}."), "Forged", "no signature")
    need(
        "NOT_BOUND",
        raised(f"{others}.{signed}"),
        "Forged",
        "the signature of another name's ticket",
    )
    need("NOT_BOUND", raised(f"{later}.{signed}"), "Forged", "a later time under the old signature")
    need("OTHER_KEY_PASSES", raised(good, with_key=f"{key}!"), "Forged", "signed with another key")
    need(
        "EXPIRED_TOO_EARLY", raised(good, now + 59), repr(name), "a second before its time is over"
    )
    need("EXPIRED_PASSES", raised(good, now + 60), "Expired", "at the moment when its time is over")
    need("EXPIRED_PASSES", raised(good, now + 10**6), "Expired", "long after its time")
    unreadable = base64.urlsafe_b64encode(b"\xff\xfe{").decode().rstrip("=")
    for garbage in ("", ".", "x", "a.b.c", f"{unreadable}.{signed}", f"ä{good}", good + "ö"):
        need("GARBAGE_FAILS", raised(garbage), "Forged", f"the text {short(garbage, 12)!r}")


def _is_text(attempt: Attempt, good: Any, key: str) -> None:
    if not isinstance(good, str) or not re.fullmatch(r"[\w-]+\.[\w-]+", good, re.ASCII):
        raise attempt.not_yet(
            "NOT_FOR_A_URL",
            did=f"the ticket is {short(str(good))}",
            expected="payload.signature, base64url",
        )
    shown = [good, *(_decoded(part) for part in good.split("."))]
    if any(key in text for text in shown):
        raise attempt.not_yet(
            "KEY_SHOWN", did="the ticket holds the key", expected="a signature only"
        )


def _decoded(part: str) -> str:
    with contextlib.suppress(ValueError):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode(errors="replace")
    return ""


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
        "WRONG_STATUS": "answer 401 for no ticket or a forged one, 403 for one that is too late",
        "TRUSTS_THE_QUERY": "take the execution's name from the ticket, from nothing else",
        "REFUSES_GOOD": "let in who has a good ticket",
        "CONNECTION_NOT_WRITTEN": "write the connection's item, with the execution and its end",
        "LISTENER_NOT_WRITTEN": "write the connection's id into the execution's item",
        "MAKES_ITEMS": "refuse a ticket whose execution has no item, and make none",
        "LEFT_BEHIND": "remove the connection's item when you refuse",
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
                raise attempt.not_yet(
                    "LETS_ANYBODY_IN" if status == 101 else "WRONG_STATUS",
                    did=f"{what}: {'let in' if status == 101 else f'refused with {status}'}",
                    expected=f"refused with {wanted}",
                )
        if aws.items(desk.connections):
            raise attempt.not_yet(
                "LEFT_BEHIND",
                did=f"after refusals the table holds {short(str(aws.items(desk.connections)))}",
                expected="no item of a connection that was refused",
            )
        _good_ticket(attempt, desk, url, mine, other)
        gone = f"{mine}-expired"
        status = refused(f"?ticket={quoted(desk.sign(gone))}")
        if status != 403 or desk.item(gone):
            raise attempt.not_yet(
                "MAKES_ITEMS",
                did=f"a ticket for an execution without an item: {status}, item {desk.item(gone)}",
                expected="refused with 403, and no item",
            )
        if any(item["executionName"] == gone for item in aws.items(desk.connections)):
            raise attempt.not_yet(
                "LEFT_BEHIND",
                did="it refused, and its connection's item stayed in the table",
                expected="no item of a connection that was refused",
            )


def _good_ticket(attempt: Attempt, desk: Desk, url: str, mine: str, other: str) -> None:
    aws = desk.aws
    query = f"?execution={other}&executionName={other}&ticket={quoted(desk.sign(mine))}"
    try:
        client = aws.connect(f"{url}{query}")
    except Refused as no:
        raise attempt.not_yet(
            "REFUSES_GOOD", did=f"a good ticket is refused with {no.status}", expected="let in"
        ) from None
    written = next((i for i in aws.items(desk.connections) if i["connectionId"] == client.id), {})
    if written.get("executionName") == other or (desk.item(other) or {}).get("connectionId"):
        raise attempt.not_yet(
            "TRUSTS_THE_QUERY",
            did="with ?execution= beside its ticket, a client listens to another order",
            expected="the execution in the ticket",
        )
    lasts = float(written.get("expiresAt", 0)) - time.time()
    if written.get("executionName") != mine or not 7100 < lasts < 7300:
        raise attempt.not_yet(
            "CONNECTION_NOT_WRITTEN",
            did=f"the connection's item is {short(str(written or 'not there'))}",
            expected=f"executionName {mine}, expiresAt in two hours",
        )
    listener = (desk.item(mine) or {}).get("connectionId")
    if listener != client.id:
        raise attempt.not_yet(
            "LISTENER_NOT_WRITTEN",
            did=f"connectionId in the item of {mine} is {listener}",
            expected=client.id,
        )


# -- 4.5 ------------------------------------------------------------------------------------------


class Shop:
    """An empty shop with one version of the function, as a student's test sees it.

    Args:
        aws: the sandbox, open.
        version: what is special about this version; empty for a right one.
    """

    def __init__(self, aws: Sandbox, version: str) -> None:
        self._desk = Desk(aws)
        self._version = version
        self._begun = len(_writes(aws))

    def post(self, order: Any, key: str | None = None) -> tuple[int, Any]:
        """Send an order."""
        text = order if isinstance(order, str) else json.dumps(order)
        return _take(self._desk, self._version, text, key)

    def item(self, name: str) -> dict[str, Any] | None:
        """The execution's item."""
        return self._desk.item(name)

    def started(self, name: str) -> bool:
        """Whether an execution of this name was started with the order in its item."""
        inputs, item = self._desk.inputs(), self.item(name) or {}
        order = parsed(item.get("order"))
        return name in inputs and order is not None and inputs[name].get("order") == order

    @property
    def calls(self) -> list[str]:
        """The AWS operations that the function has called."""
        return _writes(self._desk.aws)[self._begun :]

    def execution_of(self, url: str) -> str | None:
        """The execution that a URL's ticket is good for."""
        return self._desk.execution_of(url)


def _writes(aws: Sandbox) -> list[str]:
    calls = [*aws.calls("dynamodb", "PutItem"), *aws.calls("states", "StartExecution")]
    return [call["operation"] for call in sorted(calls, key=lambda call: call.seq)]


VERSIONS = (
    ("new name", "PASSES_NEW_NAMES", "one that makes up a name for each request"),
    ("one name", "PASSES_ONE_NAME", "one that gives every order the same name"),
    ("start first", "PASSES_LATE_ITEM", "one that starts the execution before it writes the item"),
    ("any ticket", "PASSES_TICKET", "one whose ticket is good for another execution"),
    ("no start", "PASSES_NO_START", "one that starts nothing"),
    ("empty input", "PASSES_NO_START", "one that starts the execution without the order"),
    ("overwrites", "PASSES_OTHER_ORDER", "one that lets another order take the key"),
    ("malformed", "PASSES_MALFORMED", "one that takes an order without items"),
)


def _take(desk: Desk, version: str, text: str, key: str | None) -> tuple[int, Any]:
    """The function behind ``POST /orders``, right but for what its version says."""
    order = parsed(text)
    if not isinstance(order, dict) or not (order.get("items") or version == "malformed"):
        return 400, {"message": "no order"}
    name = {"new name": f"order-{uuid.uuid4().hex}", "one name": "order-1"}.get(
        version, _name(key or str(uuid.uuid4()))
    )
    if version == "other digest":
        name = f"o-{uuid.uuid5(uuid.NAMESPACE_URL, key or str(uuid.uuid4())).hex}"
    if version == "start first":
        _start(desk, name, order)
    dynamodb = desk.aws.client("dynamodb")
    own = json.dumps(order, sort_keys=True, indent=1 if version == "other digest" else None)
    condition = (
        {}
        if version == "overwrites"
        else {
            "ConditionExpression": "attribute_not_exists(executionName)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    )
    try:
        dynamodb.put_item(
            TableName=desk.executions,
            Item={"executionName": {"S": name}, "order": {"S": own}},
            **condition,
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as there:
        if there.response["Item"]["order"]["S"] != own and version != "one name":
            return 422, {"message": "another order"}
    if version not in ("no start", "start first"):
        _start(desk, name, {} if version == "empty input" else order)
    ticket = desk.sign("order-of-somebody" if version == "any ticket" else name)
    return 202, {
        "orderId": name,
        "executionArn": f"{desk.machine.replace(':stateMachine:', ':execution:')}:{name}",
        "websocketUrl": f"{desk.environment['WEBSOCKET_URL']}?ticket={ticket}",
    }


def _start(desk: Desk, name: str, order: Any) -> None:
    states = desk.aws.client("stepfunctions")
    with contextlib.suppress(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(
            stateMachineArn=desk.machine,
            name=name,
            input=json.dumps({"order": order} if order else {}, sort_keys=True),
        )


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
        "another order under the same key, and what is no order.",
        'assert shop.started(body["orderId"]); assert shop.execution_of(body["websocketUrl"]) == '
        'body["orderId"]; assert shop.post(ORDER, "key-1")[1]["orderId"] == body["orderId"]; …',
    ),
    diagnoses={
        "REJECTS_RIGHT": "read again what a right version does: your test rejects one",
        "PASSES_NEW_NAMES": "send the same order with the same key twice, and compare the names",
        "PASSES_ONE_NAME": "send an order with another key, and compare the names",
        "PASSES_LATE_ITEM": "look at the order of the calls",
        "PASSES_TICKET": "ask which execution the ticket in the URL is good for",
        "PASSES_NO_START": "ask whether the execution was started with the order",
        "PASSES_OTHER_ORDER": "send another order under the same key",
        "PASSES_MALFORMED": "send an order without items",
    },
    solved="A list of such sentences is called a contract. Tests keep both sides to it.",
)
def takes_orders_right(attempt: Attempt, test_place_order: Callable[[Shop], Any]) -> None:
    with attempt.sandbox() as aws:
        for version in ("", "other digest"):
            try:
                test_place_order(Shop(aws, version))
            except Exception as error:
                raise attempt.not_yet(
                    "REJECTS_RIGHT",
                    did=short(
                        f"a right version made your test raise {type(error).__name__}: {error}"
                    ),
                    expected="it returns",
                ) from None
        for version, code, what in VERSIONS:
            try:
                test_place_order(Shop(aws, version))
            except Exception:
                continue  # whatever it raises, the wrong version is noticed
            raise attempt.not_yet(
                code,
                did=f"your test let a wrong version pass: {what}",
                expected="an AssertionError",
            )


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
    keys = [route["RouteKey"] for route in apis.get_routes(ApiId=api_id)["Items"]]
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
        "try: states.start_execution(stateMachineArn=…, name=name, input=json.dumps({'order': order}, "
        "sort_keys=True)) except states.exceptions.ExecutionAlreadyExists: pass. The ARN is the state "
        "machine's with :execution: in the place of :stateMachine:, and the name at its end.",
    ),
    diagnoses={
        "FAILS": "read the last line of the log: the function raises",
        "WRONG_ANSWER": "answer 202 with `orderId`, `executionArn` and `websocketUrl`",
        "WRONG_NAME": "make the name of the key, as in exercise 4.2",
        "NO_ITEM": "write the item of the execution: the order as JSON text, and when it expires",
        "NOT_STARTED": "start the execution under the name, with the order as its input",
        "WRONG_TICKET": "put a ticket into the URL that is good for this execution, for a minute",
        "ITEM_TOO_LATE": Diagnosis(
            "write the item first, then start the execution",
            ("The execution runs at once. What does its SaveResult find in the table?",),
        ),
        "AGAIN_FAILS": "give the same answer when the same request comes again",
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
        _malformed(attempt, post, order)


Post = Callable[..., tuple[int, Any]]


def _accepted(attempt: Attempt, desk: Desk, post: Post, order: Any, key: str) -> None:
    begun = len(_writes(desk.aws))
    status, body = post(order, key)
    if status == 500:
        raise attempt.not_yet("FAILS", did="a good order is answered 500", expected="202")
    arn = f"{desk.machine.replace(':stateMachine:', ':execution:')}:{_name(key)}"
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
    if body["orderId"] != _name(key):
        raise attempt.not_yet(
            "WRONG_NAME", did=f"orderId is {short(str(body['orderId']))}", expected=_name(key)
        )
    if body["executionArn"] != arn:
        raise attempt.not_yet(
            "WRONG_ANSWER",
            did=f"executionArn is {short(str(body['executionArn']), 110)}",
            expected=arn,
        )
    item = desk.item(_name(key)) or {}
    lasts = float(item.get("expiresAt", 0)) - time.time()
    if parsed(item.get("order")) != order or not 89 * DAY < lasts < 91 * DAY:
        raise attempt.not_yet(
            "NO_ITEM",
            did=f"the item is {short(str(item or 'not there'))}",
            expected="order as JSON text, and expiresAt in 90 days, in seconds",
        )
    inputs = desk.inputs()
    if inputs.get(_name(key)) != {"order": order}:
        raise attempt.not_yet(
            "NOT_STARTED",
            did=f"the executions are {short(str(inputs))}",
            expected=f"{_name(key)[:14]}… with the input {{'order': …}}",
        )
    _ticket_is_good(attempt, desk, body["websocketUrl"], _name(key))
    writes = _writes(desk.aws)[begun:]
    if "PutItem" not in writes or writes.index("PutItem") > writes.index("StartExecution"):
        raise attempt.not_yet(
            "ITEM_TOO_LATE",
            did=f"it called {', '.join(writes)}",
            expected="PutItem, StartExecution",
        )


def _ticket_is_good(attempt: Attempt, desk: Desk, url: Any, name: str) -> None:
    found = desk.execution_of(url)
    right = str(url).startswith(f"{desk.environment['WEBSOCKET_URL']}?")
    if found != name or not right:
        raise attempt.not_yet(
            "WRONG_TICKET",
            did=f"websocketUrl is {short(str(url), 60)}, its ticket is good for {found}",
            expected=f"{desk.environment['WEBSOCKET_URL']}?ticket=…, good for {name[:14]}…",
        )
    later = time.time() + 90
    with contextlib.suppress(TICKETS["Expired"]):
        TICKETS["verify"](str(url).partition("ticket=")[2].partition("&")[0], desk.key, later)
        raise attempt.not_yet(
            "WRONG_TICKET", did="its ticket is good for more than a minute", expected="60 seconds"
        )


def _again(attempt: Attempt, desk: Desk, post: Post, order: Any, key: str) -> None:
    before = desk.item(_name(key))
    status, body = post(order, key)
    if status != 202 or body.get("orderId") != _name(key):
        raise attempt.not_yet(
            "AGAIN_FAILS",
            did=f"the same request again is answered {status} {short(str(body), 50)}",
            expected="the same answer",
        )
    if desk.execution_of(body["websocketUrl"]) != _name(key):
        raise attempt.not_yet(
            "WRONG_TICKET",
            did="the second answer's ticket is no good",
            expected="a good ticket in each answer",
        )
    other = {**order, "customer": "grace@example.com"}
    status, body = post(other, key)
    if status != 422 or desk.item(_name(key)) != before:
        raise attempt.not_yet(
            "OTHER_ORDER_PASSES",
            did=f"another order under the same key is answered {status}",
            expected="422, and the first order stays",
        )
    names = {post(order)[1].get("orderId") for _ in range(2)} | {_name(key)}
    if len(names) < 3 or None in names:
        raise attempt.not_yet(
            "WRONG_NAME",
            did="two orders without a key got one name",
            expected="a name of its own for each",
        )


def _crash_between(attempt: Attempt, desk: Desk, post: Post) -> None:
    """Step Functions refuses the start, once; the client tries again."""
    order, key = order_of(desk.aws), f"key {desk.aws.random.randrange(10**9)}"
    desk.aws.fault(
        "aws.call", "error", operation="StartExecution", status=400, code="ExecutionLimitExceeded"
    )
    post(order, key)
    status, body = post(order, key)
    if status != 202 or _name(key) not in desk.inputs():
        raise attempt.not_yet(
            "NEVER_STARTED",
            did=f"the start failed once; the next try is answered {status}, and nothing was started"
            if _name(key) not in desk.inputs()
            else f"the start failed once; the next try is answered {status} {short(str(body), 40)}",
            expected="the client's next try starts the execution",
        )


def _malformed(attempt: Attempt, post: Post, order: Any) -> None:
    cases: Iterator[tuple[Any, str]] = iter(
        (
            ("no JSON", ""),
            ("", ""),
            ({**order, "items": []}, "items"),
            ({**order, "customer": None}, "customer"),
            ({**order, "items": [{"sku": "tea", "quantity": 0}]}, "items[0].quantity"),
        )
    )
    for sent, field in cases:
        status, body = post(sent)
        if status != 400 or not isinstance(body, dict) or body.get("field") != field:
            raise attempt.not_yet(
                "MALFORMED",
                did=f"{short(str(sent), 50) or 'an empty body'} is answered {status} {short(str(body), 40)}",
                expected=f"400 with the field {field!r}",
            )
