"""What holds for the repository as a whole, whatever the code in it does."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import lab
import labkit
from tests.scheduling import OneBrowser

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| `(\S+)` \|", re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def files() -> list[Path]:
    """Every file that is committed or about to be; all of them where git is not at hand."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
        found = [ROOT / name for name in os.fsdecode(names).split("\0") if name]
    else:
        hidden = {".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
        found = [path for path in ROOT.rglob("*") if not hidden & set(path.parts)]
    return [path for path in found if path.is_file()]


def texts() -> dict[str, str]:
    """The text of every file that is one, by its name in the repository."""
    found = {}
    for path in files():
        try:
            found[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture
    return found


TEXTS = texts()
MARKDOWN = sorted(name for name in TEXTS if name.endswith(".md"))


def lines_with(pattern: str) -> list[str]:
    """Lines that hold a pattern, in all files but this one, each with its place."""
    wanted = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in TEXTS.items()
        if name != "tests/test_repository.py"
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def test_the_files_are_found() -> None:
    assert {"README.md", "lab.py", "labkit/cloud.py", ".ci/run"} <= TEXTS.keys()


def test_no_address_of_a_package_index_is_written_anywhere() -> None:
    """A user's own configuration says where packages come from; a mirror works unchanged.

    A loopback address where nobody listens is none: it stands for a network that is not there.
    """
    nowhere = r"\s*=\s*[\"']http://127\.0\.0\.1:9/"
    options = rf"--(?:extra-)?index-url|--find-links|--trusted-host|PIP_INDEX_URL(?!{nowhere})"
    hosts = r"\bpypi\.org|pythonhosted\.org|registry\.npmjs|anaconda\.org|/simple/"
    assert lines_with(f"{options}|{hosts}") == []


def test_no_path_of_one_machine_is_written_anywhere() -> None:
    homes = [r"/home/\w", r"/Users/\w", r"/root/", r"[A-Z]:\\+Users\\"]
    # A short path, such as /lab, may be somebody's checkout and an example too.
    here = [re.escape(str(path)) for path in (ROOT, Path.home()) if len(path.parts) > 2]
    assert lines_with("|".join([*homes, *here])) == []


def test_no_conflict_is_left_and_every_text_ends_its_last_line() -> None:
    assert lines_with(r"^(<{7}|>{7}) ") == []
    unended = [name for name, text in TEXTS.items() if text and not text.endswith("\n")]
    assert unended == []


@pytest.mark.parametrize("name", MARKDOWN)
def test_links_lead_to_files_that_are_there(name: str) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", TEXTS[name])
    folder = (ROOT / name).parent
    assert [target for target in targets if not (folder / target).exists()] == []


def test_no_python_file_lies_beside_a_notebook() -> None:
    """A notebook's folder comes first on the kernel's path: an html.py there would stop it."""
    folders = {name.rpartition("/")[0] for name in TEXTS if name.endswith(".ipynb")}
    assert [n for n in TEXTS if n.endswith(".py") and n.rpartition("/")[0] in folders] == []


# -- the package ----------------------------------------------------------------------------------


def test_what_the_package_exports_can_be_imported() -> None:
    assert [name for name in labkit.__all__ if getattr(labkit, name, None) is None] == []


def test_everything_that_is_loaded_when_first_used_is_exported() -> None:
    assert {*labkit._HOMES, "__version__"} == set(labkit.__all__)


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'labkit' has no attribute 'Lba'"):
        _ = labkit.Lba


def test_there_is_one_version() -> None:
    assert PROJECT["project"]["version"] == labkit.__version__


def test_the_package_declares_its_types() -> None:
    assert "labkit/py.typed" in {path.relative_to(ROOT).as_posix() for path in files()}


def test_each_dependency_has_its_line_and_no_other_has_one() -> None:
    text = TEXTS["docs/dependencies.md"]
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE))
    told = {title: ROW.findall(rows) for title, rows in sections.items()}
    assert told == {
        "To run": names(PROJECT["project"]["dependencies"]),
        "To test": names(PROJECT["project"]["optional-dependencies"]["test"]),
        "To build": names(PROJECT["build-system"]["requires"]),
    }


def names(requirements: list[str]) -> list[str]:
    return [Requirement(text).name for text in requirements]


def test_each_dependency_says_what_it_is_for_and_what_was_passed_over() -> None:
    rows = re.findall(r"^\| `\S+` \|(.*)\|(.*)\|$", TEXTS["docs/dependencies.md"], re.MULTILINE)
    assert len(rows) > 15
    assert [row for row in rows if not all(cell.strip() for cell in row)] == []


# -- what CI runs ---------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no bit for it")
@pytest.mark.parametrize("name", ["lab.py", ".ci/run", ".ci/pins"])
def test_commands_can_be_run(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    assert TEXTS[name].startswith("#!/usr/bin/env ")


def test_ci_runs_what_users_are_told_to_run() -> None:
    assert re.search(r"exec .*lab\.py test$", TEXTS[".ci/run"], re.MULTILINE)
    assert "python lab.py test" in TEXTS["README.md"]


def test_ci_runs_every_tool_that_is_configured() -> None:
    run = [command[1] for _, command in lab.CHECKS]
    assert run == ["ruff", "ruff", "mypy", "pytest"]
    assert {"ruff", "mypy", "pytest"} <= PROJECT["tool"].keys()


def test_all_tests_in_a_browser_go_to_one_process() -> None:
    def scopes(*names: str) -> int:
        scheduling = OneBrowser.__new__(OneBrowser)  # without the processes of a run
        return len({scheduling._split_scope(name) for name in names})

    assert scopes("tests/browser/test_a.py::test_one", "tests/browser/test_b.py::TestIt::test") == 1
    assert scopes("tests/test_a.py::test_one", "tests/test_b.py::test_one") == 2


def test_tests_are_strict() -> None:
    """Warnings are errors, unknown markers and options too, and an xfail that passes fails."""
    settings = PROJECT["tool"]["pytest"]
    assert settings["strict"] is True
    assert settings["filterwarnings"] == ["error"]


def test_what_a_student_writes_and_what_tools_leave_is_ignored() -> None:
    ignored = TEXTS[".gitignore"].split()
    assert {".venv/", "work/", "__pycache__/", ".ipynb_checkpoints/"} <= set(ignored)
