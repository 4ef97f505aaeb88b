"""``lab.py``: what it sets up, what it repairs, and what it says when it cannot.

Most of it runs against a stand-in for venv and pip, which does in no time what these do.  A
miniature of the lab is set up for real, without a network: venv, pip with hashes, a package.
"""

import ast
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import lab
from lab import Environment, Problem, Result

ROOT = Path(__file__).parent.parent
DEADLINE = 30.0
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


# -- with a stand-in for venv and pip -------------------------------------------------------------


class Machine:
    """Does what venv and pip would, as far as ``lab.py`` looks at it.

    Attributes:
        steps: what was run, in a word or two each.
        fails: for a step, what it prints before it fails.
    """

    def __init__(self, root: Path) -> None:
        self.environment = Environment(root, self.run, free=lambda _: self.free)
        self.free = 50_000_000_000
        self.steps: list[str] = []
        self.fails: dict[str, str] = {}
        self.interrupted: str | None = None

    def run(
        self, command: Sequence[str], on_line: Callable[[str], None], inherit: Sequence[int]
    ) -> Result:
        step = next(word for word in ("venv", "-r", "--editable") if word in command)
        self.steps.append(step)
        if step == self.interrupted:
            raise KeyboardInterrupt
        if step in self.fails:
            on_line(self.fails[step].partition("\n")[0])
            return Result(1, self.fails[step])
        getattr(self, {"venv": "make", "-r": "fill", "--editable": "add"}[step])(on_line)
        return Result(0, "")

    @property
    def site(self) -> Path:
        found = "Lib" if os.name == "nt" else "lib/python{}.{}".format(*sys.version_info[:2])
        return self.environment.folder / found / "site-packages"

    def make(self, _: object) -> None:
        shutil.rmtree(self.environment.folder, ignore_errors=True)
        self.site.mkdir(parents=True)
        self.environment.scripts.mkdir()
        self.environment.python.symlink_to(sys.executable)

    def fill(self, on_line: Callable[[str], None]) -> None:
        on_line("Collecting thing==1.0 (from -r requirements/lab.txt (line 1))")
        on_line("Installing collected packages: thing")
        self.install("thing")

    def install(self, name: str) -> None:
        (self.site / name).mkdir(exist_ok=True)
        record = self.site / f"{name}-1.0.dist-info" / "RECORD"
        record.parent.mkdir(exist_ok=True)
        record.write_text(f"{name}/__init__.py,sha256=x,0\n{name}-1.0.dist-info/RECORD,,\n")

    def add(self, _: object) -> None:
        self.install("labkit")

    def start(self, extent: str = "lab") -> list[str]:
        """Set up as far as needed; the steps that it took."""
        self.steps.clear()
        self.environment.ensure(extent)
        return self.steps

    def problem(self) -> str:
        """What a start says that cannot be set up."""
        with pytest.raises(Problem) as caught:
            self.start()
        return str(caught.value)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "requirements").mkdir()
    for extent in ("lab", "test"):
        (tmp_path / "requirements" / f"{extent}.txt").write_text(f"thing==1.0\n{extent}==1.0\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return Machine(tmp_path)


ALL = ["venv", "-r", "--editable"]


def test_a_fresh_folder_is_set_up_and_the_next_start_does_nothing(machine: Machine) -> None:
    assert machine.start() == ALL
    assert machine.start() == []


def test_what_ci_needs_holds_what_the_lab_needs(machine: Machine) -> None:
    machine.start()
    assert machine.start("test") == ["-r", "--editable"]
    assert machine.start("lab") == []


@pytest.mark.parametrize("name", ["requirements/lab.txt", "pyproject.toml"])
def test_changed_pins_bring_the_environment_up_to_date(machine: Machine, name: str) -> None:
    machine.start()
    with (machine.environment.root / name).open("a") as file:
        file.write("# changed\n")
    assert machine.start() == ["-r", "--editable"]
    assert machine.start() == []


@pytest.mark.parametrize("step", ALL)
def test_an_interrupted_set_up_is_made_anew(machine: Machine, step: str) -> None:
    machine.interrupted = step
    with pytest.raises(KeyboardInterrupt):
        machine.start()
    machine.interrupted = None
    assert machine.start() == ALL
    assert machine.start() == []


@pytest.mark.parametrize("step", ["-r", "--editable"])
def test_an_interrupted_update_is_made_anew(machine: Machine, step: str) -> None:
    machine.start()
    (machine.environment.root / "requirements" / "lab.txt").write_text("thing==2.0\n")
    machine.interrupted = step
    with pytest.raises(KeyboardInterrupt):
        machine.start()
    machine.interrupted = None
    assert machine.start() == ALL


def test_an_update_that_cannot_begin_keeps_what_there_was(machine: Machine) -> None:
    machine.start()
    (machine.environment.root / "requirements" / "lab.txt").write_text("thing==2.0\n")
    machine.fails["-r"] = "Failed to establish a new connection"
    assert "cannot be reached" in machine.problem()
    machine.fails.clear()
    assert machine.start() == ["-r", "--editable"]


def test_an_update_that_broke_off_is_made_anew(machine: Machine) -> None:
    machine.start()
    (machine.environment.root / "requirements" / "lab.txt").write_text("thing==2.0\n")
    machine.fails["-r"] = "Installing collected packages: thing\n[Errno 28] No space left on device"
    assert "the disk is full" in machine.problem()
    machine.fails.clear()
    assert machine.start() == ALL


def test_packages_that_were_added_by_hand_stay(machine: Machine) -> None:
    machine.start()
    machine.install("other")
    assert machine.start() == []


def break_package(machine: Machine) -> None:
    shutil.rmtree(machine.site / "thing")


def break_python(machine: Machine) -> None:
    machine.environment.python.unlink()


def replace_python(machine: Machine) -> None:
    """As when the system's ``python3`` becomes a later one: the link leads to another name."""
    other = machine.environment.root / "python3.99"
    other.touch()
    machine.environment.python.unlink()
    machine.environment.python.symlink_to(other)


def break_stamp(machine: Machine) -> None:
    machine.environment.stamp.write_text('{"extent": "lab"')


def older_stamp(machine: Machine) -> None:
    machine.environment.stamp.write_text('{"extent": "lab"}')


def remove_site(machine: Machine) -> None:
    shutil.rmtree(machine.site)


@pytest.mark.parametrize(
    "damage",
    [break_package, break_python, replace_python, break_stamp, older_stamp, remove_site],
)
def test_a_broken_environment_is_made_anew(
    machine: Machine, damage: Callable[[Machine], None]
) -> None:
    machine.start()
    damage(machine)
    assert machine.start() == ALL
    assert machine.start() == []


def test_a_folder_that_was_moved_is_set_up_anew(machine: Machine, tmp_path: Path) -> None:
    """The scripts in .venv name the folder in their first lines."""
    machine.start()
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    try:
        assert Machine(moved).start() == ALL
    finally:
        moved.rename(tmp_path)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        # What pip 24 to 26, venv and the systems print.
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("
            "'<HTTPSConnection>: Failed to establish a new connection: [Errno -3] Temporary failure "
            "in name resolution')'\nERROR: Could not find a version that satisfies the requirement "
            "aiohttp==3.14.5\nERROR: No matching distribution found for aiohttp==3.14.5",
            "cannot be reached: connect to the internet",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "the disk is full: free about 1 GB",
        ),
        ("OSError: [WinError 112] There is not enough space on the disk", "the disk is full"),
        (
            "ERROR: Could not find a version that satisfies the requirement numpy==2.4.6\n"
            "ERROR: No matching distribution found for numpy==2.4.6",
            f"no ready-made build for this Python \\({re.escape(sys.version.split()[0])}\\)",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "not the one that was pinned.*git pull",
        ),
        (
            "The virtual environment was not created successfully because ensurepip is not\n"
            "available.  On Debian/Ubuntu systems, you need to install the python3-venv",
            "sudo apt install python3-venv",
        ),
        (
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate "
            "verify failed: self-signed certificate in certificate chain'))",
            "PIP_CERT",
        ),
        ("/lab/.venv/bin/python: No module named pip", "broken: delete the folder .venv"),
        ("Error: [Errno 30] Read-only file system: '/lab/.venv'", "is read-only: copy the lab"),
        ("Error: [Errno 13] Permission denied: '/lab/.venv'", "cannot be written"),
        ("something new\nERROR: the moon is full\n", "the moon is full.*start again.*delete .venv"),
        ("", "no output"),
    ],
)
@pytest.mark.parametrize("step", ["venv", "-r"])
def test_a_failure_is_one_sentence_with_the_cure(
    machine: Machine, step: str, printed: str, said: str
) -> None:
    machine.fails[step] = printed
    problem = machine.problem()
    assert re.search(said, problem)
    assert "\n" not in problem
    assert problem.startswith("The set-up stopped: ")
    assert problem.endswith(".")
    machine.fails.clear()
    assert machine.start() == ALL


