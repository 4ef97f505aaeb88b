"""What differs from run to run in a notebook's outputs, and what stands for it.  No I/O.

The build stores outputs with these substitutions, and nbval compares with them, so a stored output
and a fresh one differ only where something really changed.  Each leaves its own replacement alone.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Substitution(NamedTuple):
    """What is replaced, by what, and why it differs from run to run."""

    pattern: str
    replacement: str
    reason: str


SUBSTITUTIONS = (
    Substitution(
        r"\b(127\.0\.0\.1|localhost):\d+\b", r"\1:PORT", "the system chooses the cloud's port"
    ),
    Substitution(
        r"\bexecute-api/[a-z0-9]{8,10}\b", "execute-api/API", "API ids are random without a seed"
    ),
    Substitution(
        r"\b[a-z0-9]{8,10}\.execute-api\b", "API.execute-api", "API ids are random without a seed"
    ),
    Substitution(
        # Not the name of an argument, as in IntegrationType="AWS_PROXY".
        r"(?<![\w+/=-])(?:(?<=[\"';])[\w-]{15}=(?![\w=])|(?<![\"';])[\w-]{15}=(?![\w=\"'&]))",
        "CONNECTION=",
        "connection, message and request ids of API Gateway are random",
    ),
    Substitution(
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        "UUID",
        "request ids and execution names are random",
    ),
    Substitution(
        r"\b1-[0-9a-f]{8}-[0-9a-f]{24}\b", "TRACE", "trace ids hold the time and are random"
    ),
    Substitution(
        r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?",
        "TIME",
        "times of day",
    ),
    Substitution(
        r"datetime\.datetime\(\d+(?:, \d+)+(?:, tzinfo=\w+\(\))?\)",
        "datetime.datetime(TIME)",
        "times of day, as Python shows them",
    ),
    Substitution(
        r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\b",
        "TIME",
        "times of day, as HTTP has them",
    ),
    Substitution(r"\b1[6-9]\d{8}(?:\.\d+)?\b", "SECONDS", "seconds since the epoch"),
    Substitution(r"\b1[6-9]\d{11}\b", "MILLISECONDS", "milliseconds since the epoch"),
    Substitution(
        r"(?<![\w.])\d+(?:\.\d+)? ?(ms|µs|us|ns)\b", r"N \1", "durations that were measured"
    ),
    Substitution(r"(?<![\w.])\d+\.\d+ ?(s|seconds)\b", r"N \1", "durations that were measured"),
    Substitution(r"\b0x[0-9a-f]{6,16}\b", "0xADDRESS", "addresses of objects in memory"),
    Substitution(
        r"[^\s\"'(]*\bhandlers[/\\](?=\w+\.py\b)",
        "work/handlers/",
        "the work folder is a temporary one while a notebook is built or compared",
    ),
    Substitution(
        r"[\w/\\:.-]*ipykernel_\d+[/\\]\d+\.py", "CELL", "the file that a cell pretends to be"
    ),
)
"""In this order: an earlier one may keep a later one from matching."""


_COLOUR = r"\x1b\[[\d;]*m"
"""A code that colours a terminal's text.  It ends in a letter, and a path may follow at once."""


def places(root: Path) -> tuple[Substitution, ...]:
    """Substitutions for folders that are somewhere else on each machine.

    Args:
        root: the lab's folder.
    """
    folders = {
        str(root): "LAB",
        tempfile.gettempdir(): "TMP",
        sys.prefix: "PYTHON",
        sys.base_prefix: "PYTHON",
        str(Path.home()): "HOME",
    }
    longest_first = sorted(folders, key=len, reverse=True)
    return tuple(
        Substitution(
            rf"(^|[^\w/]|{_COLOUR}){re.escape(folder)}(?=[/\\])",
            rf"\1{folders[folder]}",
            "folders differ",
        )
        for folder in longest_first
        if len(Path(folder).parts) > 1
    )


def substitute(text: str, substitutions: Iterable[Substitution] = SUBSTITUTIONS) -> str:
    """A text with everything replaced that differs from run to run.

    Args:
        text: an output's text.
        substitutions: in their order.
    """
    for pattern, replacement, _ in substitutions:
        text = re.sub(pattern, replacement, text)
    return text
