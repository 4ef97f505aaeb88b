"""The names of a notebook with their data as they were."""

from __future__ import annotations

import io
import pickle
from typing import Any


class Snapshot:
    """The names of a notebook.

    Plain containers and objects of the notebook's own classes are copied; everything else, such as a
    client or a module, stays what it is.

    Args:
        names: the notebook's.
        module: the name of the module that its classes belong to.
    """

    def __init__(self, names: dict[str, Any], module: str) -> None:
        self._shared: list[Any] = []
        written = io.BytesIO()
        _Writer(written, self._shared, module).dump(dict(names))
        self._written = written.getvalue()

    def restore(self, names: dict[str, Any]) -> None:
        """Put the names back, in the same dictionary: functions look them up there."""
        copied = _Reader(io.BytesIO(self._written), self._shared).load()
        names.clear()
        names.update(copied)


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, shared: list[Any], module: str) -> None:
        super().__init__(file, protocol=5)
        self._shared = shared
        self._module = module

    def persistent_id(self, value: Any) -> int | None:
        kind = type(value)
        own = kind.__module__ == self._module and not isinstance(value, type)
        if own or kind in (dict, list, set, bytearray, tuple):
            return None
        self._shared.append(value)
        return len(self._shared) - 1


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, number: int) -> Any:
        return self._shared[number]
