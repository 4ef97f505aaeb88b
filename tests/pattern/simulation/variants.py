"""The pattern's code, as it is and written the naive way.

A variant is the reference implementation with one mistake: a small change of its source, which is
stated here, and is refused if the source no longer has what it changes.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pattern.conftest import PATTERN
from tests.pattern.in_process import imported
from tests.pattern.simulation import promises
from tests.pattern.simulation.cloud import Wire
from tests.pattern.simulation.customer import Pattern
from tests.pattern.simulation.promises import Rule

MACHINE = "state_machine.asl.json"

Change = Callable[[str], str]


@dataclass(frozen=True)
class Variant:
    """The pattern with a mistake.

    Attributes:
        name: for the command line.
        failure: which failure it lets happen, by number, such as ``F1``; ``seen`` if a seed showed it.
        mistake: what is wrong.
        breaks: the promise that is broken by it.
        changes: gives the text of a file with the mistake, by the file's place in ``labkit/pattern``.
    """

    name: str
    failure: str
    mistake: str
    breaks: Rule
    changes: Mapping[str, Change]


def instead(before: str, after: str) -> Change:
    """Put some text in the place of another, which must be there once."""

    def change(text: str) -> str:
        assert text.count(before) == 1, f"there once: {before!r}"
        return text.replace(before, after)

    return change


def states(change: Callable[[dict[str, Any]], None]) -> Change:
    """Change the states of the state machine."""

    def changed(text: str) -> str:
        definition = json.loads(text)
        change(definition["States"])
        assert definition != json.loads(text)
        return json.dumps(definition, indent=2)

    return changed


def _looks_before_it_writes(states: dict[str, Any]) -> None:
    states["DoWork"]["Next"] = "GetConn"
    states["GetConn"]["Next"] = "SaveResult"
    states["SaveResult"]["Next"] = "IsConnected"


def _frozen(text: str) -> str:
    definition = json.loads(text.replace("$.message", "$.work.Payload"))
    states = definition["States"]
    definition["StartAt"] = "GetConn"
    states["GetConn"]["Next"] = "DoWork"
    for name in ("DoWork", "ReleaseStock"):
        del states[name]["ResultSelector"]
        states[name]["ResultPath"] = "$.work"
    states["SaveResult"]["Next"] = "IsConnected"
    return json.dumps(definition, indent=2)


def _knows_no_gone(states: dict[str, Any]) -> None:
    gone, _anything_else = states["Notify"]["Catch"]
    states["Notify"]["Catch"] = [{**gone, "ErrorEquals": ["410"]}]


def _fails_with_its_delivery(states: dict[str, Any]) -> None:
    gone, _anything_else = states["Notify"]["Catch"]
    states["Notify"]["Catch"] = [gone]


TELLS_NOTHING = instead("    if stored:\n", "    if False:\n")

VARIANTS = (
    Variant(
        "tells-no-stored-result",
        "F1",
        "subscribe delivers nothing: who connects when the work is done waits for ever",
        promises.the_result_arrives,
        {"functions/subscribe.py": TELLS_NOTHING},
    ),
    Variant(
        "looks-before-it-writes",
        "F2",
        "GetConn comes before SaveResult: between the two, each side misses the other",
        promises.whoever_listens_is_sent_the_result,
        {MACHINE: states(_looks_before_it_writes)},
    ),
    Variant(
        "reads-what-was",
        "F2",
        "GetConn reads without ConsistentRead, and may not see who came last",
        promises.whoever_listens_is_sent_the_result,
        {MACHINE: instead('        "ConsistentRead": true\n', '        "ConsistentRead": false\n')},
    ),
    Variant(
        "delivers-from-connect",
        "F3",
        "$connect sends what is stored, before there is a connection; subscribe does not",
        promises.the_result_arrives,
        {
            "functions/connect.py": instead(
                '        return {"statusCode": 403}\n    return {"statusCode": 200}\n',
                '        return {"statusCode": 403}\n'
                "    stored = execution.read(ticket.execution).get('result')\n"
                "    if stored:\n"
                "        connection.deliver(connection.endpoint_of(event), connection_id, stored['S'])\n"
                '    return {"statusCode": 200}\n',
            ),
            "functions/subscribe.py": TELLS_NOTHING,
        },
    ),
    Variant(
        "knows-no-gone",
        "F4",
        "Notify catches an error called 410, which none is: a closed tab fails the order",
        promises.no_order_fails_for_its_delivery,
        {MACHINE: states(_knows_no_gone)},
    ),
    Variant(
        "forgets-who-is-coming",
        "F4",
        "progress that gets 410 deletes a connection whose handshake is under way, and its first "
        "message does not write it again",
        promises.whoever_listens_is_sent_the_result,
        {
            "functions/do_work.py": instead(
                "        connection.deliver(MANAGEMENT_ENDPOINT, listener, json.dumps(news))\n",
                "        if not connection.deliver(MANAGEMENT_ENDPOINT, listener, json.dumps(news)):\n"
                "            execution.forget(name, listener)\n",
            ),
            "functions/subscribe.py": instead(
                'item = execution.claim(name, connection_id, event["requestContext"]["connectedAt"])',
                "item = execution.read(name)",
            ),
        },
    ),
    Variant(
        "freezes-the-connection",
        "F5",
        "the connection is looked up before the work, as if it were in the execution's input",
        promises.whoever_listens_is_sent_the_result,
        {MACHINE: _frozen},
    ),
    Variant(
        "forgets-whoever-listens",
        "F6",
        "$disconnect deletes without a condition: late, it deletes the newer connection",
        promises.whoever_listens_is_sent_the_result,
        {
            "functions/execution.py": instead(
                'ConditionExpression="connectionId = :mine"',
                'ConditionExpression="attribute_exists(executionName) OR connectionId = :mine"',
            )
        },
    ),
    Variant(
        "counts-milliseconds",
        "F7",
        "time to live is given in milliseconds: what $disconnect does not delete stays for ever",
        promises.nothing_is_kept_for_ever,
        {
            "functions/connection.py": instead(
                "str(int(time.time()) + execution.CONNECTION_LASTS)",
                "str(int(time.time() * 1000) + execution.CONNECTION_LASTS)",
            )
        },
    ),
    Variant(
        "takes-each-request-for-an-order",
        "F8",
        "the Idempotency-Key is not looked at: a request that is sent again is a second order",
        promises.each_order_is_executed_once,
        {
            "functions/place_order.py": instead(
                'event["headers"].get("idempotency-key") or str(uuid.uuid4())', "str(uuid.uuid4())"
            )
        },
    ),
    Variant(
        "writes-the-order-again",
        "F8",
        "the item is put without a condition: a request that is sent again wipes out what is there",
        promises.the_result_arrives,
        {
            "functions/execution.py": instead(
                '            ConditionExpression="attribute_not_exists(executionName)",\n'
                '            ReturnValuesOnConditionCheckFailure="ALL_OLD",\n',
                "",
            )
        },
    ),
    Variant(
        "drops-no-duplicates",
        "F9",
        "the client gives everything that comes to its code",
        promises.nothing_is_given_twice,
        {
            "client.py": instead(
                "            if sequence <= self._last:\n", "            if sequence <= 0:\n"
            )
        },
    ),
    Variant(
        "reserves-each-time",
        "F9",
        "DoWork reserves without a condition: a second run takes the stock again",
        promises.stock_is_taken_once,
        {
            "functions/do_work.py": instead(
                '"attribute_not_exists(reservation)"', '"attribute_exists(executionName)"'
            )
        },
    ),
    Variant(
        "lets-one-tab-in",
        "F10",
        "a connection is written only if there is none: a second tab, or a client that is back, is "
        "locked out",
        promises.the_result_arrives,
        {
            "functions/execution.py": instead(
                "(attribute_not_exists(connectedAt) OR connectedAt <= :at)",
                "(attribute_not_exists(connectionId) OR connectionId = :mine)",
            )
        },
    ),
    Variant(
        "takes-each-ticket",
        "F11",
        "the ticket's signature is not looked at: whoever knows an order's name hears of it",
        promises.everybody_hears_of_their_own_order_only,
        {
            "functions/ticket.py": instead(
                "        if not hmac.compare_digest("
                "signature.encode(), _signature(payload, secret).encode()):\n",
                "        if not signature:\n",
            )
        },
    ),
    Variant(
        "takes-a-ticket-twice",
        "F11",
        "a ticket is good until it expires: whoever reads one in a log hears of the order",
        promises.everybody_hears_of_their_own_order_only,
        {
            "functions/execution.py": instead(
                '        condition += " AND NOT contains(usedTickets, :nonce)"\n',
                '        values.pop(":nonce")\n',
            )
        },
    ),
    Variant(
        "fails-with-its-delivery",
        "F14",
        "Notify catches nothing but 410: an order that is done fails because nobody can be told",
        promises.no_order_fails_for_its_delivery,
        {MACHINE: states(_fails_with_its_delivery)},
    ),
    # These the reference implementation had, until seeds showed them.
    Variant(
        "waits-while-there-is-time",
        "seen",
        "the client waits for an answer until its deadline: one that is lost is the end",
        promises.the_result_arrives,
        {"client.py": instead("ANSWER = 15.0\n", "ANSWER = 1e9\n")},
    ),
    Variant(
        "trusts-in-silence",
        "seen",
        "the client asks again and again on a connection that swallows everything",
        promises.the_result_arrives,
        {"client.py": instead("                if asked_again:\n", "                if False:\n")},
    ),
    Variant(
        "gives-up-at-a-transaction",
        "seen",
        "subscribe fails while DoWork's transaction has the item, and the client overlooks the error",
        promises.whoever_listens_is_sent_the_result,
        {
            "functions/execution.py": instead("PAUSES = (0.05, 0.1, 0.2, 0.4)\n", "PAUSES = ()\n"),
            "client.py": instead("            if _is_error(text):\n", "            if False:\n"),
        },
    ),
)

BY_NAME = {variant.name: variant for variant in VARIANTS}


@contextmanager
def pattern(variant: Variant | None = None) -> Iterator[Pattern]:
    """The pattern's code, imported from a copy that has the variant's mistake, if there is one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pattern"
        shutil.copytree(PATTERN, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if variant is not None:
            for file, change in variant.changes.items():
                path = copy / file
                path.write_text(change(path.read_text("utf-8")), "utf-8")
        machine = json.loads((copy / MACHINE).read_text("utf-8"))
        with imported(Wire(), copy) as functions:
            yield Pattern(functions, machine, _client(copy / "client.py"))


def _client(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("client_of_the_pattern", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
    return module
