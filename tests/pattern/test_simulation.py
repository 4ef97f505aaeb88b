"""A thousand seeds in virtual time: the pattern keeps its promises, and each naive variant breaks one.

A seed that fails here is told by ``python -m tests.pattern.simulation --seed N``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pattern.simulation.customer import Pattern
from tests.pattern.simulation.faults import GENTLE, ROUGH
from tests.pattern.simulation.run import Outcome, simulate
from tests.pattern.simulation.schedule import virtual_time
from tests.pattern.simulation.variants import BY_NAME, VARIANTS, Variant, instead, pattern

ROOT = Path(__file__).parents[2]
SEEDS = range(1000)
CHUNK = 100

REPLAY = "python -m tests.pattern.simulation"


class Seeds:
    """The seeds, each run once however many tests ask."""

    def __init__(self, code: Pattern) -> None:
        self._code = code
        self._outcomes: dict[int, Outcome] = {}

    def __getitem__(self, seed: int) -> Outcome:
        if seed not in self._outcomes:
            # What happened in detail would fill the memory; the seed brings it back.
            self._outcomes[seed] = replace(simulate(self._code, seed), timeline=[], calls=[])
        return self._outcomes[seed]


@pytest.fixture(scope="module")
def seeds() -> Iterator[Seeds]:
    with pattern() as code, virtual_time():
        yield Seeds(code)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("first", SEEDS[::CHUNK])
def test_every_promise_is_kept_with_every_seed(seeds: Seeds, first: int) -> None:
    broken = [
        f"{REPLAY} --seed {seed}: {problem}"
        for seed in range(first, first + CHUNK)
        for problem in seeds[seed].problems
    ]
    assert broken == []


@pytest.mark.timeout(180)
def test_the_seeds_meet_every_fault_and_every_state(seeds: Seeds) -> None:
    outcomes = [seeds[seed] for seed in SEEDS]
    assert {kind for outcome in outcomes for kind in outcome.struck} == {*GENTLE, *ROUGH}
    assert {state for outcome in outcomes for state in outcome.states} == {
        "DoWork",
        "ReleaseStock",
        "SaveResult",
        "GetConn",
        "IsConnected",
        "Notify",
        "ForgetConn",
        "Done",
    }
    # Messages came for connections that were not there yet, and then were.
    assert sum(outcome.missed for outcome in outcomes) >= len(SEEDS) / 100
    # Duplicates of the result did arrive, and were dropped.
    assert sum(outcome.copies > 2 for outcome in outcomes) > len(SEEDS) / 20


@pytest.mark.parametrize("failure", [f"F{number}" for number in (*range(1, 12), 14)])
def test_each_failure_has_a_variant(failure: str) -> None:
    assert failure in {variant.failure for variant in VARIANTS}


def test_the_documentation_names_each_variant_with_its_failure() -> None:
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (F\d+|found)", text, re.MULTILINE)
    assert rows == [(each.name, each.failure.replace("seen", "found")) for each in VARIANTS]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.name for variant in VARIANTS])
def test_a_naive_variant_breaks_its_promise_with_one_of_the_seeds(variant: Variant) -> None:
    with pattern(variant) as code, virtual_time():
        for seed in SEEDS:
            if variant.breaks in [rule for rule, _ in simulate(code, seed).broken]:
                return
    pytest.fail(f"No seed notices that {variant.mistake}.")


def test_a_variant_whose_place_is_gone_is_refused() -> None:
    change = instead("a line that was there", "another")
    with pytest.raises(AssertionError, match="there once: 'a line that was there'"):
        change("other lines")


def test_one_command_tells_a_seed_the_same_way_each_time() -> None:
    variant = BY_NAME["tells-no-stored-result"]
    command = [sys.executable, "-m", "tests.pattern.simulation", "--seed", "0"]
    told = [
        subprocess.run(
            [*command, "--variant", variant.name],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": number},
            capture_output=True,
            text=True,
            check=False,
        )
        for number in ("1", "2")
    ]
    first, second = (each.stdout for each in told)
    assert first == second
    assert [each.returncode for each in told] == [1, 1]
    assert "+    if False:" in first
    assert "client 1: POST /orders" in first
    assert "not true: the result arrives (client 1 has no result" in first
