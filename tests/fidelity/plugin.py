"""Tests that prove behaviours: their marker, the fixture that gives them their values, and mutation.

    @pytest.mark.behaviour("websocket.close.idle")
    def test_idle_connection_is_closed(expected):
        assert closed.code == expected.code

With ``--mutate-values`` each such test runs once for each of its behaviours' values, which is then
another one.  A value that no test notices is an error: either no test reads it, or it tells nothing.
A behaviour counts if the files of all its tests are run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.fidelity.behaviours import Behaviour, behaviours, mutants
from tests.fidelity.claims import MARKER, TESTS, claims


@dataclass(frozen=True, slots=True)
class Mutant:
    """A value that is another one.

    Attributes:
        behaviour: the id of the behaviour.
        name: the value's name.
        value: what it is now.
    """

    behaviour: str
    name: str
    value: Any

    def __str__(self) -> str:
        """Where it is, and what it has become."""
        return f"{self.behaviour}: {self.name} = {self.value!r}"


class Values:
    """The values of the behaviours that a test names.

    ``expected.status`` is the value of that name, if one behaviour alone has it;
    ``expected["websocket.close.idle"].code`` that of one behaviour.
    """

    def __init__(self, of: Mapping[str, Behaviour]) -> None:
        self._of = of

    def __getitem__(self, behaviour: str) -> Values:
        return Values({behaviour: self._of[behaviour]})

    def __getattr__(self, name: str) -> Any:
        found = [each.values[name] for each in self._of.values() if name in each.values]
        if len(found) != 1:
            raise AttributeError(f"{len(found)} of {', '.join(self._of)} have a value {name!r}")
        return found[0]


@cache
def known() -> dict[str, Behaviour]:
    """All behaviours, read once."""
    return behaviours()


def named(node: Any) -> list[str]:
    """The ids of the behaviours that a test, or a function of tests, names."""
    return [each for marker in node.iter_markers(MARKER) for each in marker.args]


def all_mutants(behaviour: Behaviour) -> Iterator[Mutant]:
    """Every value of a behaviour, changed."""
    for name, value in behaviour.values.items():
        for other in mutants(value):
            yield Mutant(behaviour.id, name, other)


@pytest.fixture
def mutant() -> Mutant | None:
    """The value that is changed in this run."""
    return None


@pytest.fixture
def expected(request: pytest.FixtureRequest, mutant: Mutant | None) -> Values:
    """What the behaviours that the test names are to give."""
    of = {each: known()[each] for each in named(request.node)}
    if mutant is not None:
        changed = of[mutant.behaviour]
        values = {**changed.values, mutant.name: mutant.value}
        of[mutant.behaviour] = replace(changed, values=values)
    return Values(of)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--mutate-values",
        action="store_true",
        help="change each value of each behaviour, and see that a test notices",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marker, and keep count of mutants if they are asked for."""
    config.addinivalue_line("markers", f"{MARKER}(*ids): proves these behaviours of AWS")
    if config.getoption("--mutate-values"):
        config.option.tbstyle = "native"  # nobody reads how a test fails that is to fail
        config.pluginmanager.register(Mutation(config.rootpath / TESTS.name), "mutation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse ids that no behaviour has."""
    for item in items:
        ids = named(item)
        if ids and (unknown := set(ids) - known().keys()):
            raise pytest.UsageError(
                f"{item.nodeid} names behaviours that tests/fidelity/*.toml lack: "
                f"{', '.join(sorted(unknown))}"
            )


class Mutation:
    """Runs tests with changed values, and counts which of them are noticed.

    Args:
        folder: where the tests are, those too that are not run.

    Attributes:
        noticed: each changed value, and whether a test has failed with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.noticed: dict[str, bool] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One case of a test for each value."""
        if "expected" in metafunc.fixturenames:
            ids = named(metafunc.definition)
            cases = [each for key in ids for each in all_mutants(known()[key])]
            if cases:
                metafunc.parametrize(
                    "mutant", cases, ids=[str(number) for number in range(len(cases))]
                )

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out all other tests, and behaviours of which only some of the tests are there."""
        there = {item.path for item in items}
        partly = {
            claim.behaviour
            for claim in claims(self._folder)
            if self._folder / claim.file not in there
        }
        chosen = []
        for item in items:
            mutant = _mutant_of(item)
            if mutant is not None and mutant.behaviour not in partly:
                chosen.append(item)
                self.noticed.setdefault(_key(item), False)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Spare a value that was noticed already."""
        if self.noticed[_key(item)]:
            pytest.skip("noticed already")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test that fails has noticed, and that is what it is for."""
        report: Any = yield
        if report.when == "call" and report.failed:
            self.noticed[_key(item)] = True
        if report.when != "setup" and report.failed and self.noticed[_key(item)]:
            # It may have left something open.
            report.outcome, report.longrepr = "passed", None
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A value that nobody noticed is a failure."""
        if session.exitstatus == pytest.ExitCode.OK and not all(self.noticed.values()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the values that nobody noticed."""
        survivors = [key for key, noticed in self.noticed.items() if not noticed]
        terminalreporter.section("mutated values")
        for key in survivors:
            terminalreporter.line(f"no test notices {key}", red=True)
        count = len(self.noticed)
        terminalreporter.line(f"{count - len(survivors)} of {count} changed values were noticed")


def _mutant_of(item: pytest.Item) -> Mutant | None:
    spec = getattr(item, "callspec", None)
    return spec.params.get("mutant") if spec is not None else None


def _key(item: pytest.Item) -> str:
    return str(_mutant_of(item))
