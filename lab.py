#!/usr/bin/env python3
"""The one command of the lab.

    python lab.py              set everything up and open JupyterLab at the first notebook
    python lab.py test         set up the same and run everything that CI runs
    python lab.py demo         any other argument goes to the `labkit` command

Everything goes into ``.venv`` beside this file: the packages that ``requirements/`` pins with
their hashes, then labkit itself.  Deleting that folder undoes all of it.

This file uses the standard library only, and must stay readable for Python 3.6, so that an old
Python gets as far as the sentence that says which one is needed.

How a start knows what to do: a *stamp* in ``.venv``, written last, holds a digest of all that the
set-up depends on.  Stamp right: nothing to do.  Stamp different: the pins changed, and pip brings
the environment up to date.  No stamp: a set-up was interrupted or never began, and the
environment is made anew; so it is where the folder was moved or its Python is another now, because
its scripts name both.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import (
    Callable,
    Deque,
    Dict,
    Iterator,
    List,
    NamedTuple,
    NoReturn,
    Optional,
    Sequence,
    Tuple,
)

if sys.version_info < (3, 11):
    sys.exit(
        f"The lab needs Python 3.11 or later, and this is Python {sys.version.split()[0]} "
        f"({sys.executable}): install a newer one (python.org, or your system's packages) and "
        "start lab.py with it."
    )

ROOT = Path(__file__).resolve().parent

CHECKS = (
    ("ruff check", ("-m", "ruff", "check", ".")),
    ("ruff format", ("-m", "ruff", "format", "--check", ".")),
    ("mypy", ("-m", "mypy")),
    ("pytest", ("-m", "pytest", "-n", "2", "--dist", "loadscope")),
)
"""All that CI runs, in this order; pytest last, because its closing line is ours too."""

PINS = {"lab": "requirements/lab.txt", "test": "requirements/test.txt"}
"""For each extent of the environment, the file that pins it; "test" holds all of "lab"."""

DISK_NEEDED = 1_000_000_000
"""Bytes that a set-up needs at most, downloads included."""

FAILURES = (
    # What pip, venv or the system print, and what to tell the user.  First match wins: after
    # "No space left" or a lost connection, pip goes on to complain of other things.
    (
        r"No space left on device|\[Errno 28\]|WinError 112|Disk quota exceeded|not enough space",
        "the disk is full: free about 1 GB and start again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        "the package index's certificate is not trusted, as happens behind a company's proxy: "
        "name the proxy's certificate in the environment variable PIP_CERT and start again",
    ),
    (
        r"Temporary failure in name resolution|getaddrinfo failed|nodename nor servname"
        r"|Name or service not known|No address associated|Network is unreachable"
        r"|Failed to establish a new connection|Connection refused|Connection reset"
        r"|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Read timed out"
        r"|Cannot connect to proxy|ProxyError|IncompleteRead",
        "the package index cannot be reached: connect to the internet (or set HTTPS_PROXY) and "
        "start again; once set up, the lab works offline",
    ),
    (
        r"ensurepip is not|No module named '?(venv|ensurepip)",
        "this Python comes without venv: install it (on Debian and Ubuntu: `sudo apt install "
        "python3-venv`) and start again",
    ),
    (
        r"No module named '?pip\b",
        "the virtual environment in {root} is broken: delete the folder .venv and start again",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "a package is not the one that was pinned, so it was not installed: update your clone of "
        "the lab (`git pull`), or ask who runs your package index, and start again",
    ),
    (
        r"No matching distribution found|Could not find a version that satisfies",
        "a package has no ready-made build for this Python ({python}) on this system: start "
        "lab.py with another Python (3.11 to 3.14, 64 bit)",
    ),
    (
        r"Long Path support|WinError 206|File name or extension is too long",
        "a path is too long for Windows: move the lab to a shorter path, such as C:\\lab, or "
        "enable long paths, and start again",
    ),
    (
        r"Read-only file system|\[Errno 30\]",
        "the folder {root} is read-only: copy the lab to a folder of your own and start again",
    ),
    (
        r"Permission denied|\[Errno 13\]|WinError 5\b|WinError 32\b|Access is denied",
        "files in {root} cannot be written: close JupyterLab and other programs that use the "
        "lab, see to it that the folder is yours, and start again",
    ),
)


class Problem(Exception):
    """What went wrong and its cure, in one sentence."""


class Result(NamedTuple):
    """How a command ended, and the end of what it printed."""

    code: int
    output: str


Run = Callable[[Sequence[str], Callable[[str], None], Sequence[int]], Result]
"""Runs a command: arguments, who gets each line, and the descriptors that it inherits."""


def run(command: Sequence[str], on_line: Callable[[str], None], inherit: Sequence[int]) -> Result:
    """Run a command and hand on each line it prints."""
    tail: Deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=() if os.name == "nt" else inherit,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tail.append(line)
            on_line(line.rstrip())
    return Result(process.returncode, "".join(tail))


def cure(output: str, root: Path, log: Optional[Path] = None) -> str:
    """Say in one sentence why a set-up failed, and what to do about it.

    Args:
        output: what the failed command printed, or the text of an ``OSError``.
        root: the folder of the lab.
        log: the file that holds all of the output, if there is one.
    """
    for pattern, sentence in FAILURES:
        if re.search(pattern, output):
            python = sys.version.split()[0]
            return "The set-up stopped: " + sentence.format(root=root, python=python) + "."
    lines = [line for line in output.splitlines() if line.strip()]
    reason = next(
        (line for line in reversed(lines) if "rror" in line), (lines or ["no output"])[-1]
    )
    more = f" (all of it is in {log})" if log else ""
    return (
        f"The set-up stopped: {reason.strip()}{more}: "
        "start again, and if that does not help, delete .venv first."
    )


class Progress:
    """What the user sees while things are installed.

    On stderr, because ``labkit demo --json`` owns stdout; on a terminal in one line that changes.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.seen = 0
        self.installing = False
        self._live = sys.stderr.isatty()

    def __call__(self, line: str) -> None:
        """Take one line of pip's output."""
        words = line.split()
        if words[:1] == ["Collecting"]:
            self.seen += 1
            name = re.split(r"[=<>\[]", words[1])[0]
            if self._live:
                self._show(f"  getting {self.seen} of about {self.total} packages: {name}")
            elif self.seen % 25 == 1:
                say(f"  getting {self.seen} of about {self.total} packages: {name}")
        elif line.startswith("Installing collected packages"):
            self.installing = True
            self.end()
            say(f"  installing {self.seen} packages; this takes a moment")

    def end(self) -> None:
        """Clear the line that changes."""
        if self._live:
            self._show("")

    def _show(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\x1b[K" + text[:width])
        sys.stderr.flush()


def say(text: str) -> None:
    """Tell the user, on stderr."""
    print(text, file=sys.stderr, flush=True)


class Environment:
    """The virtual environment beside ``lab.py``.

    Args:
        root: the folder of the lab.
        run: runs a command of the set-up.
        free: how many bytes are free on a folder's disk.
    """

    def __init__(
        self,
        root: Path = ROOT,
        run: Run = run,
        free: Callable[[Path], int] = lambda root: shutil.disk_usage(str(root)).free,
    ) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.scripts = self.folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.scripts / ("python.exe" if os.name == "nt" else "python")
        self.stamp = self.folder / "lab-stamp.json"
        self._run = run
        self._free = free

    def digest(self, extent: str) -> str:
        """A digest of all that a set-up depends on: the pins, and the package's own data."""
        digest = hashlib.sha256()
        for name in (PINS[extent], "pyproject.toml"):
            digest.update((self.root / name).read_bytes())
        return digest.hexdigest()

    def place(self) -> List[str]:
        """What the environment's scripts name: the lab's folder, and which Python it is.

        Of Python only the file's own name, ``python3.12``: a new patch release changes the folders
        above it on some systems, and nothing that matters here.
        """
        return [str(self.root), self.python.resolve().name]

    def state(self, extent: str) -> str:
        """Tell "ready", "outdated" (pip can bring it up to date) or "absent" (to be made anew)."""
        try:
            stamp = json.loads(self.stamp.read_text())
            site = self.folder / stamp["site"]
            written = site.stat().st_mtime_ns
            if stamp["place"] != self.place() or not self.python.exists():
                return "absent"  # the folder was moved, or Python upgraded or removed
            if written != stamp["written"]:
                # Something was installed or removed here by hand.
                if not complete(site):
                    return "absent"
                stamp["written"] = written
                self._write(stamp)
            ready = any(
                stamp["extent"] == name and stamp["digest"] == self.digest(name)
                for name in ("test", extent)
            )
        except (OSError, ValueError, KeyError, TypeError):
            return "absent"
        return "ready" if ready else "outdated"

    def ensure(self, extent: str) -> None:
        """Set up what is missing; quick when nothing is.

        Args:
            extent: "lab", or "test" for the tools of CI as well.

        Raises:
            Problem: it cannot be set up; the message is one sentence with the cure.
        """
        if self.state(extent) == "ready":
            return
        try:
            with locked(self.root / ".venv.lock") as inherit:
                state = self.state(extent)  # another start may have done it all meanwhile
                if state != "ready":
                    self._set_up(extent, state, inherit)
        except OSError as error:
            raise Problem(cure(str(error), self.root)) from error

    def _set_up(self, extent: str, state: str, inherit: Sequence[int]) -> None:
        began = time.monotonic()
        free = self._free(self.root)
        if free < DISK_NEEDED // (1 if state == "absent" else 4):
            raise Problem(cure(f"not enough space: {free} bytes free", self.root))
        old = self.stamp.read_bytes() if state == "outdated" else None
        if old is None:
            say(f"Setting up the lab in {self.folder} (once; a minute or two)")
            # A virtual environment that is made from within another one comes from its base.
            base = getattr(sys, "_base_executable", None) or sys.executable
            # An unreadable left-over may keep `--clear` from clearing.
            self._step([base, "-I", "-m", "venv", "--clear", str(self.folder)], inherit)
        else:
            say("The lab's packages changed; bringing them up to date")
            self.stamp.unlink()
        pins = self.root / PINS[extent]
        progress = Progress(total=len(re.findall(r"^[\w.-]+==", pins.read_text(), re.MULTILINE)))
        try:
            self._pip(
                ["--require-hashes", "--only-binary=:all:", "-r", str(pins)], inherit, progress
            )
        except Problem:
            if old is not None and not progress.installing:
                self.stamp.write_bytes(old)  # nothing was changed yet
            raise
        finally:
            progress.end()
        # Editable, so that the package is what lies here; without a look at any index.
        self._pip(["--no-build-isolation", "--editable", str(self.root)], inherit)
        site = "Lib/site-packages" if os.name == "nt" else "lib/python{}.{}/site-packages"
        site = site.format(*sys.version_info[:2])
        self._write(
            {
                "extent": extent,
                "digest": self.digest(extent),
                "place": self.place(),
                "site": site,
                "written": (self.folder / site).stat().st_mtime_ns,
            }
        )
        say(f"The lab is set up ({time.monotonic() - began:.0f} s)")

    def _pip(
        self,
        arguments: Sequence[str],
        inherit: Sequence[int],
        progress: Optional[Progress] = None,
    ) -> None:
        # The pins are complete, so there is nothing to resolve (`--no-deps`); what a user's
        # configuration says of indexes, proxies and certificates holds.
        options = ["--no-deps", "--no-user", "--no-input", "--disable-pip-version-check"]
        options += ["--progress-bar=off", "--no-warn-script-location"]
        command = [str(self.python), "-I", "-m", "pip", "install", *options, *arguments]
        with self.runnable():
            self._step(command, inherit, progress)

    def _step(
        self,
        command: Sequence[str],
        inherit: Sequence[int],
        progress: Optional[Progress] = None,
    ) -> None:
        result = self._run(command, progress or (lambda line: None), inherit)
        if result.code != 0:
            log = self.folder / "set-up.log"
            try:
                log.write_text(result.output, encoding="utf-8")
            except OSError:
                raise Problem(cure(result.output, self.root)) from None
            raise Problem(cure(result.output, self.root, log))

    def _write(self, stamp: Dict[str, object]) -> None:
        new = self.stamp.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(stamp))
        new.replace(self.stamp)

    def variables(self) -> Dict[str, str]:
        """The environment variables of what runs in it: as if it were activated.

        Without ``PYTHONPATH`` and ``PYTHONHOME``, which would put other packages before the
        pinned ones.
        """
        variables = dict(os.environ, VIRTUAL_ENV=str(self.folder))
        variables["PATH"] = str(self.scripts) + os.pathsep + variables.get("PATH", os.defpath)
        for name in ("PYTHONPATH", "PYTHONHOME"):
            variables.pop(name, None)
        return variables

    def become(self, arguments: Sequence[str]) -> NoReturn:
        """Go on as the environment's Python; the user's folder stays the current one.

        Raises:
            Problem: that Python cannot be run.
        """
        # -P: a `json.py` in the user's folder must not be taken for the library's.
        command = [str(self.python), "-P", *arguments]
        with self.runnable():
            if os.name != "nt":
                os.execve(command[0], command, self.variables())
            # On Windows, exec would return to the prompt at once.
            process = subprocess.Popen(command, env=self.variables())
        while True:
            try:
                sys.exit(process.wait())
            except KeyboardInterrupt:
                pass  # Ctrl-C went to the command too, which decides what it means

    @contextmanager
    def runnable(self) -> Iterator[None]:
        """Turn the error of a start of the environment's Python into a sentence with the cure."""
        try:
            yield
        except OSError as error:
            raise Problem(
                f"The lab cannot start: {self.python} cannot be run ({error.strerror}): delete the "
                "folder .venv and start again."
            ) from error


def complete(site: Path) -> bool:
    """Whether all that packages brought is still there, down to each one's folder."""
    for record in site.glob("*.dist-info/RECORD"):
        names = {line.split("/", 1)[0] for line in record.read_text(encoding="utf-8").splitlines()}
        for name in names:
            if "," not in name and not (site / name).exists():
                return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[List[int]]:
    """Hold a lock against other starts; what it yields goes to child processes.

    The system drops the lock when its last holder ends, however it ends, so none is ever stale.
    A child inherits it on POSIX: if a start is killed, the next one waits until its pip is gone.
    """
    with open(path, "a+b") as file:
        if not _lock(file.fileno(), wait=False):
            say("Another start is setting up the lab; waiting for it")
            _lock(file.fileno(), wait=True)
        yield [file.fileno()]


def _lock(descriptor: int, wait: bool) -> bool:
    if sys.platform == "win32":
        import msvcrt

        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return True
            except OSError:
                if not wait:
                    return False
                time.sleep(0.2)
    else:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test(environment: Environment, arguments: Sequence[str]) -> int:
    """Run everything that CI runs, all of it even if some of it fails.

    Args:
        environment: set up with extent "test".
        arguments: if there are any, only pytest runs, with these.

    Returns:
        The exit status: 0 if all of it passed.
    """
    if arguments:
        checks = [("pytest", ("-m", "pytest", *arguments))]
    else:
        checks = list(CHECKS)
    outcomes = []
    output = ""
    for name, command in checks:
        print(f"\n$ {' '.join(command[1:])}", flush=True)
        began = time.monotonic()
        code, output = _show(environment, command)
        outcomes.append((name, code, time.monotonic() - began))
    print()
    for line in summary(outcomes, output):
        print(line)
    return int(any(code != 0 for _, code, _ in outcomes))


def _show(environment: Environment, command: Sequence[str]) -> Result:
    """Run a check, show what it prints as it comes, and keep the end of it."""
    kept = b""
    with environment.runnable():
        started = subprocess.Popen(
            [str(environment.python), *command],
            cwd=str(environment.root),
            env=environment.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    with started as process:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        for chunk in iter(lambda: os.read(descriptor, 65536), b""):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            kept = (kept + chunk)[-200_000:]
    return Result(process.returncode, kept.decode("utf-8", "replace"))


def summary(outcomes: Sequence[Tuple[str, int, float]], pytest_output: str) -> Iterator[str]:
    """The closing lines: each check's outcome, what was skipped, how many tests passed."""
    for name, code, seconds in outcomes:
        yield f"{name:12} {'passed' if code == 0 else 'FAILED'} {seconds:8.1f} s"
    lines = pytest_output.splitlines()
    skipped: Dict[str, int] = {}
    for found in re.finditer(r"(?m)^SKIPPED \[(\d+)\] \S+ (.+)$", pytest_output):
        skipped[found.group(2)] = skipped.get(found.group(2), 0) + int(found.group(1))
    for reason, count in skipped.items():
        yield f"skipped {count}: {reason}"
    closing = [line for line in lines if re.match(r"=+ .*\bin \d[\d.]*s\b.* =+$", line)]
    yield closing[-1] if closing else "pytest did not come to its end: no tests are known to pass"


def main(arguments: Sequence[str]) -> int:
    """Set up what is needed, then do what is asked."""
    environment = Environment()
    testing = arguments[:1] == ["test"]
    try:
        environment.ensure("test" if testing else "lab")
        if testing:
            return test(environment, arguments[1:])
        environment.become(["-m", "labkit", *(arguments or ["lab"])])
    except Problem as problem:
        say(str(problem))
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted; the next start goes on from here.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
