"""What AWS does, and where other emulators differ: ``behaviours.toml`` read."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OTHERS = ("ministack", "serverless-offline")
"""The emulators that the local cloud is compared with."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an emulator does instead.

    Attributes:
        observed: what is observed.
        meaning: a sentence that says so.
    """

    observed: Any
    meaning: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What AWS does in one observation.

    Attributes:
        name: the observation's name.
        what: the beginning of a sentence that ``aws`` ends.
        aws: what is observed on AWS.
        evidence: how that is known, in Markdown.
        differences: what others do instead, by their names.
    """

    name: str
    what: str
    aws: Any
    evidence: str
    differences: Mapping[str, Difference]

    def expected(self, emulator: str) -> Any:
        """What is observed of an emulator."""
        difference = self.differences.get(emulator)
        return self.aws if difference is None else difference.observed


def behaviours() -> dict[str, Behaviour]:
    """All of them, by name."""
    data = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    pages = {name: f"[{title}]({address})" for name, (title, address) in data.pop("pages").items()}
    return {
        name: Behaviour(
            name=name,
            what=one["what"],
            aws=one["aws"],
            evidence=", ".join(
                [f"documented: {pages[page]}" for page in one.get("pages", ())] or [one["evidence"]]
            ),
            differences={other: Difference(*one[other]) for other in OTHERS if other in one},
        )
        for name, one in data.items()
    }


def shown(value: Any) -> str:
    """A value as code in Markdown."""
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"
