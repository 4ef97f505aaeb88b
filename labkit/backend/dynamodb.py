"""DynamoDB: what is written is told to the log, and expressions are parsed once."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any

from labkit.backend import seam
from labkit.backend.replacement import Replacement


def _update_item(original: Any) -> Any:
    def update_item(self: Any) -> Any:
        answer = original(self)
        if self.body.get("ReturnConsumedCapacity", "NONE") == "NONE":
            answer.result.pop("ConsumedCapacity", None)
        return answer

    return update_item


def _put_item(original: Any) -> Any:
    @functools.wraps(original)
    def put_item(self: Any, item_attrs: Any, *args: Any, **kw: Any) -> Any:
        item = original(self, item_attrs, *args, **kw)
        # What PartiQL makes is no plain data, but a dictionary of its own.
        seam.here.written.add(self, item, item_attrs if type(item_attrs) is dict else item)
        return item

    return put_item


def _updated_item(original: Any) -> Any:
    @functools.wraps(original)
    def update_item(self: Any, table_name: str, *args: Any, **kw: Any) -> Any:
        item = original(self, table_name, *args, **kw)
        seam.here.written.add(self.get_table(table_name), item, item)
        return item

    return update_item


def _delete_item(original: Any) -> Any:
    @functools.wraps(original)
    def delete_item(self: Any, *args: Any, **kw: Any) -> Any:
        item = original(self, *args, **kw)
        if item is not None:
            seam.here.written.add(self, item, None)
        return item

    return delete_item


def _transact_write_items(original: Any) -> Any:
    @functools.wraps(original)
    def transact_write_items(self: Any, transact_items: Any) -> Any:
        with _changing(_named_in(self, transact_items)):
            try:
                return original(self, transact_items)
            except Exception:
                seam.here.written.forget()
                raise

    return transact_write_items


def _named_in(backend: Any, transact_items: Any) -> Iterator[Any]:
    """The items that a transaction names, as far as they are there."""
    for operation in transact_items:
        for named in operation.values():
            # What is wrong with an operation, moto tells when its turn comes.
            with contextlib.suppress(Exception):
                yield backend.get_item(named["TableName"], named.get("Key") or named["Item"])


_changes: set[int] = set()
"""The items that the transaction under way may change, by ``id()``; one is under way at a time."""


@contextlib.contextmanager
def _changing(items: Iterable[Any]) -> Iterator[None]:
    _changes.update(id(item) for item in items)
    try:
        yield
    finally:
        _changes.clear()


def _table_copies(original: Any) -> Any:
    """The ``copy`` module: a table's copy, made before a transaction, shares what stays as it is."""

    def deepcopy(thing: Any) -> Any:
        if not hasattr(thing, "has_range_key"):
            return original.deepcopy(thing)
        under = list(thing.items.values()) if thing.has_range_key else [thing.items]
        parts = [*thing.items, *(part for one in under for part in (*one, *one.values()))]
        # deepcopy takes what is in its memo for a copy that it has made already.
        return original.deepcopy(thing, {id(p): p for p in parts if id(p) not in _changes})

    return types.SimpleNamespace(**{**vars(original), "deepcopy": deepcopy})


def _parsed_once(original: Any) -> Any:
    """A parser whose tree nobody changes: the validators work on a copy."""
    return staticmethod(functools.lru_cache(maxsize=256)(original))


def _tree_copies(original: Any) -> Any:
    """``deepcopy``, for the tree that an update expression was parsed into."""

    def copied(node: Any, parent: Any = None) -> Any:
        if not hasattr(node, "set_parent"):
            return original(node)
        made = object.__new__(type(node))
        children = node.children and [copied(child, made) for child in node.children]
        vars(made).update(vars(node), parent=parent, children=children)
        return made

    return copied


def _traverse(_: Any) -> Any:
    """Goes through an expression's tree as moto does, and asks once for each kind of node."""
    wanted: dict[tuple[type, type], bool] = {}

    def traverse(self: Any, node: Any, child_id: int = -1) -> Any:
        if not hasattr(node, "set_parent"):
            return node
        parent = node.parent
        for index, child in enumerate(node.children or ()):
            self.pre_processing_of_child(node, index)
            self.traverse_node_recursively(child, index)
        kinds = type(self), type(node)
        if kinds not in wanted:
            wanted[kinds] = isinstance(node, self.nodes_to_be_processed())
        if wanted[kinds]:
            node = self.process(node)
            node.parent = parent
            if parent:
                parent.children[child_id] = node
        return node

    return traverse


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        "moto.dynamodb.parsing.ast_nodes",
        "DepthFirstTraverser.traverse_node_recursively",
        _traverse,
        "ten validators ask the same of each node again, a third of an UpdateItem's time",
    ),
    Replacement(
        "moto.dynamodb.parsing.expressions",
        "UpdateExpressionParser.make",
        _parsed_once,
        "it parses each expression twice a call, and the same few all day",
    ),
    Replacement(
        "moto.dynamodb.parsing.validators",
        "deepcopy",
        _tree_copies,
        "it copies each expression, a seventh of an UpdateItem's time",
    ),
    Replacement(
        "moto.dynamodb.responses",
        "DynamoHandler.update_item",
        _update_item,
        "moto tells the consumed capacity to those who did not ask for it",
    ),
    Replacement(
        "moto.dynamodb.models.table",
        "Table.put_item",
        _put_item,
        "each item that changes is in the log",
    ),
    Replacement(
        "moto.dynamodb.models.table",
        "Table.delete_item",
        _delete_item,
        "each item that changes is in the log",
    ),
    Replacement(
        "moto.dynamodb.models",
        "DynamoDBBackend.update_item",
        _updated_item,
        "each item that changes is in the log",
    ),
    Replacement(
        "moto.dynamodb.models",
        "DynamoDBBackend.transact_write_items",
        _transact_write_items,
        "nothing is written when moto rolls a transaction back",
    ),
    Replacement(
        "moto.dynamodb.models",
        "copy",
        _table_copies,
        "before a transaction it copies whole tables, so that each takes longer than the one before",
    ),
)
