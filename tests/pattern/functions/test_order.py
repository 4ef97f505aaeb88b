from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.pattern.functions.order import Malformed, Order, Product, Rejected
from tests.pattern.conftest import PATTERN

GOOD: dict[str, Any] = json.loads((PATTERN / "order.json").read_text("utf-8"))

# The tree of values that JSON can have.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def line(**changes: Any) -> dict[str, Any]:
    return {"sku": "a", "quantity": 1, **changes}


def order(**changes: Any) -> dict[str, Any]:
    return {"customer": "c", "currency": "EUR", "items": [line()], **changes}


def test_order_of_the_repository_is_one_with_several_items() -> None:
    assert len(Order.parse(GOOD).lines) == 3


def test_order_survives_the_way_through_json() -> None:
    parsed = Order.parse(GOOD)
    assert Order.parse(json.loads(json.dumps(parsed.to_dict()))) == parsed


@pytest.mark.parametrize(
    ("data", "field", "said"),
    [
        ([], "", "An order is a JSON object, not a list."),
        (None, "", "not nothing"),
        (order(item=[]), "item", "and no such field"),
        (order(customer=" "), "customer", "must be a text that is not empty"),
        (order(customer="c" * 201), "customer", "has 201 characters; 200 is the most"),
        ({"currency": "EUR", "items": [line()]}, "customer", "not nothing"),
        (order(currency="eur"), "currency", "must be a code such as EUR"),
        (order(currency="EURO"), "currency", "must be a code such as EUR"),
        (order(currency=978), "currency", "not the number 978"),
        (order(customer="ada\ud83d"), "customer", "half of a character"),
        (order(items=[]), "items", "at least one line"),
        (order(items={}), "items", "at least one line"),
        (order(items=[line()] * 51), "items", "has 51 lines; 50 is the most"),
        (order(items=["a"]), "items[0]", "not the text 'a'"),
        (order(items=[line(), line(sku="")]), "items[1].sku", "not empty"),
        (order(items=[line(), line()]), "items[1].sku", "'a' has a line already"),
        (order(items=[line(color="red")]), "items[0].color", "and no such field"),
        (order(items=[{"sku": "a"}]), "items[0].quantity", "not nothing"),
        (order(items=[line(quantity=0)]), "items[0].quantity", "must be 1 to 1000, not 0"),
        (order(items=[line(quantity=1001)]), "items[0].quantity", "must be 1 to 1000"),
        (order(items=[line(quantity=1.0)]), "items[0].quantity", "not the number 1.0"),
        (order(items=[line(quantity="1")]), "items[0].quantity", "not the text '1'"),
        (order(items=[line(quantity=True)]), "items[0].quantity", "not true"),
    ],
)
def test_malformed_order_names_the_field(data: object, field: str, said: str) -> None:
    with pytest.raises(Malformed) as caught:
        Order.parse(data)
    assert caught.value.field == field
    assert said in str(caught.value)


@given(JSON | st.builds(order, customer=JSON) | st.builds(order, items=st.lists(JSON)))
def test_any_json_is_an_order_or_malformed(data: object) -> None:
    with suppress(Malformed):
        assert Order.parse(data).lines


# -- prices ---------------------------------------------------------------------------------------


def product(price: str, sku: str = "a", currency: str = "EUR") -> Product:
    return Product(sku, f"The {sku}", Decimal(price), currency)


def test_total_is_the_sum_of_what_stands_in_the_lines() -> None:
    two = Order.parse(order(items=[line(quantity=3), line(sku="b", quantity=2)]))
    priced = two.price({"a": product("0.10"), "b": product("19.99", "b")})
    assert [each["amount"] for each in priced["lines"]] == ["0.30", "39.98"]
    assert (priced["total"], priced["currency"]) == ("40.28", "EUR")


def test_half_a_cent_is_rounded_up() -> None:
    # 3 x 0.335 is 1.005; in binary floating point it would be a little less, and become 1.00.
    priced = Order.parse(order(items=[line(quantity=3)])).price({"a": product("0.335")})
    assert priced["total"] == "1.01"


@pytest.mark.parametrize(
    ("products", "reason"),
    [({}, "unknown article"), ({"a": product("1", currency="USD")}, "not sold in EUR")],
)
def test_order_that_the_shop_cannot_fill_is_rejected(
    products: dict[str, Product], reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        Order.parse(order()).price(products)
    assert (caught.value.reason, caught.value.sku) == (reason, "a")
