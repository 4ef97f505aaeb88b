"""moto's core: what every service shares."""

from __future__ import annotations

import functools
import sys
from typing import Any

from labkit.backend import clients
from labkit.backend.replacement import Replacement


def _session_without_files(_: Any) -> Any:
    return classmethod(lambda cls: clients.session())


def _untracked(_: Any) -> Any:
    def new(cls: Any, *args: Any, **kw: Any) -> Any:
        return super(sys.modules["moto.core.common_models"].BaseModel, cls).__new__(cls)

    return new


def _possible_keys(original: Any) -> Any:
    def get_possible_keys(self: Any, context: Any) -> Any:
        # What else an object's attribute may be called depends on its class; a dict's has none.
        if type(context.obj) is not dict:
            return original(self, context)
        known = vars(context.shape).setdefault("_possible_keys", {})
        asked = (context.key, *self.alias_providers)
        if asked not in known:
            known[asked] = tuple(dict.fromkeys(original(self, context)))
        return known[asked]

    return get_possible_keys


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        "moto.core.common_models",
        "BaseModel.__new__",
        _untracked,
        "it keeps every object that there ever was, for a page of moto's that lists them",
    ),
    Replacement(
        "moto.core.base_backend",
        "AccountSpecificBackend.get_session",
        _session_without_files,
        "a student's AWS profile may not exist; moto only asks for names of regions",
    ),
    Replacement(
        "moto.core.responses",
        "method_names_from_class",
        functools.lru_cache(maxsize=None),
        "it lists a class's members at every call, a sixth of a PutItem's time",
    ),
    Replacement(
        "moto.core.serialize",
        "XFormedAttributePicker.get_possible_keys",
        _possible_keys,
        "it thinks up a dozen names for each member of each answer, an eighth of a call's time",
    ),
)
