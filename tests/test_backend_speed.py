"""What labkit.backend makes faster in moto answers as moto does.

The same calls go to moto as it is, in a process of its own, and to the backend; every answer must be
the same, those that refuse included.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from labkit.backend import Backend
from labkit.clock import Clock
from labkit.eventlog import EventLog
from labkit.faults import Faults

REGION = "us-east-1"
BEFORE = {
    "k": {"S": "a"},
    "texts": {"S": "old"},
    "amount": {"N": "3"},
    "things": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"deep": {"L": [{"BOOL": True}]}}}]},
    "tree": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "end"}}}}},
    "tags": {"SS": ["p", "q"]},
    "numbers": {"NS": ["1", "2"]},
    "nought": {"NULL": True},
    "octets": {"B": b"\x00\x01"},
}

UPDATES: list[dict[str, Any]] = [
    {"UpdateExpression": "SET #t = :s", "ExpressionAttributeNames": {"#t": "texts"}},
    {"UpdateExpression": "SET amount = amount + :n, texts = :s"},
    {"UpdateExpression": "SET amount = if_not_exists(absent, :n) - amount"},
    {"UpdateExpression": "SET things = list_append(things, :l), tree.y.z = :s"},
    {"UpdateExpression": "SET things[0] = :s, things[2].deep[0] = :n REMOVE things[1]"},
    {"UpdateExpression": "SET made = list_append(:l, things)"},
    {"UpdateExpression": "REMOVE things[0], things[2], tree.x, texts"},
    {"UpdateExpression": "ADD amount :n, numbers :ns, fresh :n DELETE tags :ss"},
    {"UpdateExpression": "DELETE tags :all"},
    {"UpdateExpression": "SET tree.new = tree, a1 = b1"},
    {"UpdateExpression": "SET absent.inner = :s"},
    {"UpdateExpression": "SET texts = :s, texts = :n"},
    {"UpdateExpression": "SET tree.y = :s, tree.y.z = :s"},
    {"UpdateExpression": "SET texts = :s SET amount = :n"},
    {"UpdateExpression": "SET texts = texts + :n"},
    {"UpdateExpression": "ADD texts :n"},
    {"UpdateExpression": "SET k = :s"},
    {"UpdateExpression": "SET texts = :unknown"},
    {"UpdateExpression": "SET texts :s"},
    {"UpdateExpression": "REMOVE texts[99], things[99]"},
    {"UpdateExpression": "SET amount = :n", "ConditionExpression": "amount = :s"},
    {
        "UpdateExpression": "SET amount = :n",
        "ConditionExpression": "attribute_exists(nowhere)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    },
]
VALUES = {
    ":s": {"S": "new"},
    ":n": {"N": "4"},
    ":l": {"L": [{"S": "more"}]},
    ":ss": {"SS": ["q"]},
    ":all": {"SS": ["p", "q"]},
    ":ns": {"NS": ["2", "9"]},
}
RETURNS = ("ALL_NEW", "ALL_OLD", "UPDATED_NEW", "UPDATED_OLD", "NONE")


def answers(dynamodb: Any) -> list[Any]:
    """What a DynamoDB answers to all of it, twice: what is kept from the first must change nothing."""
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    found = []
    for number, update in enumerate(UPDATES * 2):
        dynamodb.put_item(TableName="t", Item=BEFORE)
        used = {
            name: value
            for name, value in VALUES.items()
            if any(
                name in text.replace(",", " ").replace(")", " ").split() for text in _texts(update)
            )
        }
        key = {"k": {"S": "a" if number % 7 else "fresh"}}
        call = {**update, "Key": key, "ReturnValues": RETURNS[number % len(RETURNS)]}
        if used:
            call["ExpressionAttributeValues"] = used
        found.append(_answer(dynamodb.update_item, TableName="t", **call))
        found.append(_answer(dynamodb.get_item, TableName="t", Key=key))
    return found


def _texts(update: dict[str, Any]) -> Iterator[str]:
    for name in ("UpdateExpression", "ConditionExpression"):
        yield update.get(name, "").replace("(", " ")


def _answer(call: Any, **arguments: Any) -> Any:
    try:
        answer = call(**arguments)
    except ClientError as error:
        answer = {**error.response["Error"], "Item": error.response.get("Item")}
    answer.pop("ResponseMetadata", None)
    answer.pop("ConsumedCapacity", None)  # the backend leaves it out on purpose
    return json.loads(json.dumps(answer, default=lambda value: sorted(map(repr, value))))


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    log = EventLog()
    backend = Backend(log=log, faults=Faults(log), clock=Clock())
    yield backend.client("dynamodb", REGION, "123456789012")
    backend.close()


PLAIN = """
import json, sys
from moto import mock_aws
sys.path[:0] = json.loads(sys.argv[1])
with mock_aws():
    import boto3
    import test_backend_speed
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a",
                          aws_secret_access_key="b")
    json.dump(test_backend_speed.answers(client), sys.stdout)
