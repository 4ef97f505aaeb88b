"""Starts and signals the operating system's processes that functions run in.

On POSIX a fork server (:mod:`labkit.runtime.fork_server`) makes them; this module is its client.
Elsewhere, which is on Windows, each is an ordinary process: by construction, not run.

Both give a :class:`Child`.  A child leads a process group, so that a signal reaches what the function
has started as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from labkit.errors import EnvironmentProblem
from labkit.functions.environment import RUNTIME
from labkit.functions.program import INTERPRETER

POSIX = os.name == "posix"
PATIENCE = 3.0
"""Seconds that the fork server has to end when it is told to, before it is killed."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is to become.

    Attributes:
        folder: the unpacked package.
        environment: all of its environment variables.
        endpoint: the local cloud's address.
        memory: MB.
        command: the program to run, with its arguments, for a package that brings its own SDK or
            its own runtime; empty for a fork, which has the SDK loaded.
    """

    folder: str
    environment: Mapping[str, str]
    endpoint: str
    memory: int
    command: Sequence[str] = ()


@dataclass(eq=False, slots=True)
class Child:
    """A process, as long as it is there.

    Attributes:
        pid: its process id, and that of its group.
        exit: its exit status once it has ended; minus the signal if one killed it.
        on_exit: called with the exit status, on the loop.
    """

    pid: int
    exit: int | None = None
    on_exit: Callable[[int], None] = field(default=lambda _: None)

    def signal(self, number: int) -> bool:
        """Send a signal to the process and to what it has started.

        Returns:
            Whether there was anybody to receive it.
        """
        if self.exit is not None:
            return False
        try:
            if POSIX:
                os.killpg(self.pid, number)
            else:  # pragma: no cover (Windows)
                os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def kill(self) -> None:
        """End it, at once, stopped or not."""
        if not self.signal(getattr(signal, "SIGKILL", signal.SIGTERM)) and self.exit is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def ended(self, code: int) -> None:
        """Note that it has ended; only the first time counts."""
        if self.exit is None:
            self.exit = code
            self.on_exit(code)


class Starter(Protocol):
    """Starts processes."""

    def start(self) -> None:
        """Get ready in the background."""

    async def spawn(self, job: Job, output: int) -> Child:
        """Start a process that writes to the file descriptor ``output``."""

    def check(self) -> None:
        """Notice what has happened to processes and was not told yet."""

    async def stop(self) -> None:
        """End everything."""


class ForkServer:
    """The fork server, started when it is first needed and again whenever it has died.

    Args:
        folder: where its error output is kept.
        problem: told, in a sentence, when it dies without having been asked to.
        temporary: the folder is removed by the server when the cloud has died.
    """

    def __init__(
        self, folder: Path, problem: Callable[[str, str], None], *, temporary: bool = False
    ) -> None:
        self._folder = folder
        self._temporary = temporary
        self._problem = problem
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._children: dict[int, Child] = {}
        self._waiting: dict[int, asyncio.Future[Child]] = {}
        self._ids = itertools.count(1)
        self._buffer = bytearray()
        self._sending = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid if self._server is not None else None

    def start(self) -> None:
        """Start the server, unless it runs; takes a millisecond, the server half a second."""
        self.check()
        if self._server is not None:
            return
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs, open(self._log_file, "wb") as errors:
            self._server = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    str(RUNTIME / "fork_server.py"),
                    str(theirs.fileno()),
                    str(os.getpid()),
                    str(self._folder) if self._temporary else "",
                    *_sdk_folders(),
                ],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=_server_environment(self._folder),
                cwd=self._folder,
                # A group of its own: Ctrl-C in a terminal or a kernel does not reach it.
                start_new_session=True,
            )
        self._control = ours
        self._buffer.clear()
        self._loop.add_reader(ours.fileno(), self._readable)

    @property
    def _log_file(self) -> Path:
        return self._folder / "fork_server.log"

    async def spawn(self, job: Job, output: int) -> Child:
        """Have a process forked.

        Raises:
            EnvironmentProblem: the fork server dies again and again.
        """
        for _ in range(3):
            self.start()
            number = next(self._ids)
            message = {
                "id": number,
                "folder": job.folder,
                "environment": dict(job.environment),
                "endpoint": job.endpoint,
                "memory": job.memory,
                "command": list(job.command),
            }
            assert self._loop is not None
            answer: asyncio.Future[Child] = self._loop.create_future()
            self._waiting[number] = answer
            try:
                await self._send(json.dumps(message).encode(), output)
                return await answer
            except ConnectionError:
                continue
            finally:
                self._waiting.pop(number, None)
        raise EnvironmentProblem(
            "Function processes cannot be started: the fork server ends as soon as it starts. "
            f"It says: {self._last_words()!r}. `labkit doctor` checks the environment."
        )

    async def _send(self, body: bytes, output: int) -> None:
        data = len(body).to_bytes(4, "big") + body
        async with self._sending:
            control = self._control
            if control is None or self._loop is None:
                raise ConnectionResetError
            sent = 0
            while not sent:
                try:
                    sent = socket.send_fds(control, [data], [output])
                except BlockingIOError:
                    # The server is still loading and its socket is full.
                    await asyncio.sleep(0.005)
            if sent < len(data):
                await self._loop.sock_sendall(control, data[sent:])

    def _readable(self) -> None:
        assert self._control is not None
        try:
            data = self._control.recv(65_536)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._lost()
            return
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < 4 + size:
                return
            message = json.loads(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
            self._told(message)

    def _told(self, message: dict[str, Any]) -> None:
        pid = message["pid"]
        if "exit" in message:
            child = self._children.pop(pid, None)
            if child is not None:
                child.ended(message["exit"])
            return
        child = self._children[pid] = Child(pid)
        answer = self._waiting.pop(message["id"], None)
        if answer is None or answer.done():
            child.kill()  # nobody wants it any more
        else:
            answer.set_result(child)

    def check(self) -> None:
        """Notice at once if the server has died: no process is used that died with it."""
        if self._server is not None and self._server.poll() is not None:
            self._lost()

    def _lost(self) -> None:
        """The server is gone without having been asked: so must be its children."""
        server, self._server = self._server, None
        children = self._abandon()
        if server is not None:
            server.kill()
            server.wait()
            self._problem(
                "The process that starts functions has died; the next invocation starts a new one.",
                self._last_words(),
            )
        for child in children:
            child.ended(-int(signal.SIGKILL))

    def _abandon(self) -> list[Child]:
        if self._control is not None:
            assert self._loop is not None
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError())
        children, self._children = self._children, {}
        for child in children.values():
            child.kill()
        return list(children.values())

    def _last_words(self) -> str:
        try:
            return self._log_file.read_text(errors="replace").strip()[-2000:]
        except OSError:
            return ""

    async def stop(self) -> None:
        """End the server and all of its children; returns when they are gone."""
        server, self._server = self._server, None
        children = self._abandon()  # closing the socket is the order to end
        for child in children:
            child.ended(-int(signal.SIGKILL))
        if server is not None:
            await asyncio.get_running_loop().run_in_executor(None, _wait_or_kill, server)


def _wait_or_kill(server: subprocess.Popen[bytes]) -> None:
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _sdk_folders() -> list[str]:
    """Where the SDK is installed, should an isolated interpreter not look there by itself."""
    folders = []
    for name in ("boto3", "botocore"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            folder = str(Path(spec.origin).parent.parent)
            if folder not in folders:
                folders.append(folder)
    return folders


def _server_environment(home: Path) -> dict[str, str]:
    """Nothing of the student's: no profile, no region, no credentials can leak into a function."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AWS_CONFIG_FILE": str(home / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Subprocesses:
    """Ordinary processes, where there is no fork.  By construction; not run."""

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Nothing can be got ready."""

    def check(self) -> None:
        """Each process has a thread that waits for it."""

    async def spawn(self, job: Job, output: int) -> Child:
        """Start an interpreter."""
        loop = asyncio.get_running_loop()
        environment = {**job.environment, "LABKIT_ENDPOINT": job.endpoint}
        process = subprocess.Popen(  # noqa: ASYNC220 (it returns at once)
            job.command or INTERPRETER,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=job.folder,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        child = Child(process.pid)
        self._running[process.pid] = process

        def wait() -> None:
            code = process.wait()
            self._running.pop(process.pid, None)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(child.ended, code)

        threading.Thread(target=wait, name="labkit-function", daemon=True).start()
        return child

    async def stop(self) -> None:
        """Kill them all."""
        for process in list(self._running.values()):
            process.kill()
