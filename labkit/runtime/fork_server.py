"""The fork server: a small process that has boto3 loaded and forks a function's process from itself.

Importing boto3 and making a first client takes half a second; a fork of a process that has done so
already takes two milliseconds.  The server has one thread, because a fork of a process with several
may inherit a lock that nobody will ever release.

It is started as ``python -I fork_server.py CONTROL PARENT FOLDER [PATH…]``: the file descriptor of a
stream socket to the cloud, the cloud's process id, a temporary folder to remove in the end (or an
empty string), and folders to find packages in.  A message in either direction is four bytes of length (big-endian) and JSON:

* cloud to server: ``{"id", "folder", "environment", "endpoint", "memory", "command"}``, with the file
  descriptor for the function's output beside it (``SCM_RIGHTS``);
* server to cloud: ``{"id", "pid"}``, and later ``{"pid", "exit"}`` (an exit status; minus a signal).

Nobody is left behind.  When the control socket closes, because the cloud stopped or died, the
server kills every process group it made, stopped ones too, and exits.  On Linux it is told of the
cloud's death also by a signal (``PR_SET_PDEATHSIG``), adopts processes that a dead function leaves
(``PR_SET_CHILD_SUBREAPER``) and ends them, and each child is killed by the kernel when the server
dies.  The server's own signal is SIGTERM and not SIGKILL, so that it can clear up.

Standard library and boto3 only; never imports labkit.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

PRESENT_ON_AWS = frozenset(sys.modules) | {logging.__name__, traceback.__name__}
"""Modules that AWS's runtime, too, has imported before it imports a handler."""

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MEGABYTE = 1 << 20
FRESH_INTERPRETER = 96 * MEGABYTE
"""What a program of a package's own needs before the function's own memory counts."""


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, on Linux; nothing happens elsewhere."""
    if sys.platform == "linux" and _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)


_libc: Any = None
if sys.platform == "linux":
    import ctypes

    _libc = ctypes.CDLL(None)


# -- loading ahead ----------------------------------------------------------------------------


def warm() -> None:
    """Load boto3, and keep what makes a client cheap.

    A client costs 50 to 80 ms the first time: botocore reads and parses the service's model and
    the endpoint rules.  Its loader caches them, so every session here gets this one loader.  One
    call of each service is made as well, answered before it would be sent, so that the modules
    that are imported at the first call are there.
    """
    import boto3
    import botocore.awsrequest
    import botocore.loaders
    import botocore.session

    loader = botocore.loaders.create_loader()
    make_loader = botocore.loaders.create_loader

    def shared_loader(search_path_string: str | None = None) -> Any:
        return make_loader(search_path_string) if search_path_string else loader

    botocore.session.create_loader = shared_loader

    class Nothing:
        """An empty answer."""

        def stream(self) -> list[bytes]:
            return [b"{}"]

    def answer(request: Any, **_: Any) -> Any:
        empty: Any = {}
        return botocore.awsrequest.AWSResponse(request.url, 200, empty, Nothing())

    session = boto3.Session(
        aws_access_key_id="warm", aws_secret_access_key="warm", region_name="us-east-1"
    )
    session.events.register("before-send", answer)
    session.resource("dynamodb").Table("t").get_item(Key={"k": "v"})
    session.client("dynamodb").get_item(TableName="t", Key={"k": {"S": "v"}})
    session.client(
        "apigatewaymanagementapi", endpoint_url="https://a.execute-api.us-east-1.amazonaws.com/s"
    ).post_to_connection(ConnectionId="c", Data=b"d")
    session.client("stepfunctions").start_execution(stateMachineArn="arn:aws:states:::m")
    session.client("lambda")
    # A session registers its handlers for 20 ms and looks up region and credentials only when a
    # client is made, so the one that boto3.client() uses may be made here.
    boto3.setup_default_session()


def freeze() -> None:
    """Keep the garbage collector off what is loaded, so that forks go on sharing its pages."""
    gc.collect()
    gc.freeze()


# -- serving ----------------------------------------------------------------------------------


def serve(control: socket.socket, server: int, folder: str) -> Callable[[], NoReturn]:
    """Fork a process for each message.

    Returns:
        Only in a forked process: what it is to do.
    """
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    cloud = os.getppid()

    def terminated(*_: object) -> None:
        kill_all(children)
        # The kernel tells of the cloud's death when its first thread dies, a moment before the
        # process is gone.  Anybody else who sends the signal leaves the cloud its folder.
        deadline = time.monotonic() + 0.5
        while (alive := os.getppid() == cloud) and time.monotonic() < deadline:
            time.sleep(0.002)
        leave("" if alive else folder)

    signal.signal(signal.SIGTERM, terminated)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([control.fileno(), wake], [], [])
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            for pid, code in reap(children):
                send(control, {"pid": pid, "exit": code})
        if control.fileno() in ready:
            message, output = receive(control)
            if message is None:
                kill_all(children)
                leave(folder)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                control.close()
                os.close(wake)
                os.close(woken)
                settle(output, server)
                return lambda: become(message)
            os.close(output)
            children.add(pid)
            send(control, {"id": message["id"], "pid": pid})


def send(control: socket.socket, message: dict[str, Any]) -> None:
    """Send a message to the cloud; if it is gone, the next read says so."""
    data = json.dumps(message).encode()
    with contextlib.suppress(OSError):
        control.sendall(len(data).to_bytes(4, "big") + data)


def receive(control: socket.socket) -> tuple[Any, int]:
    """The cloud's next message and the descriptor beside it; ``None`` when the cloud is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(control, 4, 1)
        if not data:
            return None, -1
        while len(data) < 4:
            data += _some(control, 4 - len(data))
        size = int.from_bytes(data, "big")
        body = b""
        while len(body) < size:
            body += _some(control, size - len(body))
    except (ConnectionError, EOFError):
        return None, -1
    return json.loads(body), descriptors[0]


