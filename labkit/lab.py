"""``Lab``: what a notebook uses.

    from labkit import Lab
    lab = Lab.start()

starts the local cloud on a thread of this process, or attaches to the one that ``LABKIT_ENDPOINT``
names, and sends every AWS call of this process there.  A cell may call it again and again: the lab
that runs is the answer.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from labkit.errors import EnvironmentProblem, LabError
from labkit.eventlog import Event, EventLog
from labkit.faults import Faults
from labkit.origin import Origins
from labkit.proxy import base_path, origins
from labkit.runtime import redirect
from labkit.unfinished import Unfinished

if TYPE_CHECKING:
    from labkit.views.show import Show
    from labkit.views.view import View

ENDPOINT_VARIABLE = "LABKIT_ENDPOINT"
DEFAULT_REGION = "us-east-1"


class _Engine(Protocol):
    """A cloud that answers: in this process, or attached."""

    @property
    def endpoint(self) -> str: ...
    @property
    def log(self) -> EventLog: ...
    @property
    def faults(self) -> Faults: ...
    def close(self) -> None: ...


class Lab:
    """The running lab.  Made by :meth:`start`.

    Attributes:
        endpoint: the local cloud's address, ``http://127.0.0.1:N``.
        log: the event log.
        faults: fault injection.
    """

    _running: Lab | None = None
    _registered = False
    _starting = threading.RLock()

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self.endpoint = engine.endpoint
        self.log = engine.log
        self.faults = engine.faults
        self._show: Show | None = None
        self._environment = _changed_environment(self.endpoint)
        redirect.install(self.endpoint)

    @classmethod
    def start(
        cls,
        *,
        port: int = 0,
        speed: float = 1.0,
        seed: int | None = None,
        target: str = "local",
        allow_origins: Iterable[str] = (),
    ) -> Lab:
        """Start the lab, or return the one that runs.

        Args:
            port: loopback port; 0 lets the system choose.
            speed: how many seconds of AWS's own timers (Wait, Retry, time-outs of states, idle and
                duration limits of connections) pass in one real second.
            seed: makes AWS's ids the same in each run.
            target: ``"local"``; running on an account comes later.
            allow_origins: web pages that may use the local cloud beside those of this machine, by
                origin: ``["https://hub.example.com"]``.  Those that ``LABKIT_ALLOW_ORIGINS`` names,
                with commas between, may too, and a JupyterHub that has told its address.  For a cloud
                in another process, ``labkit serve --allow-origin`` says it.

        Raises:
            EnvironmentProblem: the port is taken, or the cloud that ``LABKIT_ENDPOINT`` names does
                not answer.
            LabError: the target is not known.
            ValueError: one of ``allow_origins`` is no origin.
        """
        if target != "local":
            raise LabError(f"target={target!r} is not there yet; Lab.start() runs on this machine.")
        with cls._starting:
            if cls._running is None:
                named = os.environ.get(ENDPOINT_VARIABLE)
                cls._running = cls(
                    _attach(named)
                    if named
                    else CloudThread(port, speed, seed, Origins([*allow_origins, *origins()]))
                )
                cls._stop_at_exit()
                _show_the_log_in_cells()
            return cls._running

    @classmethod
    def current(cls) -> Lab | None:
        """The lab that runs, or ``None``."""
        return cls._running

    @classmethod
    def _stop_at_exit(cls) -> None:
        """Stop before the interpreter takes its threads away, which ``atexit`` is too late for."""
        if not cls._registered:
            cls._registered = True
            register = getattr(threading, "_register_atexit", atexit.register)
            register(lambda: cls._running.stop() if cls._running else None)

    def stop(self) -> None:
        """Stop the lab and everything in it; a second call does nothing.

        An attached lab only lets go: the cloud goes on.
        """
        with Lab._starting:
            if Lab._running is not self:
                return
            Lab._running = None
            if self._show is not None:
                self._show.close()
            redirect.uninstall()
            _restore_environment(self._environment)
            self._engine.close()

    @property
    def show(self) -> Show:
        """The views of what happens (:mod:`labkit.views.show`)."""
        if self._show is None:
            from labkit.views.show import Show

            self._show = Show(self.log, self.faults)
        return self._show

    def browser_client(self, orders_url: str) -> View:
        """The pattern's client as a web page: a link to it, through JupyterLab too.

        Args:
            orders_url: where it posts orders to.

        Raises:
            LabError: that is no address of an HTTP API.
        """
        from labkit.views.browser_client import browser_client

        return browser_client(self.endpoint, orders_url, base_path())

    def settle(self, timeout: float = 30.0) -> None:
        """Wait until everything has ended that has begun: functions, messages, executions.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: something still runs; the message says what.
        """
        unfinished = Unfinished()

        def ended() -> bool:
            unfinished.take(self.log.after(unfinished.seen))
            return not unfinished

        try:
            self.log.wait_until(ended, timeout=timeout)
        except TimeoutError:
            raise TimeoutError(
                f"Not everything has ended within {timeout:g} s: {unfinished}."
            ) from None

    @property
    def is_running(self) -> bool:
        """Whether this lab is the one that runs."""
        return Lab._running is self

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<Lab {state} at {self.endpoint}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What IPython shows when the lab is the last line of a cell."""
        from labkit.views.cards import lab_card

        view = lab_card(repr(self), self.endpoint, self.is_running, self.log)
        return view._repr_mimebundle_()


