"""Each item that a call writes to DynamoDB is in the log, as it is afterwards."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labkit.backend import Backend
from labkit.clock import Clock
from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.trace import HEADER, Trace
from labkit.wire import AwsRequest, Headers

REGION = "us-east-1"


@pytest.fixture
def log() -> EventLog:
    return EventLog()


@pytest.fixture
def dynamodb(log: EventLog) -> Iterator[Any]:
    backend = Backend(log=log, faults=Faults(log), clock=Clock())
    client = backend.client("dynamodb", REGION, "123456789012")
    client.create_table(
        TableName="t",
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "p", "KeyType": "HASH"},
            {"AttributeName": "s", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client
    backend.close()


def key(number: int) -> dict[str, Any]:
    return {"p": {"S": "a"}, "s": {"N": str(number)}}


def changed(log: EventLog) -> list[tuple[Any, Any]]:
    found = [event for event in log if event.kind == "item.changed"]
    assert all(event["table"] == "t" for event in found)
    return [(event["key"], event["item"]) for event in found]


def test_put_update_and_delete_write_the_key_and_the_new_item(log: EventLog, dynamodb: Any) -> None:
    dynamodb.put_item(TableName="t", Item={**key(1), "n": {"N": "1"}})
    dynamodb.update_item(
        TableName="t",
        Key=key(1),
        UpdateExpression="SET n = n + :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    dynamodb.delete_item(TableName="t", Key=key(1))
    dynamodb.delete_item(TableName="t", Key=key(1))  # changes nothing
    assert changed(log) == [
        (key(1), {**key(1), "n": {"N": "1"}}),
        (key(1), {**key(1), "n": {"N": "2"}}),
        (key(1), None),
    ]


def test_an_update_that_makes_an_item_is_one_change(log: EventLog, dynamodb: Any) -> None:
    dynamodb.update_item(
        TableName="t",
        Key=key(2),
        UpdateExpression="SET x = :x",
        ExpressionAttributeValues={":x": {"L": [{"S": "y"}]}},
    )
    assert changed(log) == [(key(2), {**key(2), "x": {"L": [{"S": "y"}]}})]


def test_what_is_refused_changes_nothing(log: EventLog, dynamodb: Any) -> None:
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.update_item(
            TableName="t",
            Key=key(1),
            UpdateExpression="REMOVE x",
            ConditionExpression="attribute_exists(p)",
        )
    assert changed(log) == []


def test_a_batch_writes_each_item(log: EventLog, dynamodb: Any) -> None:
    puts = [{"PutRequest": {"Item": key(number)}} for number in (1, 2)]
    dynamodb.batch_write_item(RequestItems={"t": puts})
    dynamodb.batch_write_item(RequestItems={"t": [{"DeleteRequest": {"Key": key(1)}}]})
    assert changed(log) == [(key(1), key(1)), (key(2), key(2)), (key(1), None)]


def test_a_transaction_writes_all_of_its_items_or_none(log: EventLog, dynamodb: Any) -> None:
    put = {"Put": {"TableName": "t", "Item": key(1)}}
    missing = {
        "ConditionCheck": {
            "TableName": "t",
            "Key": key(9),
            "ConditionExpression": "attribute_exists(p)",
        }
    }
    with pytest.raises(ClientError, match="TransactionCanceled"):
        dynamodb.transact_write_items(TransactItems=[put, missing])
    assert changed(log) == []
    dynamodb.transact_write_items(TransactItems=[put])
    assert changed(log) == [(key(1), key(1))]


def test_a_statement_of_partiql_writes_too(log: EventLog, dynamodb: Any) -> None:
    dynamodb.execute_statement(Statement="INSERT INTO t VALUE {'p': 'a', 's': 1, 'n': 'x'}")
    dynamodb.execute_statement(Statement="UPDATE t SET n='y' WHERE p='a'")
    dynamodb.execute_statement(Statement="DELETE FROM t WHERE p='a'")
    (_, first), (_, second), (_, third) = changed(log)
    assert (first["n"], second["n"], third) == ({"S": "x"}, {"S": "y"}, None)


def test_a_later_change_leaves_what_was_written_before_as_it_was(
    log: EventLog, dynamodb: Any
) -> None:
    dynamodb.put_item(TableName="t", Item={**key(1), "set": {"SS": ["x"]}})
    dynamodb.update_item(
        TableName="t",
        Key=key(1),
        UpdateExpression="ADD #s :y",
        ExpressionAttributeNames={"#s": "set"},
        ExpressionAttributeValues={":y": {"SS": ["y"]}},
    )
    dynamodb.update_item(
        TableName="t",
        Key=key(1),
        UpdateExpression="REMOVE #s",
        ExpressionAttributeNames={"#s": "set"},
    )
    (_, first), (_, second), (_, third) = changed(log)
    assert first["set"] == {"SS": ["x"]}
    assert second["set"] == {"SS": ["x", "y"]}
    assert third == key(1)


def test_an_item_of_every_type_is_written_as_dynamodb_gives_it_back(
    log: EventLog, dynamodb: Any
) -> None:
    item = {
        **key(1),
        "list": {"L": [{"N": "1.5"}, {"M": {"deep": {"L": []}}}, {"NULL": True}]},
        "map": {"M": {"is": {"BOOL": False}, "names": {"SS": ["a"]}, "none": {"M": {}}}},
        "numbers": {"NS": ["1", "2"]},
    }
    dynamodb.put_item(TableName="t", Item=item)
    dynamodb.update_item(
        TableName="t",
        Key=key(1),
        UpdateExpression="SET #l[0] = :x",
        ExpressionAttributeNames={"#l": "list"},
        ExpressionAttributeValues={":x": {"S": "new"}},
    )
    (_, put), (_, updated) = changed(log)
    assert put == item
    assert updated == dynamodb.get_item(TableName="t", Key=key(1))["Item"]
    assert updated["list"]["L"][0] == {"S": "new"}


def test_the_change_belongs_to_what_caused_the_call(log: EventLog) -> None:
    backend = Backend(log=log, faults=Faults(log), clock=Clock())
    trace = Trace("1-root", 7)
    try:
        backend.call(
            request(
                "CreateTable",
                trace,
                {
                    "TableName": "t",
                    "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
                    "BillingMode": "PAY_PER_REQUEST",
                },
            )
        )
        backend.call(request("PutItem", trace, {"TableName": "t", "Item": {"p": {"S": "a"}}}))
    finally:
        backend.close()
    (event,) = [event for event in log if event.kind == "item.changed"]
    assert (event.trace, event.cause) == ("1-root", 7)


def request(operation: str, trace: Trace, body: dict[str, Any]) -> AwsRequest:
    headers = Headers(
        {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
            HEADER: trace.header,
        }
    )
    content = json.dumps(body).encode()
    return AwsRequest("POST", "dynamodb", REGION, "/", "", headers, content)
