"""What the call at work writes to DynamoDB, for the event log."""

from __future__ import annotations

from typing import Any

from labkit.eventlog import EventLog, item_copy
from labkit.trace import Trace
from labkit.wire import LOCAL_ACCOUNT


class Written:
    """The items that a call has changed; one call writes at a time.

    Args:
        log: where they are told.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._noted: dict[int, tuple[Any, Any, Any]] = {}

    def __bool__(self) -> bool:
        return bool(self._noted)

    def add(self, table: Any, item: Any, attributes: Any) -> None:
        """Note what a call has written; the log gets it when the call is done.

        A call may write an item in two steps, so each is noted once, as it is in the end.

        Args:
            table: moto's table.
            item: moto's item.
            attributes: the item's as DynamoDB JSON, if the request has them; the item itself if it is
                to be asked for them; ``None`` if it was deleted.
        """
        self._noted[id(item)] = (table, item, attributes)

    def forget(self) -> None:
        """Forget what the call wrote: its transaction was rolled back."""
        self._noted.clear()

    def tell(self, trace: Trace | None) -> None:
        """Write each item that the call changed to the log, as it is now."""
        written, self._noted = self._noted, {}
        for table, item, attributes in written.values():
            data = {"table": table.name, "key": _key_of(table, item)}
            if table.account_id != LOCAL_ACCOUNT:
                data["account"] = table.account_id
            if attributes is item:
                attributes = {name: _json_of(value) for name, value in item.attrs.items()}
            new = None if attributes is None else item_copy(attributes)
            self._log.append("item.changed", trace, **data, item=new)


def _key_of(table: Any, item: Any) -> dict[str, Any]:
    names = (table.hash_key_attr, table.range_key_attr)
    values = (item.hash_key, item.range_key)
    return {
        name: {value.type: value.value}
        for name, value in zip(names, values, strict=True)
        if name and value is not None
    }


def _json_of(value: Any) -> dict[str, Any]:
    """One of moto's values as DynamoDB JSON; moto's own ``to_json`` takes ten times as long."""
    content = value.value
    if value.type == "M":
        return {"M": {name: _json_of(one) for name, one in content.items()}}
    if value.type == "L":
        return {"L": [_json_of(one) for one in content]}
    return {value.type: content}