def _some(control: socket.socket, size: int) -> bytes:
    data = control.recv(size)
    if not data:
        raise EOFError
    return data


def reap(children: set[int]) -> list[tuple[int, int]]:
    """Collect processes that have ended, and end what they leave in their process group.

    Returns:
        Process ids of functions with their exit status; minus the signal if one killed it.
    """
    ended = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid in children:
                children.discard(pid)
                _kill_group(pid)
                ended.append((pid, os.waitstatus_to_exitcode(status)))
    if ended:
        for stray in _own_children() - children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)
    return ended


def kill_all(children: set[int]) -> None:
    """Kill every process there is; returns when they are gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for pid in children:
        _kill_group(pid)
    deadline = time.monotonic() + 2
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            for stray in _own_children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stray, signal.SIGKILL)
            os.waitpid(-1, 0)


def leave(folder: str) -> NoReturn:
    """Remove the folder, if one is named, and exit."""
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _kill_group(pid: int) -> None:
    # Between fork and setsid a child has no group of its own yet.
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _own_children() -> set[int]:
    """This process's children, adopted ones too (Linux; elsewhere nothing is adopted)."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


# -- in the child -----------------------------------------------------------------------------


def settle(output: int, server: int) -> None:
    """Cut the ties to the server: a session of its own, its own output, no descriptor more.

    A session of its own keeps Ctrl-C in a terminal or a kernel away from the function.
    """
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # the server died before the kernel knew what to do then
        os._exit(0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def become(message: dict[str, Any]) -> NoReturn:
    """Become a function's process: its environment, folder and limits, then the runtime."""
    environment: dict[str, str] = message["environment"]
    folder: str = message["folder"]
    runtime = os.path.dirname(os.path.abspath(__file__))
    os.chdir(folder)
    command: list[str] = message["command"]
    if command:
        limit_memory(message["memory"] * MEGABYTE + FRESH_INTERPRETER)
        environment["LABKIT_ENDPOINT"] = message["endpoint"]
        try:
            os.execve(command[0], command, environment)
        except OSError as error:
            print(f"{command[0]} cannot be run: {error.strerror}", flush=True)
            os._exit(1)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    limit_memory(message["memory"] * MEGABYTE + data_size())
    sys.argv[:] = [os.path.join(runtime, "bootstrap.py")]
    import bootstrap  # type: ignore[import-not-found]  # found on this process's path
    import redirect  # type: ignore[import-not-found]

    redirect.install(message["endpoint"])
    bootstrap.prepare(folder, runtime)
    forget_shadowed(folder)
    for name in ("bootstrap", "redirect"):
        # A student's own bootstrap.py must not find this one in its place.
        sys.modules.pop(name, None)
    run: Callable[[], NoReturn] = bootstrap.run
    run()


def limit_memory(size: int) -> None:
    """Limit the data of this process to so many bytes.

    ``RLIMIT_DATA`` counts private writable memory (Linux 4.7 and later).  ``RLIMIT_AS`` would count
    address space as well, of which each thread reserves far more than it uses.  macOS takes the
    limit and does not hold it.
    """
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def data_size() -> int:
    """Bytes of private writable memory that this process has now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return FRESH_INTERPRETER


def forget_shadowed(folder: str) -> None:
    """Unload modules that the package has one of its own of, where AWS would not have them loaded.

    The fork has more of the standard library loaded than AWS's runtime has; a student's
    ``queue.py`` must win over it here as it does there.
    """
    for entry in os.listdir(folder):
        name = entry.removesuffix(".py")
        if name in sys.modules and name not in PRESENT_ON_AWS:
            for loaded in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
                del sys.modules[loaded]


def main() -> NoReturn:
    """Serve until the cloud goes; in a forked process, be the function."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    parent = int(sys.argv[2])
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != parent:
        os._exit(0)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.path.extend(path for path in sys.argv[4:] if path not in sys.path)
    for name in ("bootstrap", "redirect"):
        importlib.import_module(name)
    warm()
    freeze()
    serve(control, os.getpid(), sys.argv[3])()


if __name__ == "__main__":
    main()
