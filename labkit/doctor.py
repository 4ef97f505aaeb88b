"""``labkit doctor``: what is wrong with this environment, and the one-line cure for each thing.

A check is a pure function from :class:`Facts` to a :class:`Finding`; :func:`gather` is the only part
that looks at the machine.  Nothing is changed and nothing leaves the machine.  Of credentials only
the place is named, never a value.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from labkit.errors import EnvironmentProblem
from labkit.jupyter import project_root

OLDEST_PYTHON = (3, 11)
DISK_TIGHT = 1_000_000_000
"""Bytes free; below, setting up or updating may fail."""
DISK_FULL = 100_000_000
"""Bytes free; below, JupyterLab may fail to save a notebook."""


class Verdict(StrEnum):
    """How a check came out.  Only ``FAIL`` keeps the lab from working."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; ``cure`` is empty if all is well."""

    name: str
    verdict: Verdict
    what: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at.

    Attributes:
        python: the version of the Python that runs.
        executable: its path.
        root: the lab's folder; ``None`` outside of one.
        pins: names and versions that the lab is tested with; empty where no pins lie.
        installed: names and versions of the packages that are installed.
        kernel: the command that starts a notebook's kernel; ``None`` without a kernel.
        loopback: why 127.0.0.1 cannot be used; empty if it can.
        environment: the environment variables.
        credential_files: AWS configuration files that are there.
        chromium: the path of a browser for the browser tests; empty if there is none.
        work_ignored: whether git ignores ``work/``; ``None`` outside of a git checkout.
        disk_free: bytes.
        can_fork: whether processes can be forked.
    """

    python: tuple[int, int, int]
    executable: str
    root: Path | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    installed: Mapping[str, str] = field(default_factory=dict)
    kernel: Sequence[str] | None = None
    loopback: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    credential_files: Sequence[str] = ()
    chromium: str = ""
    work_ignored: bool | None = None
    disk_free: int = 0
    can_fork: bool = True


def check_python(facts: Facts) -> Finding:
    """The Python that runs is one that labkit is written for."""
    version = ".".join(map(str, facts.python))
    if facts.python[:2] < OLDEST_PYTHON:
        return Finding(
            "Python",
            Verdict.FAIL,
            f"{version} at {facts.executable} is too old",
            "Install Python 3.11 or later and start the lab with it: python3 lab.py",
        )
    return Finding("Python", Verdict.OK, f"{version} at {facts.executable}")


def check_packages(facts: Facts) -> Finding:
    """The packages are those that the lab is tested with."""
    name, cure = "Packages", "Run: python lab.py   (it brings the packages up to date)"
    if not facts.pins:
        return Finding(name, Verdict.OK, "no pins lie here to compare them with")
    missing = sorted(facts.pins.keys() - facts.installed.keys())
    if missing:
        return Finding(name, Verdict.FAIL, f"not installed: {', '.join(missing)}", cure)
    different = {
        package: (facts.installed[package], pinned)
        for package, pinned in sorted(facts.pins.items())
        if facts.installed[package] != pinned
    }
    said = ", ".join(f"{p} {here} instead of {pinned}" for p, (here, pinned) in different.items())
    if "moto" in different and len({_series(version) for version in different["moto"]}) > 1:
        # labkit.backend relies on the insides of one minor series.
        return Finding(name, Verdict.FAIL, said, cure)
    if different:
        return Finding(name, Verdict.WARN, f"not the tested versions: {said}", cure)
    return Finding(name, Verdict.OK, f"all {len(facts.pins)} are the tested versions")


def check_kernel(facts: Facts) -> Finding:
    """Notebooks run with this Python, and so with these packages."""
    name = "Jupyter kernel"
    if not facts.kernel:
        return Finding(
            name,
            Verdict.FAIL,
            "there is no kernel called python3",
            "Run: python lab.py   (or: pip install ipykernel)",
        )
    command = facts.kernel[0]
    # Jupyter takes its own interpreter for a bare `python`.
    if re.fullmatch(r"python(\d+(\.\d+)?)?", command) or _beside(command, facts.executable):
        return Finding(name, Verdict.OK, "python3 runs this Python")
    return Finding(
        name,
        Verdict.FAIL,
        f"python3 runs another Python: {command}",
        f'Run: "{facts.executable}" -m ipykernel install --sys-prefix',
    )


def check_loopback(facts: Facts) -> Finding:
    """The local cloud can listen, and be reached, on this machine."""
    name = "Loopback"
    if facts.loopback:
        return Finding(
            name,
            Verdict.FAIL,
            f"a port of 127.0.0.1 cannot be used: {facts.loopback}",
            "Let the firewall or security software allow Python to listen on 127.0.0.1",
        )
    return Finding(name, Verdict.OK, "127.0.0.1 can be listened on and reached")


def check_proxy(facts: Facts) -> Finding:
    """No proxy stands between the notebook and this machine's own cloud."""
    name = "Proxy"
    lower = {key.lower(): value for key, value in facts.environment.items() if value}
    proxies = [key for key in ("http_proxy", "https_proxy", "all_proxy") if key in lower]
    if not proxies:
        return Finding(name, Verdict.OK, "none is set")
    spared = {host.strip() for host in lower.get("no_proxy", "").split(",")}
    if spared & {"*", "127.0.0.1"}:
        return Finding(name, Verdict.OK, "set, but 127.0.0.1 goes past it")
    where = ", ".join(key.upper() for key in proxies)
    return Finding(
        name,
        Verdict.WARN,
        f"{where} is set and NO_PROXY does not name 127.0.0.1, so HTTP clients may ask the proxy "
        "for the local cloud",
        f"Set: NO_PROXY={','.join(filter(None, [lower.get('no_proxy'), '127.0.0.1,localhost']))}",
    )


CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Where botocore looks for credentials among the environment variables."""


def check_credentials(facts: Facts) -> Finding:
    """Whether credentials of an AWS account are in reach; the lab does not use them."""
    name = "AWS credentials"
    places = [variable for variable in CREDENTIAL_VARIABLES if facts.environment.get(variable)]
    places += facts.credential_files
    if not places:
        return Finding(name, Verdict.OK, "none in reach, and none needed")
    return Finding(
        name,
        Verdict.WARN,
        f"in reach ({', '.join(places)}); the lab never uses them and sends nothing to AWS",
        "Nothing to do for the lab; code that you run without Lab.start() does reach your account",
    )


def check_chromium(facts: Facts) -> Finding:
    """A browser for the browser tests."""
    name = "Chromium"
    if facts.chromium:
        return Finding(name, Verdict.OK, facts.chromium)
    return Finding(
        name,
        Verdict.WARN,
        "not found; browser tests are skipped, lessons work without it",
        "Install Chromium or Chrome if you want to run the browser tests",
    )


def check_work_ignored(facts: Facts) -> Finding:
    """What a student writes is not committed by mistake."""
    name = "work/"
    if facts.work_ignored is None:
        return Finding(name, Verdict.OK, "not in a git checkout")
    if facts.work_ignored:
        return Finding(name, Verdict.OK, "ignored by git")
    return Finding(
        name,
        Verdict.WARN,
        "not ignored by git, so an update may bring conflicts with your own notebooks",
        "Add a line that says work/ to .gitignore",
    )


def check_disk(facts: Facts) -> Finding:
    """Room for notebooks and packages."""
    name, what = "Disk", f"{facts.disk_free / 1e9:.1f} GB free"
    cure = "Free about 1 GB on the disk that holds the lab"
    if facts.disk_free < DISK_FULL:
        return Finding(name, Verdict.FAIL, what, cure)
    if facts.disk_free < DISK_TIGHT:
        return Finding(name, Verdict.WARN, what, cure)
    return Finding(name, Verdict.OK, what)


def check_fork(facts: Facts) -> Finding:
    """How fast functions start."""
    name = "Functions"
    if facts.can_fork:
        return Finding(name, Verdict.OK, "start from a fork that has boto3 loaded")
    return Finding(
        name,
        Verdict.WARN,
        "this system cannot fork; each function's first start takes a second or so",
        "Nothing to do; on Windows, WSL starts them faster",
    )


CHECKS: tuple[Callable[[Facts], Finding], ...] = (
    check_python,
    check_packages,
    check_kernel,
    check_loopback,
    check_proxy,
    check_credentials,
    check_chromium,
    check_work_ignored,
    check_disk,
    check_fork,
)
"""All checks, in the order in which they are shown."""


def examine(facts: Facts) -> list[Finding]:
    """What all checks find."""
    return [check(facts) for check in CHECKS]


def table(findings: Sequence[Finding]) -> str:
    """The findings for a reader: a line each, the cure below, and a sentence at the end."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:4}  {finding.name:{width}}  {finding.what}")
        if finding.cure:
            lines.append(f"{'':4}  {'':{width}}  cure: {finding.cure}")
    failed = sum(finding.verdict is Verdict.FAIL for finding in findings)
    warned = sum(finding.verdict is Verdict.WARN for finding in findings)
    if failed:
        closing = f"{failed} of {len(findings)} checks failed; the lab will not work as it should."
    elif warned:
        closing = f"The lab will work; {warned} of {len(findings)} checks have something to say."
    else:
        closing = f"All {len(findings)} checks passed."
    return "\n".join([*lines, "", closing])


