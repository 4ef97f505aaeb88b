"""``labkit doctor``: every check in each of its outcomes, and what a reader is told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labkit.doctor import (
    CHECKS,
    Facts,
    Finding,
    Verdict,
    check_chromium,
    check_credentials,
    check_disk,
    check_fork,
    check_kernel,
    check_loopback,
    check_packages,
    check_proxy,
    check_python,
    check_work_ignored,
    examine,
    gather,
    main,
    read_pins,
    table,
    work_ignored,
)

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
PINS = {"moto": "5.2.5", "boto3": "1.44.1"}
WELL = Facts(
    python=(3, 12, 4),
    executable="/lab/.venv/bin/python",
    root=Path("/lab"),
    pins=PINS,
    installed=PINS,
    kernel=["python", "-m", "ipykernel_launcher"],
    chromium="/usr/bin/chromium",
    work_ignored=True,
    disk_free=20_000_000_000,
)
PROXY = {"HTTP_PROXY": "http://proxy.example:3128"}
KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}

Check = Callable[[Facts], Finding]


@pytest.mark.parametrize(
    ("check", "changes", "verdict", "said"),
    [
        (check_python, {}, OK, "3.12.4 at /lab/.venv/bin/python"),
        (check_python, {"python": (3, 11, 0)}, OK, "3.11.0"),
        (check_python, {"python": (3, 10, 9)}, FAIL, "3.10.9 .* is too old"),
        (check_packages, {}, OK, "all 2 are the tested versions"),
        (check_packages, {"pins": {}}, OK, "no pins lie here"),
        (check_packages, {"installed": {"moto": "5.2.5"}}, FAIL, "not installed: boto3"),
        (check_packages, {"installed": PINS | {"boto3": "1.45"}}, WARN, "1.45 instead of 1.44.1"),
        (check_packages, {"installed": PINS | {"moto": "5.2.6"}}, WARN, "5.2.6 instead of 5.2.5"),
        (check_packages, {"installed": PINS | {"moto": "5.3.0"}}, FAIL, "5.3.0 instead of 5.2.5"),
        (check_kernel, {}, OK, "this Python"),
        (check_kernel, {"kernel": ["/lab/.venv/bin/python3.12", "-m"]}, OK, "this Python"),
        (check_kernel, {"kernel": ["/usr/bin/python3", "-m"]}, FAIL, "another .*/usr/bin/python3"),
        (check_kernel, {"kernel": None}, FAIL, "no kernel"),
        (check_loopback, {}, OK, "reached"),
        (check_loopback, {"loopback": "Permission denied"}, FAIL, "Permission denied"),
        (check_proxy, {}, OK, "none"),
        (check_proxy, {"environment": PROXY}, WARN, "HTTP_PROXY is set"),
        (check_proxy, {"environment": {"all_proxy": "socks5://p"}}, WARN, "ALL_PROXY is set"),
        (check_proxy, {"environment": PROXY | {"no_proxy": "a.example"}}, WARN, "NO_PROXY"),
        (check_proxy, {"environment": PROXY | {"NO_PROXY": "a, 127.0.0.1"}}, OK, "past it"),
        (check_proxy, {"environment": PROXY | {"no_proxy": "*"}}, OK, "past it"),
        (check_proxy, {"environment": {"HTTP_PROXY": ""}}, OK, "none"),
        (check_credentials, {}, OK, "none in reach"),
        (check_credentials, {"environment": KEY}, WARN, "AWS_ACCESS_KEY_ID.* never uses them"),
        (check_credentials, {"credential_files": ["~/.aws/config"]}, WARN, "~/.aws/config"),
        (check_chromium, {}, OK, "/usr/bin/chromium"),
        (check_chromium, {"chromium": ""}, WARN, "browser tests are skipped"),
        (check_work_ignored, {}, OK, "ignored by git"),
        (check_work_ignored, {"work_ignored": None}, OK, "not in a git checkout"),
        (check_work_ignored, {"work_ignored": False}, WARN, "not ignored"),
        (check_disk, {}, OK, r"20\.0 GB free"),
        (check_disk, {"disk_free": 500_000_000}, WARN, r"0\.5 GB free"),
        (check_disk, {"disk_free": 1_000_000}, FAIL, r"0\.0 GB free"),
        (check_fork, {}, OK, "fork"),
        (check_fork, {"can_fork": False}, WARN, "cannot fork"),
    ],
)
def test_check(check: Check, changes: dict[str, Any], verdict: Verdict, said: str) -> None:
    finding = check(replace(WELL, **changes))
    assert finding.verdict is verdict
    assert re.search(said, finding.what)
    # Who is told that something is wrong is told the cure; who is not, is left in peace.
    assert bool(finding.cure) is (verdict is not OK)
    assert "\n" not in finding.cure


def test_cure_for_the_proxy_keeps_what_was_spared_before() -> None:
    finding = check_proxy(replace(WELL, environment=PROXY | {"NO_PROXY": "intra.example"}))
    assert finding.cure == "Set: NO_PROXY=intra.example,127.0.0.1,localhost"


def test_no_credential_is_ever_shown() -> None:
    facts = replace(WELL, environment=KEY | {"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"})
    shown = table(examine(facts)) + json.dumps([str(finding) for finding in examine(facts)])
    assert KEY["AWS_ACCESS_KEY_ID"] not in shown
    assert "wJalrXUtnFEMI" not in shown


def test_well_environment_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], lambda: WELL) == 0
    assert capsys.readouterr().out.endswith("\nAll 10 checks passed.\n")


def test_warnings_do_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], lambda: replace(WELL, chromium="")) == 0
    assert "The lab will work; 1 of 10 checks" in capsys.readouterr().out


def test_failure_is_shown_in_words_with_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], lambda: replace(WELL, kernel=None)) == 1
    out = capsys.readouterr().out
    lines = out.splitlines()
    [at] = [n for n, line in enumerate(lines) if line.startswith("FAIL")]
    assert "Jupyter kernel" in lines[at]
    assert lines[at + 1].strip().startswith("cure: Run: python lab.py")
    assert "1 of 10 checks failed" in lines[-1]
    assert "\x1b" not in out
    assert out.isascii()


def test_table_is_aligned() -> None:
    findings = [Finding("a", OK, "first"), Finding("longer", WARN, "second", "do this")]
    first, second, cure, *_ = table(findings).splitlines()
    assert first.index("first") == second.index("second") == cure.index("cure: do this")


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"], lambda: replace(WELL, disk_free=0)) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert len(told["checks"]) == len(CHECKS)
    [disk] = [check for check in told["checks"] if check["name"] == "Disk"]
    assert disk == {
        "name": "Disk",
        "verdict": "FAIL",
        "what": "0.0 GB free",
        "cure": "Free about 1 GB on the disk that holds the lab",
    }


def test_pins_without_a_marker_are_read(tmp_path: Path) -> None:
    pins = tmp_path / "lab.txt"
    pins.write_text(
        "# comment\n"
        "Jupyter_Client==8.6.3 \\\n    --hash=sha256:00\n    # via jupyterlab\n"
        "moto==5.2.5\n"
        "pywin32==312 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    assert read_pins(pins) == {"jupyter-client": "8.6.3", "moto": "5.2.5"}


def test_missing_pins_pin_nothing(tmp_path: Path) -> None:
    assert read_pins(tmp_path / "lab.txt") == {}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_is_asked_whether_it_ignores_the_work_folder(tmp_path: Path) -> None:
    assert work_ignored(tmp_path) is None
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert work_ignored(tmp_path) is False
    (tmp_path / ".gitignore").write_text("work/\n")
    assert work_ignored(tmp_path) is True


def test_this_machine_can_be_examined() -> None:
    facts = gather()
    assert facts.installed["moto"]
    assert facts.loopback == ""
    assert [finding.name for finding in examine(facts)] == [
        "Python",
        "Packages",
        "Jupyter kernel",
        "Loopback",
        "Proxy",
        "AWS credentials",
        "Chromium",
        "work/",
        "Disk",
        "Functions",
    ]
