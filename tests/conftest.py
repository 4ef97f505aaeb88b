"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labkit.lab import Lab


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
