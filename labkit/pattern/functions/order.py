"""An order: its form, and its price.  No I/O.

An order is a JSON object::

    {"customer": "ada@example.com", "currency": "EUR",
     "items": [{"sku": "tea-green-100", "quantity": 2}]}

Two things can be wrong with it.  It is *malformed* when it is no order at all: the caller's mistake,
answered at once with 400.  It is *rejected* when it is an order that cannot be filled: a result of
the business like any other, delivered over the WebSocket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

MAX_LINES = 50
"""Lines of an order: with the execution's own item, well within the 100 actions of a transaction."""

MAX_QUANTITY = 1_000
CENT = Decimal("0.01")


class Malformed(ValueError):
    """The data is no order; ``field`` names the culprit, such as ``items[1].quantity``."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field


class Rejected(Exception):
    """The order cannot be filled; ``reason`` is for the customer."""

    def __init__(self, reason: str, sku: str) -> None:
        super().__init__(f"{reason}: {sku}")
        self.reason = reason
        self.sku = sku


@dataclass(frozen=True)
class Line:
    """One line of an order."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Product:
    """What the shop knows of an article."""

    sku: str
    name: str
    unit_price: Decimal
    currency: str


@dataclass(frozen=True)
class Order:
    """A well-formed order."""

    customer: str
    currency: str
    lines: tuple[Line, ...]

    @classmethod
    def parse(cls, data: object) -> Order:
        """The order in JSON data.

        Raises:
            Malformed: the data is no order; names the field.
        """
        if not isinstance(data, dict):
            raise Malformed("", f"An order is a JSON object, not {_kind(data)}.")
        for name in data:
            if name not in ("customer", "currency", "items"):
                raise Malformed(
                    name, "An order has customer, currency and items, and no such field."
                )
        currency = _text(data, "currency")
        if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
            raise Malformed("currency", f"must be a code such as EUR (ISO 4217), not {currency!r}.")
        items = data.get("items")
        if not isinstance(items, list) or not items:
            raise Malformed("items", "must be a list with at least one line.")
        if len(items) > MAX_LINES:
            raise Malformed("items", f"has {len(items)} lines; {MAX_LINES} is the most.")
        lines: dict[str, Line] = {}
        for number, item in enumerate(items):
            line = _line(item, f"items[{number}]")
            if line.sku in lines:
                raise Malformed(f"items[{number}].sku", f"{line.sku!r} has a line already.")
            lines[line.sku] = line
        return cls(_text(data, "customer"), currency, tuple(lines.values()))

    def to_dict(self) -> dict[str, Any]:
        """The order as JSON data; equal orders give equal data."""
        return {
            "customer": self.customer,
            "currency": self.currency,
            "items": [{"sku": line.sku, "quantity": line.quantity} for line in self.lines],
        }

    def price(self, products: Mapping[str, Product]) -> dict[str, Any]:
        """The order with names, prices and the total, as JSON data; amounts are decimal strings.

        Raises:
            Rejected: the shop does not have an article, or does not sell it in this currency.
        """
        lines = []
        total = Decimal(0)
        for line in self.lines:
            product = products.get(line.sku)
            if product is None:
                raise Rejected("unknown article", line.sku)
            if product.currency != self.currency:
                raise Rejected(f"not sold in {self.currency}", line.sku)
            amount = (product.unit_price * line.quantity).quantize(CENT, ROUND_HALF_UP)
            total += amount
            lines.append(
                {
                    "sku": line.sku,
                    "name": product.name,
                    "quantity": line.quantity,
                    "unitPrice": str(product.unit_price.quantize(CENT, ROUND_HALF_UP)),
                    "amount": str(amount),
                }
            )
        return {"currency": self.currency, "lines": lines, "total": str(total)}


def _line(item: object, where: str) -> Line:
    if not isinstance(item, dict):
        raise Malformed(where, f"must be an object with sku and quantity, not {_kind(item)}.")
    for name in item:
        if name not in ("sku", "quantity"):
            raise Malformed(f"{where}.{name}", "A line has sku and quantity, and no such field.")
    sku = _text(item, "sku", f"{where}.sku")
    quantity = item.get("quantity")
    # bool is an int to Python, not to JSON.
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise Malformed(f"{where}.quantity", f"must be a whole number, not {_kind(quantity)}.")
    if not 1 <= quantity <= MAX_QUANTITY:
        raise Malformed(f"{where}.quantity", f"must be 1 to {MAX_QUANTITY}, not {quantity}.")
    return Line(sku, quantity)


def _text(data: Mapping[str, object], name: str, where: str = "") -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Malformed(where or name, f"must be a text that is not empty, not {_kind(value)}.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Malformed(where or name, "has half of a character; two surrogates make one.")
    if len(value) > 200:
        raise Malformed(where or name, f"has {len(value)} characters; 200 is the most.")
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"the text {value[:40]!r}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case _:
            return "an object"
