"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from labkit.lab import Lab

pytest_plugins = ["tests.fidelity.plugin", "tests.scheduling"]

# What hypothesis makes up is the same in every run, and no example is timed: the machine may be busy.
# With --hypothesis-profile=long it makes up more, and other things in each run.
settings.register_profile(
    "short", max_examples=60, derandomize=True, database=None, deadline=None, print_blob=True
)
settings.register_profile("long", max_examples=3_000, deadline=None, print_blob=True)
settings.load_profile("short")


@pytest.fixture(scope="module", autouse=True)
def no_lab_is_left() -> Iterator[None]:
    """A lab that a file leaves running would be found, with all that is in it, by the next one."""
    assert Lab.current() is None
    yield
    assert Lab.current() is None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was proven of the course's checks, whichever processes proved it."""
    counts = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "proof"
    ]
    if counts:
        from labkit.course.proof.prover import table

        terminalreporter.section("proof of the checks")
        for line in table(counts):
            terminalreporter.line(line)
