"""What stands in the place of a part of moto, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Replacement:
    """Something of moto's that is replaced.

    Attributes:
        module: where it is.
        name: its name there, such as ``Stage.to_json``.
        by: given the original, returns what stands in its place.
        why: the reason.
    """

    module: str
    name: str
    by: Callable[[Any], Any]
    why: str


def always(value: Any) -> Callable[[Any], Any]:
    """A replacement that does not need the original."""
    return lambda _: value
