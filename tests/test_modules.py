"""Dependencies point one way: what docs/design.md says of the modules is what they import."""

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "labkit"
FACES = {"labkit", "labkit.__main__"}
"""The package's own name, which loads what it exports when it is first used, and the command."""


def modules() -> dict[str, Path]:
    """Every module by its full name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """What a file imports anywhere in it, as full names, whether it does so now or later."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def knows() -> dict[str, set[str]]:
    """For each module of labkit, the modules of labkit that it imports."""
    known = {}
    for name, path in MODULES.items():
        ours = {other for other in imports(path) if other.partition(".")[0] == "labkit"}
        known[name] = ours - FACES - {name}
    return {name: others for name, others in known.items() if name not in FACES}


KNOWS = knows()


def design() -> list[list[str]]:
    """The rows of the table of modules in docs/design.md."""
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    _, table = text.split("## Modules\n")
    rows = re.findall(r"^\| (`.+?) \|", table.partition("\n## ")[0], re.MULTILINE)
    return [re.findall(r"`([\w/]+)`", row) for row in rows]


ROWS = design()


def row_of(module: str) -> int:
    """Where a module stands in the table; one without a row of its own stands in the last."""
    name = module.removeprefix("labkit.").partition(".")[0]
    for number, row in enumerate(ROWS):
        if {name, name + "/"} & set(row):
            return number
    return len(ROWS) - 1


def roots(path: Path) -> set[str]:
    """The first parts of the names of what a file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def test_the_table_names_modules_that_are_there() -> None:
    told = [name for row in ROWS for name in row]
    assert len(told) == len(set(told))
    assert [
        n for n in told if not (PACKAGE / n if n[-1] == "/" else PACKAGE / f"{n}.py").exists()
    ] == []
    assert [n for n in told if (PACKAGE / n).is_dir() != n.endswith("/")] == []


@pytest.mark.parametrize("module", sorted(KNOWS))
def test_a_module_knows_only_those_above_it(module: str) -> None:
    below = {other for other in KNOWS[module] if row_of(other) > row_of(module)}
    assert below == set(), "either the import or the table in docs/design.md is wrong"


def test_no_module_knows_itself_by_way_of_others() -> None:
    order = list(TopologicalSorter(KNOWS).static_order())
    assert set(order) >= KNOWS.keys()


def test_only_the_backend_touches_moto() -> None:
    touch = [n for n, path in MODULES.items() if {"moto", "py_partiql_parser"} & roots(path)]
    assert touch
    assert [name for name in touch if not name.startswith("labkit.backend.")] == []


def test_the_runtime_brings_nothing_along() -> None:
    """It runs in a student's process, beside whatever the student's package brings."""
    runtime = {path.stem for path in (PACKAGE / "runtime").glob("*.py")}
    allowed = set(sys.stdlib_module_names) | runtime | {"boto3", "botocore", "urllib3"}
    found = {path.stem: roots(path) - allowed for path in (PACKAGE / "runtime").glob("*.py")}
    assert len(found) > 3
    assert {name: others for name, others in found.items() if others} == {}


@pytest.mark.parametrize("part", ["", "functions"])
def test_the_pattern_does_not_know_labkit(part: str) -> None:
    """It is what a reader takes along to AWS, where there is no labkit."""
    files = list((PACKAGE / "pattern" / part).glob("*.py"))
    assert len(files) > 2
    for path in files:
        inside = {n for n in imports(path) if n.startswith("labkit") and "labkit.pattern" not in n}
        assert inside == set(), path.name


def test_handlers_import_only_what_lambda_has() -> None:
    files = list((PACKAGE / "pattern" / "functions").glob("*.py"))
    allowed = (
        set(sys.stdlib_module_names) | {path.stem for path in files} | {"boto3", "botocore", ""}
    )
    found = {path.stem: roots(path) - allowed for path in files}
    assert {name: others for name, others in found.items() if others} == {}
