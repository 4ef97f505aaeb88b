"""``lab.show`` on a real order: what each view says is what really happened."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from labkit.demo import ORDER, read_order
from labkit.errors import LabError
from labkit.lab import Lab
from labkit.pattern.build import build
from labkit.pattern.client import OrderClient
from labkit.views.picture import Picture
from labkit.views.view import Page, Table

SOON = 30.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab.start()
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def order(lab: Lab) -> str:
    """An order whose client has got all messages and has gone: its execution's ARN."""
    client = OrderClient(build().orders_url)
    lab.faults.delay_function("orders-do-work", 0.3)  # until the client listens
    placed = client.place_order(read_order(ORDER))
    client.result()
    client.close()
    lab.log.wait(lambda e: e.kind == "disconnect.handled", timeout=SOON)
    lab.log.wait(lambda e: e.kind == "execution.ended", timeout=SOON)
    return str(placed.execution_arn)


def rows(view: Any, part: int = 0) -> list[dict[str, str]]:
    table = view.parts[part] if isinstance(view, Page) else view
    assert isinstance(table, Table)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_the_map_has_the_parts_that_the_order_went_through(lab: Lab, order: str) -> None:
    said = lab.show.architecture(order).text.splitlines()
    assert "HTTP API: 1 call" in said
    assert "  orders-place-order: 1 call" in said
    assert "  orders-work: 1 call" in said
    assert "Lambda → Step Functions: 1" in said
    assert not any("Notebook" in line for line in said)
    whole = lab.show.architecture().text
    assert "Notebook → DynamoDB: 1" in whole  # the shop is stocked


def test_the_maps_way_of_an_order_begins_with_its_request_even_when_its_client_has_gone(
    lab: Lab, order: str
) -> None:
    map_ = lab.show.architecture(order)
    assert isinstance(map_, Picture)
    assert ">1  Client → HTTP API: POST /orders<" in map_.svg


def test_the_last_events_at_a_part_are_those_of_the_log(lab: Lab, order: str) -> None:
    assert "Lambda → DynamoDB: DeleteItem on orders-connections" in (
        lab.show.last("orders-connections").text
    )
    with pytest.raises(LabError, match="'orders-executions'"):
        lab.show.last("orders")


def test_the_connection_ended_as_its_client_closed_it(lab: Lab, order: str) -> None:
    live, ended = (rows(lab.show.connections(), part) for part in (0, 1))
    assert live == []
    (only,) = ended
    assert only["Ended with"].startswith("1000 Normal Closure")
    assert only["Order"] == order.rpartition(":")[2]
    assert only["Stage"] == "prod"


def test_the_messages_are_those_that_the_client_sent_and_got(lab: Lab, order: str) -> None:
    said = lab.show.messages().text
    assert "→ to the API: action subscribe (route subscribe)" in said
    assert "← to the client: type result" in said
    (connection,) = (e["connection"] for e in lab.log if e.kind == "connection.opened")
    assert lab.show.messages(connection).text == said
    with pytest.raises(LabError, match=connection):
        lab.show.messages("nobody", live=True)


def test_a_table_is_what_dynamodb_holds(lab: Lab, order: str) -> None:
    dynamodb = boto3.client("dynamodb", region_name="us-east-1")
    for table in ("orders-executions", "orders-products", "orders-connections"):
        held = dynamodb.scan(TableName=table)["Items"]
        there = [row for row in rows(lab.show.table(table)) if "deleted" not in row["Last change"]]
        assert len(there) == len(held)
        key = next(iter(rows(lab.show.table(table))[0])).split()[0]
        shown = {row[f"{key} (partition key)"] for row in there}
        assert shown == {item[key]["S"] for item in held}
    products = rows(lab.show.table("orders-products"))
    held = dynamodb.scan(TableName="orders-products")["Items"]
    assert {row["sku (partition key)"]: row["available"] for row in products} == {
        item["sku"]["S"]: item["available"]["N"] for item in held
    }


def test_time_to_live_is_known_from_the_call_that_set_it(lab: Lab, order: str) -> None:
    dynamodb = boto3.client("dynamodb", region_name="us-east-1")
    before = str(int(time.time()) - 3_700)
    item = {"connectionId": {"S": "old="}, "expiresAt": {"N": before}}
    dynamodb.put_item(TableName="orders-connections", Item=item)
    (row,) = rows(lab.show.table("orders-connections"))
    assert "expired 1 hour ago, may still be read" in row["expiresAt (time to live)"]
    with pytest.raises(LabError, match="'orders-products'"):
        lab.show.table("orders", live=True)


def test_looking_calls_nothing(lab: Lab, order: str) -> None:
    before = lab.log.last
    lab.show.architecture()
    lab.show.connections()
    lab.show.messages()
    lab.show.table("orders-executions")
    assert lab.log.last == before
