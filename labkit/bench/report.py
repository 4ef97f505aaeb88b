"""The figures as a table and as JSON.  No I/O."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.bench.measurement import LAB, Results, Row
from labkit.bench.summary import Summary


def to_json(results: Results, machine: Mapping[str, Any], runs: int) -> dict[str, Any]:
    """The figures as JSON data.

    Args:
        results: what was measured.
        machine: facts about the machine.
        runs: how often each was to be measured.

    Returns:
        ``machine``, ``runs``, ``rows`` and ``failures``.  Each row holds ``measurement``, ``key``,
        ``what``, ``unit``, ``moreIsBetter``; ``peers`` with ``median``, ``min``, ``max``, ``iqr``
        and ``values``, one a run; and ``ratios``, labkit's median divided by another peer's.
    """
    return {
        "machine": dict(machine),
        "runs": runs,
        "rows": [_row(row) for row in results.rows],
        "failures": list(results.failures),
    }


def _row(row: Row) -> dict[str, Any]:
    ratios = {name: row.ratio(LAB, name) for name in row.peers if name != LAB}
    return {
        "measurement": row.measurement,
        "key": row.quantity.key,
        "what": row.quantity.what,
        "unit": row.quantity.unit,
        "moreIsBetter": row.quantity.more_is_better,
        "peers": {
            name: {
                "median": summary.median,
                "min": summary.minimum,
                "max": summary.maximum,
                "iqr": summary.iqr,
                "values": list(summary.values),
            }
            for name, summary in row.peers.items()
        },
        "ratios": {name: ratio for name, ratio in ratios.items() if ratio is not None},
    }


def table(results: Results, machine: Mapping[str, Any], runs: int) -> str:
    """The figures as a Markdown table that is readable as it is.

    Each cell is the median of the runs, with the smallest and the largest behind it; the last
    columns are labkit's median divided by the peer's.
    """
    names = list(dict.fromkeys(name for row in results.rows for name in row.peers))
    others = [name for name in names if name != LAB]
    head = ["", "measured", "unit", *names, *(f"{LAB} / {name}" for name in others)]
    body = [
        [
            row.measurement,
            row.quantity.what,
            row.quantity.unit,
            *(_cell(row.peers.get(name)) for name in names),
            *(_ratio(row.ratio(LAB, name)) for name in others),
        ]
        for row in results.rows
    ]
    for above, below in reversed(list(itertools.pairwise(body))):
        if above[0] == below[0]:
            below[0] = ""
    facts = ", ".join(f"{name}: {value}" for name, value in machine.items())
    lines = [f"Median of {runs} run{'' if runs == 1 else 's'} (smallest–largest).  {facts}", ""]
    lines += markdown([head, *body], first_number=3)
    if results.failures:
        lines += ["", "Failed:", *(f"- {failure}" for failure in results.failures)]
    return "\n".join(lines)


def _cell(summary: Summary | None) -> str:
    if summary is None:
        return "–"
    if len(summary.values) == 1:
        return number(summary.median)
    return f"{number(summary.median)} ({number(summary.minimum)}–{number(summary.maximum)})"


def _ratio(ratio: float | None) -> str:
    return "–" if ratio is None else number(ratio)


def markdown(rows: Sequence[Sequence[str]], *, first_number: int) -> list[str]:
    """Rows, the head first, as the lines of a Markdown table whose columns are in line.

    Args:
        rows: the cells.
        first_number: the first column that is written flush right.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column >= first_number else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rule = [
        "-" * (width + 1) + ":" if column >= first_number else "-" * (width + 2)
        for column, width in enumerate(widths)
    ]
    lines.insert(1, f"|{'|'.join(rule)}|")
    return lines


def number(value: float) -> str:
    """A value with three significant digits, and no more than the whole of a large one."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"
