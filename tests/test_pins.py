"""environment.yml, pyproject.toml and requirements/ say the same, on every platform."""

import itertools
import re
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import lab
from labkit.doctor import OLDEST_PYTHON, read_pins

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))?"
    r"(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})*)$",
    re.MULTILINE,
)

USED = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
USED_IN_TESTS = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["test"]]
BUILD = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
DECLARED = {"lab": [*USED, *BUILD], "test": [*USED, *USED_IN_TESTS, *BUILD]}
"""What each extent of lab.py's environment must hold, before what that needs in turn."""

PLATFORMS = [
    ("linux", "posix", "Linux", "x86_64"),
    ("linux", "posix", "Linux", "aarch64"),
    ("darwin", "posix", "Darwin", "arm64"),
    ("darwin", "posix", "Darwin", "x86_64"),
    ("win32", "nt", "Windows", "AMD64"),
]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


class Pin(NamedTuple):
    version: str
    marker: str | None
    hashes: int


def pins_of(name: str) -> dict[str, Pin]:
    """The pins of ``requirements/NAME.txt``; a name that is pinned twice fails."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    found = [
        (str(canonicalize_name(m["name"])), Pin(m["version"], m["marker"], m["hashes"].count("--")))
        for m in PIN.finditer(text)
    ]
    pins = dict(found)
    assert len(pins) == len(found)
    # Every line that is no comment belongs to a pin that was understood.
    assert len(pins) == len(re.findall(r"^[^\s#]", text, re.MULTILINE))
    return pins


PINS = {name: pins_of(name) for name in ("lab", "test", "conda")}


def environment(platform: tuple[str, str, str, str], python: str) -> dict[str, str]:
    """What markers are compared with on a platform."""
    system, os_name, platform_system, machine = platform
    return {
        "sys_platform": system,
        "os_name": os_name,
        "platform_system": platform_system,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.1",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def applies(marker: Marker | str | None, environment: dict[str, str], extra: str = "") -> bool:
    if marker is None:
        return True
    return Marker(str(marker)).evaluate({**environment, "extra": extra})


def needed_by(name: str, extras: set[str], environment: dict[str, str]) -> list[Requirement]:
    """What an installed package needs on a platform; one that is not for this platform, nothing."""
    return [
        need
        for need in requirements_of(name)
        if any(applies(need.marker, environment, extra) for extra in {"", *extras})
    ]


@cache
def requirements_of(name: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return []


# -- what is declared, and what is pinned ---------------------------------------------------------


@pytest.mark.parametrize("declared", [*USED, *USED_IN_TESTS, *BUILD], ids=str)
def test_a_declared_range_has_both_ends(declared: Requirement) -> None:
    assert {clause.operator for clause in declared.specifier} == {">=", "<"}


@pytest.mark.parametrize("extent", ["lab", "test"])
def test_what_is_declared_is_pinned_within_its_range(extent: str) -> None:
    for declared in DECLARED[extent]:
        pin = PINS[extent][canonicalize_name(declared.name)]
        assert pin.version in declared.specifier, declared


@pytest.mark.parametrize("extent", ["lab", "test"])
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: f"{p[0]}-{p[3]}")
def test_the_pins_are_complete(
    extent: str, python: str, platform: tuple[str, str, str, str]
) -> None:
    """lab.py installs the pins without resolving, so whatever any of them needs must be there."""
    here = environment(platform, python)
    pins = {name: pin for name, pin in PINS[extent].items() if applies(pin.marker, here)}
    todo = [(need, "pyproject.toml") for need in DECLARED[extent]]
    done: set[tuple[str, frozenset[str]]] = set()
    while todo:
        need, needed_for = todo.pop()
        name, extras = str(canonicalize_name(need.name)), frozenset(need.extras)
        assert name in pins, f"{needed_for} needs {need}, which is not pinned here"
        assert need.specifier.contains(pins[name].version, prereleases=True), (needed_for, need)
        if (name, extras) not in done:
            done.add((name, extras))
            todo += [(n, name) for n in needed_by(name, set(extras), here)]
    assert pins.keys() == {name for name, _ in done}, "pinned here, and needed by nobody"


def test_pins_that_only_some_platforms_need_are_for_these_only() -> None:
    kept = {
        (name, platform[0])
        for name, pin in PINS["test"].items()
        for platform in PLATFORMS
        if pin.marker and applies(pin.marker, environment(platform, "3.12"))
    }
    assert {("pywin32", "win32"), ("colorama", "win32"), ("appnope", "darwin")} <= kept
    assert not {("pywin32", "linux"), ("colorama", "darwin"), ("appnope", "win32")} & kept


@pytest.mark.parametrize("extent", ["lab", "test"])
def test_every_pin_has_hashes(extent: str) -> None:
    assert [name for name, pin in PINS[extent].items() if pin.hashes == 0] == []


def test_compiled_packages_have_the_hashes_of_every_platform() -> None:
    """A wheel each for Linux, macOS and Windows on two kinds of processor, and the sources."""
    compiled = [
        distribution
        for distribution in metadata.distributions()
        if "Root-Is-Purelib: false" in (distribution.read_text("WHEEL") or "")
    ]
    hashes = {
        name: PINS["test"][name].hashes
        for name in (str(canonicalize_name(found.metadata["Name"])) for found in compiled)
        if name in PINS["test"]
    }
    assert {"aiohttp", "cryptography", "pyzmq"} <= hashes.keys()
    assert {name: count for name, count in hashes.items() if count < 7} == {}


def test_the_lab_runs_with_the_versions_that_are_tested() -> None:
    tested = {name: PINS["test"][name] for name in PINS["lab"]}
    assert PINS["lab"] == tested


def test_the_tools_of_ci_are_not_in_the_users_environment() -> None:
    only_in_tests = {str(canonicalize_name(need.name)) for need in USED_IN_TESTS}
    # nbval, which users run too, brings pytest along.
    assert only_in_tests & PINS["lab"].keys() == {"pytest"}


def test_the_doctor_reads_the_pins_that_are_for_every_platform() -> None:
    unmarked = {name: pin.version for name, pin in PINS["lab"].items() if pin.marker is None}
    assert read_pins(ROOT / "requirements" / "lab.txt") == unmarked


# -- conda ----------------------------------------------------------------------------------------


def conda() -> tuple[list[str], list[str]]:
    """What environment.yml lets conda install, and the lines that it gives pip."""
    *packages, last = CONDA["dependencies"]
    lines: Any = last["pip"]
    return packages, lines


def test_conda_installs_python_and_pip_and_nothing_more() -> None:
    packages, _ = conda()
    assert [re.split("[=<>]", package)[0] for package in packages] == ["python", "pip"]


def test_conda_pins_pythons_minor_version() -> None:
    (python, pip), _ = conda()
    minor = re.fullmatch(r"python=(3\.\d+)", python)
    assert minor
    assert minor[1] in PYTHONS
    assert re.fullmatch(r"pip>=\d+", pip), "one loose bound: conda's solver has little to do"


def test_conda_gives_the_rest_to_pip_with_the_pins() -> None:
    _, lines = conda()
    assert lines == ["--constraint requirements/conda.txt", "--editable ."]


def test_conda_has_the_versions_that_lab_py_installs() -> None:
    without_hashes = {name: pin._replace(hashes=0) for name, pin in PINS["lab"].items()}
    assert PINS["conda"] == without_hashes


# -- Python itself --------------------------------------------------------------------------------


def test_everybody_asks_for_the_same_python() -> None:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    assert PROJECT["project"]["requires-python"] == f">={oldest}"
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert f"sys.version_info < ({oldest.replace('.', ', ')})" in Path(lab.__file__).read_text()
    assert PYTHONS[0] == oldest


def test_the_tested_pythons_are_those_that_lab_py_names() -> None:
    told = next(cure for pattern, cure in lab.FAILURES if "No matching distribution" in pattern)
    assert f"{PYTHONS[0]} to {PYTHONS[-1]}" in told


def test_no_pin_is_a_pre_release() -> None:
    pins = itertools.chain.from_iterable(pins.items() for pins in PINS.values())
    assert [name for name, pin in pins if Version(pin.version).is_prerelease] == []
