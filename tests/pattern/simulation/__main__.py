"""Replay a seed: ``python -m tests.pattern.simulation --seed 17 [--variant NAME]``."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import time

from tests.pattern.conftest import PATTERN
from tests.pattern.simulation.run import simulate
from tests.pattern.simulation.schedule import virtual_time
from tests.pattern.simulation.variants import BY_NAME, VARIANTS, Variant, pattern


def main() -> int:
    """Print what happens with a seed, or which of many seeds break a promise.

    Returns:
        0 if all promises are kept, 1 otherwise.
    """
    known = "\n".join(f"  {each.name:33}{each.failure}  {each.mistake}" for each in VARIANTS)
    parser = argparse.ArgumentParser(
        prog="python -m tests.pattern.simulation",
        description="Run the pattern in virtual time, with faults that a seed decides.",
        epilog=f"variants:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="tell what happens with this seed")
    parser.add_argument("--seeds", type=int, default=1000, help="try so many, from 0 on (1000)")
    parser.add_argument("--variant", choices=BY_NAME, metavar="NAME", help="with a mistake")
    options = parser.parse_args()
    variant = BY_NAME.get(options.variant)
    if variant is not None:
        print(_difference(variant))
    with pattern(variant) as code, virtual_time():
        if options.seed is not None:
            outcome = simulate(code, options.seed)
            print(outcome.told())
            return 1 if outcome.problems else 0
        began = time.perf_counter()
        failed = 0
        for seed in range(options.seeds):
            problems = simulate(code, seed).problems
            failed += bool(problems)
            if problems:
                print(f"seed {seed}: {'; '.join(problems)}")
        print(f"{options.seeds} seeds, {failed} failed, {time.perf_counter() - began:.1f} s")
        return 1 if failed else 0


def _difference(variant: Variant) -> str:
    lines = [f"{variant.failure}: {variant.mistake}."]
    for file, change in variant.changes.items():
        before = (PATTERN / file).read_text("utf-8")
        after = change(before)
        if file.endswith(".json"):
            before, after = (json.dumps(json.loads(text), indent=2) for text in (before, after))
        names = (file, f"{file}, {variant.name}")
        lines += difflib.unified_diff(
            before.splitlines(), after.splitlines(), *names, lineterm="", n=2
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
