"""``docs/differences.md``: where other emulators differ from AWS, as the tests have seen it."""

from __future__ import annotations

from pathlib import Path

from tests.differential.behaviours import OTHERS, behaviours, shown

PATH = Path(__file__).parent.parent.parent / "docs" / "differences.md"

HEAD = """\
# Where other emulators differ from AWS

One script, with boto3 and WebSocket clients, looks at the local cloud and at two other emulators: ministack 1.5.33, and serverless-offline 14.8.2 with osls 4.3.1 by `offline`. The functions are the same; serverless-offline gets them written for Node. Of {all} behaviours the local cloud has all as AWS has them, {counts}.

That says nothing of what else they do: both emulate much that the local cloud does not. And some of AWS's behaviours are known no better than the third column says; [fidelity.md](fidelity.md) has the words for it.

This page is made of `tests/differential/behaviours.toml` (`python -m tests.differential`). The tests hold each emulator to what stands there, whether it differs or not; those of an emulator that is not installed are skipped. `python bench/peers/install.py FOLDER` installs them, and `LABKIT_PEERS=FOLDER` says where.

| behaviour | on AWS, and in the local cloud | known by | ministack | serverless-offline |
|---|---|---|---|---|
"""


def document() -> str:
    """The page."""
    every = behaviours().values()
    counts = " and ".join(
        f"{other} {sum(other not in one.differences for one in every)}" for other in OTHERS
    )
    lines = [HEAD.format(all=len(every), counts=counts).rstrip("\n")]
    for one in every:
        cells = [one.what, shown(one.aws), one.evidence]
        for other in OTHERS:
            difference = one.differences.get(other)
            cells.append(
                f"{shown(difference.observed)}: {difference.meaning}" if difference else "as AWS"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
