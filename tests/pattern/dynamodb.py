"""DynamoDB's calls and expressions, as far as the pattern's functions and state machine use them.

A table is a dict of items, an item is JSON in DynamoDB's form, and each call is one step: that is all
that the rules of the pattern rely on.  The real thing's stand-in, with all of its rules, is the local
cloud; this one is small enough to go through every order of steps.

Source: Amazon DynamoDB developer guide, "Condition and filter expressions", "Update expressions".
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

Item = dict[str, Any]
Tables = dict[str, dict[str, Item]]

_TOKEN = re.compile(r"\s*([#:]?\w+|[<>]=|[=(),+-])")
_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD)\b")


class Failed(Exception):
    """The call is answered with an error; ``answer`` is the error's body."""

    def __init__(self, code: str, **members: Any) -> None:
        super().__init__(code)
        self.answer = {"Error": {"Code": code, "Message": code}, **members}


def call(tables: Tables, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Answer one call, and change the tables by it.

    Raises:
        Failed: a condition does not hold; nothing is changed.
    """
    match operation:
        case "GetItem":
            item = tables[asked["TableName"]].get(_key(asked["Key"]))
            if item is None:
                return {}
            shown = _TOKEN.findall(asked.get("ProjectionExpression", "")) or item
            return {"Item": {name: item[name] for name in shown if name in item}}
        case "PutItem" | "UpdateItem" | "DeleteItem":
            return _write(tables, operation, asked)
        case "BatchGetItem":
            found = {
                name: [tables[name][_key(key)] for key in keys["Keys"] if _key(key) in tables[name]]
                for name, keys in asked["RequestItems"].items()
            }
            return {"Responses": found, "UnprocessedKeys": {}}
        case "TransactWriteItems":
            return _transact(tables, asked["TransactItems"])
    raise NotImplementedError(operation)


def _write(tables: Tables, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    table = tables[asked["TableName"]]
    key = asked.get("Key") or _key_of(asked["Item"])
    before = table.get(_key(key))
    condition = asked.get("ConditionExpression", "")
    if not _holds(condition, before or {}, asked):
        wanted = asked.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        shown = {"Item": before} if wanted and before else {}
        raise Failed("ConditionalCheckFailedException", **shown)
    if operation == "DeleteItem":
        table.pop(_key(key), None)
        after: Item | None = None
    elif operation == "PutItem":
        after = table[_key(key)] = asked["Item"]
    else:
        after = table[_key(key)] = _updated(asked["UpdateExpression"], before or key, asked)
    shown = {"ALL_OLD": before, "ALL_NEW": after}.get(asked.get("ReturnValues", "NONE"))
    return {"Attributes": shown} if shown else {}


def _transact(tables: Tables, actions: list[dict[str, Any]]) -> dict[str, Any]:
    """Make all of the writes, or none."""
    updates = [action["Update"] for action in actions]
    failed = [
        not _holds(
            update.get("ConditionExpression", ""),
            tables[update["TableName"]].get(_key(update["Key"]), {}),
            update,
        )
        for update in updates
    ]
    if any(failed):
        reasons = [{"Code": "ConditionalCheckFailed" if no else "None"} for no in failed]
        raise Failed("TransactionCanceledException", CancellationReasons=reasons)
    for update in updates:
        _write(tables, "UpdateItem", update)
    return {}


def _key(key: Item) -> str:
    ((_, value),) = key.items()
    return str(value["S"])


def _key_of(item: Item) -> Item:
    """The key of an item that is put: the tables' key is the attribute that an item begins with."""
    name = next(iter(item))
    return {name: item[name]}


def _holds(expression: str, item: Item, asked: dict[str, Any]) -> bool:
    """Whether a condition holds.  AND binds stronger than OR, and NOT stronger than both."""
    tokens = _tokens(expression)

    def either() -> bool:
        holds = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            holds = both() or holds
        return holds

    def both() -> bool:
        holds = term()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            holds = term() and holds
        return holds

    def term() -> bool:
        match tokens.pop(0):
            case "NOT":
                return not term()
            case "(":
                holds = either()
                assert tokens.pop(0) == ")"
                return holds
            case "attribute_exists":
                return argument(1)[0] in item
            case "attribute_not_exists":
                return argument(1)[0] not in item
            case "contains":
                name, value = argument(2)
                return _value(value, item, asked)["S"] in item.get(name, {}).get("SS", [])
            case name:
                return _compare(name, tokens.pop(0), tokens.pop(0), item, asked)

    def argument(count: int) -> list[str]:
        taken = tokens[: 2 * count + 1]
        del tokens[: 2 * count + 1]
        return taken[1::2]

    return either() if tokens else True


def _compare(name: str, sign: str, value: str, item: Item, asked: dict[str, Any]) -> bool:
    if name.startswith(":"):
        raise NotImplementedError(f"{name} {sign} {value}")
    if name not in item:
        return False
    left, right = item[name], _value(value, item, asked)
    match sign:
        case "=":
            return bool(left == right)
        case ">=":
            return _number(left) >= _number(right)
        case "<=":
            return _number(left) <= _number(right)
    raise NotImplementedError(sign)


def _updated(expression: str, item: Item, asked: dict[str, Any]) -> Item:
    names = asked.get("ExpressionAttributeNames", {})
    after = dict(item)
    _, *clauses = _CLAUSE.split(expression)
    for clause, changes in zip(clauses[::2], clauses[1::2], strict=True):
        for change in changes.split(","):
            tokens = [names.get(token, token) for token in _tokens(change)]
            match clause, tokens:
                case "SET", [name, "=", value]:
                    after[name] = _value(value, item, asked)
                case "SET", [name, "=", left, "+" | "-" as sign, right]:
                    number = _number(_value(right, item, asked))
                    total = _number(_value(left, item, asked)) + (
                        number if sign == "+" else -number
                    )
                    after[name] = {"N": str(total)}
                case "REMOVE", [name]:
                    after.pop(name, None)
                case "ADD", [name, value]:
                    members = {
                        *after.get(name, {}).get("SS", []),
                        *_value(value, item, asked)["SS"],
                    }
                    after[name] = {"SS": sorted(members)}
                case _:
                    raise NotImplementedError(change)
    return after


def _value(token: str, item: Item, asked: dict[str, Any]) -> Any:
    return asked["ExpressionAttributeValues"][token] if token.startswith(":") else item[token]


def _number(value: Item) -> Decimal:
    return Decimal(value["N"])


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)