def _show_the_log_in_cells() -> None:
    """Have IPython show the log, its events and the faults as views, if this is a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        register_cards(shell.display_formatter.mimebundle_formatter)


def register_cards(formatter: Any) -> None:
    """Tell IPython how the lab's own objects look; views are loaded when one is shown.

    Args:
        formatter: IPython's formatter of MIME bundles.
    """

    def bundle(shown: Any, **_: Any) -> dict[str, str]:
        from labkit.views.cards import card

        return card(shown)._repr_mimebundle_()

    def order(shown: Any, **_: Any) -> dict[str, str]:
        from labkit.views.cards import order_card

        return order_card(shown, Lab._running.log if Lab._running else ())._repr_mimebundle_()

    def system(shown: Any, **_: Any) -> dict[str, str]:
        from labkit.views.cards import system_card

        return system_card(shown)._repr_mimebundle_()

    for kind in (Event, EventLog, Faults):
        formatter.for_type(kind, bundle)
    formatter.for_type_by_name("labkit.pattern.client", "Placed", order)
    formatter.for_type_by_name("labkit.pattern.build", "System", system)
    formatter.for_type_by_name("labkit.course.system", "System", system)


def _attach(endpoint: str) -> _Engine:
    from labkit.attached import AttachedCloud

    return AttachedCloud(endpoint)


class CloudThread:
    """A local cloud with its loop on a thread of this process.

    The thread is no daemon's errand: :meth:`close` ends it, and the interpreter's exit calls that.

    Raises:
        EnvironmentProblem: the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        speed: float = 1.0,
        seed: int | None = None,
        origins: Origins | None = None,
    ) -> None:
        from labkit.cloud import Cloud

        self._cloud = Cloud(port=port, speed=speed, seed=seed, origins=origins)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="labkit-cloud", daemon=True
        )
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._cloud.start(), self._loop).result()
        except OSError as error:
            self._end_loop()
            raise EnvironmentProblem(
                f"The local cloud cannot listen on port {port} ({os.strerror(error.errno or 0)}). "
                "Another program has it: choose another port, or 0 for any free one."
            ) from error
        except BaseException:
            self._end_loop()
            raise

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:N``."""
        return self._cloud.endpoint

    @property
    def log(self) -> EventLog:
        """The event log."""
        return self._cloud.log

    @property
    def faults(self) -> Faults:
        """Fault injection."""
        return self._cloud.faults

    def close(self) -> None:
        """Stop the cloud and end the thread."""
        try:
            asyncio.run_coroutine_threadsafe(self._cloud.stop(), self._loop).result(timeout=15)
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()


# -- the process's environment -------------------------------------------------------------------


def _changed_environment(endpoint: str) -> Mapping[str, str | None]:
    """Set what programs started from a cell (``!aws …``) need to stay on this machine.

    Returns:
        The variables as they were.
    """
    no_proxy = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = [host for host in no_proxy.split(",") if host]
    reached = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))
    wanted = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": redirect.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": redirect.SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        # StartSyncExecution would be sent to the host sync-127.0.0.1.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION")
        or os.environ.get("AWS_REGION")
        or DEFAULT_REGION,
        "NO_PROXY": reached,
        "no_proxy": reached,
    }
    before: dict[str, str | None] = {name: os.environ.get(name) for name in wanted}
    before["AWS_SESSION_TOKEN"] = os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ.update(wanted)
    return before


def _restore_environment(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def running(*, speed: float = 1.0, seed: int | None = None) -> Iterator[Lab]:
    """The lab for the length of a ``with`` block, stopped only if the block started it."""
    started = Lab._running is None
    lab = Lab.start(speed=speed, seed=seed)
    try:
        yield lab
    finally:
        if started:
            lab.stop()