"""


def test_updates_are_answered_as_moto_answers_them(dynamodb: Any) -> None:
    folder = __file__.rpartition("/")[0]
    plain = subprocess.run(
        [sys.executable, "-c", PLAIN, json.dumps([folder, *sys.path])],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs, ours = json.loads(plain.stdout), answers(dynamodb)
    assert len([one for one in theirs if "Code" in one]) > len(UPDATES) / 2
    assert ours == theirs


# -- transactions --------------------------------------------------------------------------------

TABLES: dict[str, list[dict[str, str]]] = {
    "plain": [{"AttributeName": "k", "KeyType": "HASH"}],
    "ranged": [
        {"AttributeName": "k", "KeyType": "HASH"},
        {"AttributeName": "r", "KeyType": "RANGE"},
    ],
}


def key(table: str, number: int) -> dict[str, Any]:
    one = {"k": {"S": f"k{number % 3 if table == 'ranged' else number}"}}
    return one if table == "plain" else {**one, "r": {"N": str(number)}}


@pytest.fixture(params=sorted(TABLES))
def filled(request: pytest.FixtureRequest, dynamodb: Any) -> str:
    schema = TABLES[request.param]
    types = {"k": "S", "r": "N"}
    dynamodb.create_table(
        TableName=request.param,
        KeySchema=schema,
        AttributeDefinitions=[
            {"AttributeName": one["AttributeName"], "AttributeType": types[one["AttributeName"]]}
            for one in schema
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(20):
        dynamodb.put_item(
            TableName=request.param,
            Item={**key(request.param, number), "things": {"L": [{"N": str(number)}]}},
        )
    return str(request.param)


def transaction(table: str, *, condition: str) -> list[dict[str, Any]]:
    """An item is changed, one replaced, one deleted, one made; then one is asked for a condition."""
    where = {"TableName": table}
    return [
        {
            "Update": {
                **where,
                "Key": key(table, 1),
                "UpdateExpression": "SET things[0] = :v, fresh = :v",
                "ExpressionAttributeValues": {":v": {"S": "changed"}},
            }
        },
        {"Put": {**where, "Item": {**key(table, 2), "things": {"L": []}}}},
        {"Delete": {**where, "Key": key(table, 3)}},
        {"Put": {**where, "Item": key(table, 99)}},
        {"ConditionCheck": {**where, "Key": key(table, 4), "ConditionExpression": condition}},
    ]


def everything(dynamodb: Any, table: str) -> list[str]:
    return sorted(json.dumps(item) for item in dynamodb.scan(TableName=table)["Items"])


def test_a_transaction_that_fails_changes_nothing(dynamodb: Any, filled: str) -> None:
    before = everything(dynamodb, filled)
    for _ in range(2):
        with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
            dynamodb.transact_write_items(
                TransactItems=transaction(filled, condition="attribute_not_exists(k)")
            )
        assert everything(dynamodb, filled) == before


def test_a_transaction_that_succeeds_changes_all_of_it(dynamodb: Any, filled: str) -> None:
    before = everything(dynamodb, filled)
    dynamodb.transact_write_items(
        TransactItems=transaction(filled, condition="attribute_exists(k)")
    )
    after = everything(dynamodb, filled)
    assert len(set(before) - set(after)) == 3
    assert len(set(after) - set(before)) == 3


def test_a_transaction_copies_what_it_may_change_and_no_more(dynamodb: Any, filled: str) -> None:
    from moto.dynamodb.models.dynamo_type import Item

    with mock.patch.object(
        Item, "__deepcopy__", autospec=True, side_effect=Item.__deepcopy__
    ) as copied:
        dynamodb.transact_write_items(
            TransactItems=transaction(filled, condition="attribute_exists(k)")
        )
    names = {
        json.dumps(call.args[0].to_json()["Attributes"]["k"]) for call in copied.call_args_list
    }
    assert names <= {json.dumps(key(filled, number)["k"]) for number in (1, 2, 3, 4)}
    assert copied.call_count < 40
