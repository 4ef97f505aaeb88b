"""Nobody is left behind, whoever dies, and functions go on where the cloud does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from labkit.functions.service import MAX_PROCESSES
from tests.fidelity.plugin import Values
from tests.functions.conftest import Account, gone, process_state, running, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ECHO = "def handler(event, context):\n    return event\n"
BUSY = "import time\ndef handler(event, context):\n    time.sleep(600)\n"
FAMILY = """
    import subprocess, sys
    def handler(event, context):
        code = "import time; time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=event)
        print(child.pid, flush=True)
    """


def children_of(parent: int) -> list[int]:
    """A process's children, of all of its threads."""
    files = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for file in files for pid in file.read_text().split()]


def server_of() -> int:
    """The process id of this process's fork server."""
    (server,) = [pid for pid in children_of(os.getpid()) if b"fork_server.py" in command(pid)]
    return server


def exists(path: str | Path) -> bool:
    return Path(path).exists()


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


async def test_nothing_is_left_after_stop(tmp_path: Path) -> None:
    async with running(folder=tmp_path) as account:
        frozen, busy, family = (account.deploy(code) for code in (ECHO, BUSY, FAMILY))
        await account.value(frozen)
        await account.value(family, True)
        call = asyncio.create_task(account.invoke(busy))
        await account.event("function.invoked", busy)
        pids = [account.pids(name)[0] for name in (frozen, busy, family)]
        pids += [int(account.lines(family)[0]), server_of()]
        await account.functions.stop()
        await account.functions.stop()
        assert all(gone(pid) for pid in pids)
        assert (await call).function_error == "Unhandled"


async def test_temporary_folder_is_removed_at_stop() -> None:
    async with running() as account:
        name = account.deploy("def handler(event, context):\n    return __file__\n")
        file = await account.value(name)
        assert exists(file)
    assert not exists(Path(file).parents[3])


async def test_functions_can_start_again_after_stop() -> None:
    async with running() as account:
        name = account.deploy(ECHO)
        await account.value(name)
        await account.functions.stop()
        await account.functions.start()
        assert await account.value(name, 1) == 1


async def test_killed_fork_server_takes_its_children_along_and_is_replaced() -> None:
    async with running() as account:
        frozen, busy, family = (account.deploy(code) for code in (ECHO, BUSY, FAMILY))
        await account.value(frozen)
        await account.value(family, False)
        call = asyncio.create_task(account.error(busy))
        await account.event("function.invoked", busy)
        pids = [account.pids(name)[0] for name in (frozen, busy, family)]
        pids += [int(account.lines(family)[0])]
        server = server_of()
        os.kill(server, signal.SIGKILL)
        await until(lambda: gone(server))
        # No waiting here: the next invocation must not run into a process that is about to die.
        assert await account.value(frozen, "again") == "again"
        assert (await call)["errorMessage"].endswith("signal: killed")
        for pid in pids:
            await until(lambda pid=pid: gone(pid))
        assert any(event.kind == "cloud.error" for event in account.log)


async def test_killed_frozen_process_is_replaced() -> None:
    async with running() as account:
        name = account.deploy(ECHO)
        await account.value(name)
        (pid,) = account.pids(name)
        await until(lambda: process_state(pid) == "T")
        os.kill(pid, signal.SIGKILL)
        ended = await account.event("function.ended", name)
        assert ended["reason"] == "Runtime exited with error: signal: killed"
        assert await account.value(name, 2) == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_is_left_when_the_cloud_dies(tmp_path: Path, how: signal.Signals) -> None:
    here = Path(__file__).parent
    script = f"""
        import asyncio, json, sys
        sys.path[:0] = [{str(here)!r}, {str(here.parent.parent)!r}]
        import conftest

        async def main():
            async with conftest.running() as account:
                frozen, family = (account.deploy(code) for code in ({ECHO!r}, {FAMILY!r}))
                busy = account.deploy({BUSY!r}, timeout=600)
                await account.value(frozen)
                await account.value(family, False)
                call = asyncio.create_task(account.invoke(busy))
                await account.event("function.invoked", busy)
                pids = [account.pids(name)[0] for name in (frozen, busy, family)]
                pids += [int(account.lines(family)[0])]
                await conftest.until(lambda: conftest.process_state(pids[0]) == "T")
                folder = str(account.functions._folder)
                print(json.dumps([pids, folder]), flush=True)
                await asyncio.sleep(600)

        asyncio.run(main())
        """
    file = tmp_path / "cloud.py"
    file.write_text(textwrap.dedent(script))
    cloud = await asyncio.create_subprocess_exec(
        sys.executable, str(file), stdout=asyncio.subprocess.PIPE
    )
    assert cloud.stdout is not None
    pids, folder = json.loads(await asyncio.wait_for(cloud.stdout.readline(), 30))
    assert exists(folder)
    pids += children_of(cloud.pid)
    assert len(pids) == 5
    cloud.send_signal(how)
    await cloud.wait()
    for pid in pids:
        await until(lambda pid=pid: gone(pid))
    assert not exists(folder)


@pytest.mark.behaviour("lambda.invocations.processes")
async def test_bound_of_processes_holds_and_idle_ones_give_way(expected: Values) -> None:
    async with running(max_processes=2) as account:
        names = [account.deploy(ECHO) for _ in range(4)]
        for name in names:
            assert await account.value(name, name) == name
        pids = [account.pids(name)[0] for name in names]
        for pid in pids[:2]:
            await until(lambda pid=pid: gone(pid))
        assert not any(gone(pid) for pid in pids[2:])
        both = await asyncio.gather(*(account.value(names[n % 4], n) for n in range(12)))
        assert both == list(range(12))
    assert expected.most == MAX_PROCESSES


async def test_broken_package_is_refused_at_invocation() -> None:
    async with running() as account:
        name = account.deploy(ECHO, package=b"no zip")
        with pytest.raises(Exception, match="Could not unzip uploaded file"):
            await account.invoke(name)


async def test_log_that_cannot_be_written_does_not_stop_a_function() -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such group")

    account = Account()
    account.functions._writer._write = fail
    await account.functions.start()
    try:
        assert await account.value(account.deploy(ECHO), 1) == 1
        await account.functions._writer.flush()
        assert any(event.kind == "cloud.error" for event in account.log)
    finally:
        await account.functions.stop()