def main(arguments: Sequence[str], facts: Callable[[], Facts] | None = None) -> int:
    """Examine the environment and print what was found.

    Args:
        arguments: the command line behind ``labkit doctor``.
        facts: tells what the checks look at; :func:`gather` by default.

    Returns:
        1 if a check failed, else 0.
    """
    parser = argparse.ArgumentParser(
        prog="labkit doctor", description="Say what is wrong with this environment, and the cure."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args(arguments)
    findings = examine((facts or gather)())
    failed = any(finding.verdict is Verdict.FAIL for finding in findings)
    if options.json:
        checks = [asdict(finding) for finding in findings]
        print(json.dumps({"ok": not failed, "checks": checks}, indent=2))
    else:
        print(table(findings))
    return int(failed)


# -- looking at the machine ------------------------------------------------------------------------


def gather() -> Facts:
    """What is the case on this machine."""
    try:
        root: Path | None = project_root()
    except EnvironmentProblem:
        root = None
    return Facts(
        python=sys.version_info[:3],
        executable=sys.executable,
        root=root,
        pins=read_pins(root / "requirements" / "lab.txt") if root else {},
        installed=_installed(),
        kernel=_kernel(),
        loopback=_loopback(),
        environment=dict(os.environ),
        credential_files=_credential_files(os.environ),
        chromium=find_chromium(),
        work_ignored=work_ignored(root),
        disk_free=shutil.disk_usage(root or Path.cwd()).free,
        can_fork=hasattr(os, "fork"),
    )


def read_pins(path: Path) -> dict[str, str]:
    """The versions that a requirements file pins for every platform.

    Pins with a marker (``; sys_platform == 'win32'``) are left out: they may not be for this one.
    A file that is not there pins nothing.
    """
    try:
        text = path.read_text("utf-8")
    except OSError:
        return {}
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)[ \t]*\\?[ \t]*$", text, re.MULTILINE)
    return {_normal(name): version for name, version in pins}


def _installed() -> dict[str, str]:
    found = ((dist.metadata["Name"], dist.version) for dist in metadata.distributions())
    # An interrupted removal leaves folders without a name.
    return {_normal(name): version for name, version in found if name}


def _normal(name: str) -> str:
    """A package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _series(version: str) -> tuple[str, ...]:
    """The first two numbers of a version."""
    return tuple(version.split(".")[:2])


def _beside(command: str, executable: str) -> bool:
    """Whether two interpreters are of one environment; links are kept, as a venv's Python is one."""
    one, other = (Path(os.path.abspath(path)).parent for path in (command, executable))
    return os.path.normcase(one) == os.path.normcase(other)


def _kernel() -> list[str] | None:
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        return None
    try:
        return list(KernelSpecManager().get_kernel_spec("python3").argv)
    except NoSuchKernel:
        return None


def _loopback() -> str:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(2)
            with socket.create_connection(server.getsockname(), timeout=2) as client:
                accepted, _ = server.accept()
                with accepted:
                    accepted.settimeout(2)
                    client.sendall(b"?")
                    return "" if accepted.recv(1) == b"?" else "what is sent does not arrive"
    except OSError as error:
        return str(error)


def _credential_files(environment: Mapping[str, str]) -> list[str]:
    home = Path.home() / ".aws"
    places = [
        environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials",
        environment.get("AWS_CONFIG_FILE") or home / "config",
    ]
    return [str(place) for place in places if Path(place).expanduser().is_file()]


def find_chromium() -> str:
    """The path of Chromium or Chrome; empty if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    for name in names:
        if found := shutil.which(name):
            return found
    for place in (
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        os.path.expandvars(r"%ProgramFiles%\Google\Chrome\Application\chrome.exe"),
    ):
        if Path(place).is_file():
            return place
    return ""


def work_ignored(root: Path | None) -> bool | None:
    """Whether git ignores ``work/`` in a folder; ``None`` if that is no checkout."""
    git = shutil.which("git")
    if root is None or git is None or not (root / ".git").exists():
        return None
    command = [git, "-C", str(root), "check-ignore", "--quiet", "work/handlers"]
    try:
        code = subprocess.run(command, capture_output=True, timeout=10, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {0: True, 1: False}.get(code)