def test_a_set_up_does_not_begin_on_a_full_disk(machine: Machine) -> None:
    machine.free = 200_000_000
    assert machine.problem().endswith("the disk is full: free about 1 GB and start again.")
    assert machine.steps == []


def test_an_unknown_failure_names_the_file_with_all_of_it(machine: Machine) -> None:
    machine.fails["-r"] = "first\nERROR: the moon is full\nlast\n"
    log = machine.environment.folder / "set-up.log"
    assert f"(all of it is in {log})" in machine.problem()
    assert log.read_text() == machine.fails["-r"]


def test_a_file_in_the_place_of_the_environment_is_said(machine: Machine) -> None:
    machine.environment.folder.touch()
    machine.fails["venv"] = "Error: [Errno 20] Not a directory: '.venv'"
    problem = machine.problem()
    assert (
        "Not a directory: '.venv': start again, and if that does not help, delete .venv" in problem
    )


def test_a_python_that_cannot_be_run_is_said(machine: Machine) -> None:
    machine.start()
    machine.environment.python.unlink()
    machine.environment.python.mkdir()
    with pytest.raises(Problem, match=r"cannot be run .*: delete the folder .venv and start again"):
        machine.environment.become(["-m", "labkit"])


def test_progress_is_shown(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.start()
    told = capsys.readouterr()
    assert told.out == ""
    first, getting, installing, last = told.err.splitlines()
    assert re.match(r"Setting up the lab in .*\.venv \(once; a minute or two\)", first)
    assert getting == "  getting 1 of about 2 packages: thing"
    assert installing == "  installing 1 packages; this takes a moment"
    assert re.fullmatch(r"The lab is set up \(\d+ s\)", last)


def test_paths_of_other_packages_do_not_come_before_the_pinned_ones(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("PYTHONHOME", "elsewhere")
    variables = machine.environment.variables()
    assert not {"PYTHONPATH", "PYTHONHOME"} & variables.keys()
    assert variables["PATH"].split(os.pathsep)[0] == str(machine.environment.scripts)


# -- the closing lines of `lab.py test` -----------------------------------------------------------

PYTEST = """\
SKIPPED [1] tests/test_a.py:3: no Chromium
SKIPPED [2] tests/test_b.py: another reason
SKIPPED [6] tests/test_c.py:30: no Chromium
=========================== short test summary info ============================
============== 120 passed, 9 skipped in 31.07s ==============
"""


def test_the_closing_lines_tell_each_outcome_and_what_was_skipped() -> None:
    lines = list(lab.summary([("mypy", 1, 2.0), ("pytest", 0, 31.4)], PYTEST))
    assert [line.split()[:2] for line in lines[:2]] == [["mypy", "FAILED"], ["pytest", "passed"]]
    assert lines[2:4] == ["skipped 7: no Chromium", "skipped 2: another reason"]
    assert "120 passed, 9 skipped in 31.07s" in lines[4]


def test_a_pytest_that_broke_off_passes_nothing() -> None:
    *_, last = lab.summary([("pytest", 3, 1.0)], "INTERNALERROR> …\n")
    assert last == "pytest did not come to its end: no tests are known to pass"


# -- an old Python --------------------------------------------------------------------------------


def test_an_old_python_can_read_the_file() -> None:
    ast.parse((ROOT / "lab.py").read_text("utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_which_one_is_needed() -> None:
    pretend = "import runpy, sys; sys.version_info = (3, 10, 4); runpy.run_path(sys.argv[1])"
    run = subprocess.run(
        [sys.executable, "-c", pretend, str(ROOT / "lab.py")], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == ""
    (sentence,) = run.stderr.splitlines()
    assert re.match(r"The lab needs Python 3\.11 or later, and this is Python .* install", sentence)


# -- starts that are killed -----------------------------------------------------------------------

BLOCKED = """
import subprocess, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from lab import Environment

def run(command, on_line, inherit):
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", code], pass_fds=inherit)
    child.wait()

Environment(Path(sys.argv[1]), run).ensure("lab")
"""


@posix
def test_a_start_waits_for_the_pip_of_one_that_was_killed(machine: Machine) -> None:
    """Two pips in one environment would break it, so the lock is the child's too."""
    first = subprocess.Popen(
        [sys.executable, "-c", BLOCKED.format(root=str(ROOT)), str(machine.environment.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert first.stdout is not None
    lock = machine.environment.root / ".venv.lock"
    with first.stdout, lock.open("ab") as file:
        try:
            pip = int(first.stdout.readline())
            first.kill()
            first.wait()
            assert not lab._lock(file.fileno(), wait=False)
            os.kill(pip, signal.SIGKILL)
            assert lab._lock(file.fileno(), wait=True)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(first.pid, signal.SIGKILL)
    assert machine.start() == ALL


# -- for real, in miniature -----------------------------------------------------------------------

BACKEND = '''
"""A build tool that makes the package importable where it lies."""
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "labkit-1.0-py3-none-any.whl"
    info = "labkit-1.0.dist-info/"
    files = {
        "labkit.pth": {root!r} + "\\n",
        info + "METADATA": "Metadata-Version: 2.1\\nName: labkit\\nVersion: 1.0\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[info + "RECORD"] = "".join(f"{n},,\\n" for n in [*files, info + "RECORD"])
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
'''

LABKIT = """
import json, os, sys, thing
print(json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd(), "prefix": sys.prefix,
                  "thing": thing.VERSION, "isolated": "" not in sys.path}))
sys.exit(7 if sys.argv[1:] == ["fail"] else 0)
"""


def wheel(folder: Path, version: str) -> str:
    """Write a wheel of the package ``thing``; its hash."""
    info = f"thing-{version}.dist-info"
    files = {
        "thing/__init__.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{name},sha256={digest(text)},{len(text)}\n" for name, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    path = folder / f"thing-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Miniature:
    """A folder with ``lab.py``, one package to install and a ``labkit`` that tells how it was run.

    The path has spaces and letters beyond ASCII in it, as home folders have.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.root = folder / "Mein Labor für Ærø 実験"
        self.wheels.mkdir()
        for name, text in {
            "labkit/__init__.py": "",
            "labkit/__main__.py": LABKIT,
            "backend.py": BACKEND.replace("{root!r}", repr(str(self.root))),
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
            'backend-path = ["."]\n',
        }.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        # A file in the user's folder, which must not be taken for the library's.
        (folder / "json.py").write_text("raise SystemExit('the wrong json')")
        shutil.copy(ROOT / "lab.py", self.root)
        (self.root / "requirements").mkdir()
        self.pin("1.0")

    def pin(self, version: str, sha256: str = "") -> None:
        sha256 = sha256 or wheel(self.wheels, version)
        line = f"thing=={version} --hash=sha256:{sha256}\n"
        (self.root / "requirements" / "lab.txt").write_text(line)

    @property
    def variables(self) -> dict[str, str]:
        ours = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri(), "PIP_RETRIES": "1"}
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("PIP_", "PYTHON"))}
        return kept | ours | {"PIP_CONFIG_FILE": os.devnull, "PYTHONUTF8": "1"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.root / "lab.py"), *arguments]

    def start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.variables | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=DEADLINE,
            check=False,
        )


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """Set up for real, after a first attempt was killed in the middle."""
    miniature = Miniature(tmp_path_factory.mktemp("real"))
    if os.name != "nt":
        killed = subprocess.Popen(
            miniature.command(),
            cwd=miniature.folder,
            env=miniature.variables,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        begun = miniature.root / ".venv" / "pyvenv.cfg"
        deadline = time.monotonic() + DEADLINE
        while not begun.exists():
            assert time.monotonic() < deadline, "the set-up did not begin"
            time.sleep(0.005)
        os.killpg(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        assert not (miniature.root / ".venv" / "lab-stamp.json").exists()
    run = miniature.start("demo")
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[-1].startswith("The lab is set up")
    return miniature


def told(run: subprocess.CompletedProcess[str]) -> Any:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_killed_set_up_is_repaired_and_the_next_start_says_nothing(miniature: Miniature) -> None:
    run = miniature.start("demo", "--json")
    assert run.stderr == ""
    assert told(run)["thing"] == "1.0"


def test_arguments_are_passed_on_as_they_are(miniature: Miniature) -> None:
    run = told(miniature.start("demo", "--order", "my order.json", "ä*", ""))
    assert run["arguments"] == ["demo", "--order", "my order.json", "ä*", ""]


def test_without_arguments_the_lab_is_opened(miniature: Miniature) -> None:
    assert told(miniature.start())["arguments"] == ["lab"]


def test_commands_run_in_the_users_folder_and_in_the_labs_environment(miniature: Miniature) -> None:
    run = told(miniature.start("demo"))
    assert Path(run["folder"]) == miniature.folder
    assert Path(run["prefix"]) == miniature.root / ".venv"
    assert run["isolated"] is True


def test_the_exit_status_is_the_commands(miniature: Miniature) -> None:
    assert miniature.start("fail").returncode == 7


def test_without_a_network_an_update_says_so_and_can_be_repeated(miniature: Miniature) -> None:
    miniature.pin("2.0")
    run = miniature.start(
        "demo", PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:9/"
    )
    assert run.returncode == 1
    assert run.stdout == ""
    begun, sentence = run.stderr.splitlines()
    assert begun == "The lab's packages changed; bringing them up to date"
    assert "the package index cannot be reached" in sentence
    assert told(miniature.start("demo"))["thing"] == "2.0"


def test_a_package_that_is_not_the_pinned_one_is_not_installed(miniature: Miniature) -> None:
    wheel(miniature.wheels, "3.0")
    miniature.pin("3.0", sha256="0" * 64)
    run = miniature.start("demo")
    assert run.returncode == 1
    assert "not the one that was pinned" in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
    (miniature.root / "requirements" / "lab.txt").write_text("thing==3.0\n")
    assert miniature.start("demo").returncode == 1, "a pin without a hash is no pin"
    miniature.pin("3.0")
    assert told(miniature.start("demo"))["thing"] == "3.0"
