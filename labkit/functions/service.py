"""Lambda's execution side: ``Invoke``, from the request to the answer.

What happens to an invocation, in order: limits are checked, a process is found or started
(:mod:`~labkit.functions.pool`), the runtime in it gets the event through its Runtime API
(:mod:`~labkit.functions.process`), its answer or its end becomes an
:class:`~labkit.functions.outcome.Outcome`, and the log gets its lines.

Sources: ``Invoke`` in the AWS Lambda API reference; "Lambda quotas", "How Lambda handles errors and
retries with asynchronous invocation" and "Configuring reserved concurrency for a function" in the
developer guide.

Not emulated: dead-letter queues, destinations and maximum event age; aliases that divide invocations
between two versions; SnapStart and provisioned concurrency; layers; a ``/tmp`` of each process's own; the
``INIT_START`` line of the log.  A function has the memory it asks for on top of what the runtime
itself needs (AWS counts the runtime in), so that 128 MB are enough for boto3 here as they are there.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labkit.clock import Clock
from labkit.errors import AwsError, EnvironmentProblem
from labkit.eventlog import EventLog
from labkit.faults import Action, Fault, Faults
from labkit.functions import outcome as outcomes
from labkit.functions.environment import log_group, variables
from labkit.functions.forks import POSIX, ForkServer, Job, Starter, Subprocesses
from labkit.functions.log_stream import LogStream, LogWriter, WriteLogs, stream_name, tail
from labkit.functions.model import FunctionConfiguration, Invocation
from labkit.functions.outcome import Outcome
from labkit.functions.package import brings_sdk, unpack
from labkit.functions.permission import allows, refusal
from labkit.functions.pool import INIT_SECONDS, Pool, Start
from labkit.functions.process import Output, Process, Running
from labkit.functions.program import program
from labkit.functions.runtime_api import Event, event_arn
from labkit.trace import Trace
from labkit.wire import LOCAL_ACCOUNT

MAX_PAYLOAD = {"RequestResponse": 6_291_456, "Event": 1_048_576, "DryRun": 6_291_456}
"""Bytes of an event, by invocation type: 6 MB, and 1 MB for asynchronous invocations."""

RETRY_SECONDS = (60.0, 120.0)
"""Pauses before the two retries of an asynchronous invocation that ended in a function error."""

THROTTLED_SECONDS = (1.0, 300.0)
"""An asynchronous invocation that is throttled is tried again after 1 second, doubling up to 5
minutes."""

THROTTLED_LONGEST = 6 * 3600.0
"""… for up to 6 hours."""

MAX_PROCESSES = 32
"""Processes of all functions together.  Some 15 MB each beside what they share."""


@dataclass(frozen=True, slots=True)
class _Invoke:
    """One invocation that Lambda has accepted."""

    function: FunctionConfiguration
    payload: bytes
    arn: str
    trace: Trace
    request_id: str
    client_context: str | None
    begun: asyncio.Event = field(default_factory=asyncio.Event)


class Functions:
    """Runs functions.  All of it belongs to one asyncio loop.

    Args:
        log: where ``function.*`` events are written.
        faults: asked at ``function.invoke``.
        configuration: ``(reference, account, region)`` to the function as it is deployed now.
        endpoint: the local cloud's address, known when the first function runs.
        write_logs: writes to CloudWatch Logs; called in a thread.
        credentials: ``(account, role)`` to ``AWS_ACCESS_KEY_ID`` and so on for the function.
        folder: where packages are unpacked; a temporary folder, removed at stop, by default.
        max_processes: how many processes run at a time.
        clock: scales the pauses of asynchronous retries, nothing else.
        init_seconds: how long initialisation may take, 10 seconds as on AWS by default.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        faults: Faults,
        configuration: Callable[[str, str, str], FunctionConfiguration | None],
        endpoint: Callable[[], str],
        write_logs: WriteLogs,
        credentials: Callable[[str, str], Mapping[str, str]],
        folder: Path | None = None,
        max_processes: int = MAX_PROCESSES,
        clock: Clock | None = None,
        init_seconds: float = INIT_SECONDS,
    ) -> None:
        self._log = log
        self._faults = faults
        self._configuration = configuration
        self._endpoint = endpoint
        self._credentials = credentials
        self._given_folder = folder
        self._max_processes = max_processes
        self._clock = clock or Clock()
        self._init_seconds = init_seconds
        self._writer = LogWriter(write_logs)
        self._writer.problem = self._log_problem
        self._folder: Path | None = None
        self._starter: Starter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._pools: dict[tuple[str, str, str], Pool] = {}
        self._unpacking: dict[Path, asyncio.Task[bool]] = {}
        self._in_flight: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Get ready; what takes time goes on in the background."""
        self._ready().start()

    def _ready(self) -> Starter:
        if self._starter is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            self._stopping = False
            self._folder = self._given_folder or Path(tempfile.mkdtemp(prefix="labkit-"))
            (self._home / ".aws").mkdir(parents=True, exist_ok=True)
            temporary = self._given_folder is None
            self._starter = (
                ForkServer(self._folder, self._server_died, temporary=temporary)
                if POSIX
                else Subprocesses()
            )
        return self._starter

    @property
    def _root(self) -> Path:
        assert self._folder is not None
        return self._folder

    @property
    def _home(self) -> Path:
        return self._root / "home"

    async def stop(self) -> None:
        """End every process, write what is left of the logs, remove the folder.  Idempotent."""
        starter, self._starter = self._starter, None
        if starter is None:
            return
        self._stopping = True
        for pool in list(self._pools.values()):
            pool.close()
        await starter.stop()
        for task in list(self._tasks):
            # An invocation has its outcome by now; a retry that waits is given up.
            task.cancel()
        await asyncio.gather(*self._tasks, *self._unpacking.values(), return_exceptions=True)
        self._pools.clear()
        self._unpacking.clear()
        await self._writer.flush()
        if self._given_folder is None:
            await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)

    def changed(self, arn: str) -> None:
        """Note that a function's code or configuration has changed, or that it is gone.

        Processes of what it was finish their invocation and end.  Any thread may call this.

        Args:
            arn: the function's ARN, without a version.
        """
        if self._loop is None or self._stopping:
            return
        if threading.get_ident() == self._thread:
            self._retire_old(arn)
        else:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._retire_old, arn)

    def _retire_old(self, arn: str) -> None:
        pools = [pool for pool in self._pools.values() if pool.function.arn == arn]
        if not pools:
            return
        of = pools[0].function
        now = self._configuration(arn, of.account, of.region)
        for pool in pools:
            if now is None or pool.function.revision != now.revision:
                pool.retire()
                self._forget(pool)

    # -- invoking -----------------------------------------------------------------------------

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        invocation_type: str = "RequestResponse",
        log_type: str = "None",
        trace: Trace | None = None,
        account: str = LOCAL_ACCOUNT,
        region: str = "us-east-1",
        client_context: str | None = None,
        source_arn: str = "",
    ) -> Invocation:
        """Run a function, as ``Invoke`` does.

        Cancelling the call does not end the function: on AWS, too, it runs on when the caller has
        gone.  One that still waits for a process never begins (our choice; on AWS none waits): it would
        only take the place of what somebody waits for.

        Args:
            function: name, partial ARN or ARN, with or without a qualifier.
            payload: the event, JSON; empty is ``{}``.
            invocation_type: ``RequestResponse``, ``Event`` or ``DryRun``.
            log_type: ``Tail`` for the end of the log.
            trace: the trace that the call belongs to.
            account: the caller's account.
            region: where the function is looked for if ``function`` does not say.
            client_context: as ``X-Amz-Client-Context``: JSON in base64.
            source_arn: what of an API invokes the function by its resource-based policy; empty for a
                caller with credentials, whose own policies are not enforced.

        Raises:
            AwsError: ``ResourceNotFoundException`` 404, ``RequestTooLargeException`` 413,
                ``InvalidRequestContentException`` 400, ``InvalidParameterValueException`` 400,
                ``TooManyRequestsException`` 429, ``ServiceException`` 500,
                ``AccessDeniedException`` 403.
        """
        configuration = self._configuration(function, account, region)
        if configuration is None:
            raise _not_found(function, account, region)
        arn = event_arn(configuration, function)
        if source_arn and not allows(configuration.policy, arn, source_arn):
            why = refusal(configuration.policy, arn, source_arn)
            self._log.append("cloud.warning", trace, message=why)
            raise AwsError("AccessDeniedException", why, 403)
        event = _checked(payload, invocation_type)
        if invocation_type == "DryRun":
            return Invocation(204, version=configuration.version, request_id=str(uuid.uuid4()))
        invoke = _Invoke(
            configuration,
            event,
            arn,
            trace or Trace.new(),
            str(uuid.uuid4()),
            _client_context(client_context),
        )
        if invocation_type == "Event":
            self._background(self._run_asynchronously(invoke))
            return Invocation(202, version=configuration.version, request_id=invoke.request_id)
        running = self._background(self._run(invoke, log_type))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if not invoke.begun.is_set():
                running.cancel()
            raise

    def _background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it has it; nobody may

    async def _run(self, invoke: _Invoke, log_type: str = "None") -> Invocation:
        function = invoke.function
        reserved = function.reserved_concurrency
        if reserved is not None and self._in_flight[function.arn] >= reserved:
            raise _throttled()
        self._in_flight[function.arn] += 1
        try:
            kill = await self._strike(invoke)
            return await self._serve(invoke, log_type, kill)
        finally:
            self._in_flight[function.arn] -= 1
            if not self._in_flight[function.arn]:
                del self._in_flight[function.arn]

    async def _strike(self, invoke: _Invoke) -> bool:
        """Let a fault that is set strike; returns whether the process is to be killed."""
        name = invoke.function.name
        fault: Fault | None = self._faults.strike("function.invoke", invoke.trace, function=name)
        if fault is None:
            return False
        match fault.action:
            case Action.DELAY:
                await asyncio.sleep(fault.seconds)
            case Action.THROTTLE:
                raise _throttled()
            case Action.ERROR:
                raise AwsError(fault.code, "A fault that was set struck here.", fault.status)
            case Action.DUPLICATE:
                self._background(self._serve(invoke, "None", kill=False))
            case _:
                pass
        return fault.action is Action.KILL

    async def _serve(self, invoke: _Invoke, log_type: str, kill: bool) -> Invocation:
        function = invoke.function
        pool = self._pool(function)
        process = await pool.acquire(invoke.trace)
        invoke.begun.set()
        cold = process.served == 0
        invoked = self._log.append(
            "function.invoked",
            invoke.trace,
            function=function.name,
            request=invoke.request_id,
            cold=cold,
        )
        trace = invoke.trace.after(invoked.seq)
        event = Event(
            invoke.request_id, invoke.payload, invoke.arn, trace.header, invoke.client_context
        )
        if process.failure is not None:
            running = self._not_initialised(pool, process, event, trace)
        else:
            start = outcomes.start_line(invoke.request_id, function.version)
            before = [*process.init_lines, start]
            self._writer.add(process.stream, [start])
            running = process.invoke(event, trace, function.timeout)
            running.lines[:0] = before if cold else [start]
            if kill:
                process.end("fault")
        outcome = await running.outcome
        return Invocation(
            200,
            outcome.payload,
            None if outcome.error is None else "Unhandled",
            tail(running.lines) if log_type == "Tail" else b"",
            function.version,
            invoke.request_id,
        )

    def _not_initialised(self, pool: Pool, process: Process, event: Event, trace: Trace) -> Running:
        """An invocation whose process could not be initialised: it fails with what went wrong."""
        assert process.failure is not None
        outcome = process.failure(event.request_id)
        running = Running(event, trace, process.began, asyncio.get_running_loop().create_future())
        start = outcomes.start_line(event.request_id, pool.function.version)
        running.lines += [*process.init_lines, start]
        self._writer.add(process.stream, [start])
        self._over(pool, process, running, outcome)
        running.outcome.set_result(outcome)
        return running

    async def _run_asynchronously(self, invoke: _Invoke) -> None:
        """Run an invocation of type Event, again if it fails, as AWS does.

        "Lambda retries function errors twice: one minute between the first two attempts, two
        minutes between the second and the third"; throttles are tried again for up to six hours.
        """
        pauses = iter(RETRY_SECONDS)
        throttled_for, pause = 0.0, THROTTLED_SECONDS[0]
        while not self._stopping:
            try:
                result = await self._run(invoke)
            except AwsError as error:
                if error.status < 429 or throttled_for >= THROTTLED_LONGEST:
                    return
                await self._clock.sleep(pause)
                throttled_for += pause
                pause = min(2 * pause, THROTTLED_SECONDS[1])
            else:
                seconds = next(pauses, None)
                if result.function_error is None or seconds is None:
                    return
                await self._clock.sleep(seconds)
            # The next attempt runs what is deployed then.
            of = invoke.function
            function = self._configuration(invoke.arn, of.account, of.region)
            if function is None:
                return
            invoke = replace(invoke, function=function)

    # -- processes ----------------------------------------------------------------------------

    def _pool(self, function: FunctionConfiguration) -> Pool:
        key = (function.arn, function.version, function.revision)
        pool = self._pools.get(key)
        if pool is None:
            for old_key, old in list(self._pools.items()):
                if old_key[:2] == key[:2]:
                    old.retire()
                    self._forget(old)
            pool = self._pools[key] = Pool(
                function, self._launch, self._room, self._check, self._init_seconds
            )
        return pool

    def _forget(self, pool: Pool) -> None:
        """Let go of a pool that has been replaced, and of its folder, once nothing runs there."""
        function = pool.function
        key = (function.arn, function.version, function.revision)
        if pool.retired and pool.unused and self._pools.get(key) is pool and not self._stopping:
            del self._pools[key]
            folder = self._package_folder(function)
            if self._unpacking.pop(folder, None) is not None:
                self._background(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def _check(self) -> None:
        """Notice at once what has happened to processes while nothing ran."""
        self._ready().check()

    def _room(self, pool: Pool) -> bool:
        """Whether one more process may run; one that idles elsewhere gives way."""
        if sum(each.size for each in self._pools.values()) < self._max_processes:
            return True
        others = (each for each in self._pools.values() if each is not pool)
        return any(each.evict() for each in others)

    async def _launch(self, pool: Pool, start: Start) -> Process:
        """Start a process of a function."""
        function = pool.function
        try:
            own_sdk = await self._unpacked(function)
            return await self._spawn(pool, own_sdk, start)
        except (OSError, EnvironmentProblem) as error:
            self._log.append(
                "cloud.error",
                start.trace,
                message=f"A process of the function {function.name} cannot be started.",
                detail=str(error),
            )
            raise AwsError("ServiceException", str(error), 500) from error

    async def _spawn(self, pool: Pool, own_sdk: bool, start: Start) -> Process:
        function = pool.function
        name = stream_name(function.version, time.time())
        stream = LogStream(function.account, function.region, log_group(function), name)
        process = Process(
            stream,
            on_ready=pool.offer,
            on_lines=lambda process, lines: self._lines(pool, process, lines, start.trace),
            on_outcome=lambda *arguments: self._over(pool, *arguments),
            on_end=lambda process, reason: self._ended(pool, process, reason),
        )
        output = Output()
        try:
            address = await process.listen()
            task_root = str(self._package_folder(function))
            # It may have to wait for other calls of the control plane, so not on the loop.
            credentials = await asyncio.to_thread(
                self._credentials, function.account, function.role
            )
            environment = variables(
                function,
                task_root=task_root,
                home=str(self._home),
                runtime_api=address,
                log_stream=name,
                credentials=credentials,
            )
            if function.brings_runtime:  # its SDK may be another than Python's
                environment.setdefault("AWS_ENDPOINT_URL", self._endpoint())
            command = program(function, task_root=task_root, brings_sdk=own_sdk)
            job = Job(task_root, environment, self._endpoint(), function.memory, command)
            child = await self._ready().spawn(job, output.target)
        except BaseException:
            process.abandon()
            output.close()
            raise
        self._log.append("function.started", start.trace, function=function.name, pid=child.pid)
        pool.launching(process, start)
        process.run(child, output, start.init_seconds)
        return process

    def _package_folder(self, function: FunctionConfiguration) -> Path:
        revision = f"{function.arn}\n{function.version}\n{function.revision}"
        return (
            self._root
            / "packages"
            / function.name
            / hashlib.sha256(revision.encode()).hexdigest()[:16]
        )

    async def _unpacked(self, function: FunctionConfiguration) -> bool:
        """Unpack a function's package, once; returns whether it brings an SDK of its own."""
        folder = self._package_folder(function)
        task = self._unpacking.get(folder)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            (self._home / ".aws" / "endpoint").write_text(self._endpoint(), encoding="utf-8")

            def work() -> bool:
                if not folder.exists():
                    unpack(function.package, folder)
                return brings_sdk(function.package)

            task = asyncio.get_running_loop().create_task(asyncio.to_thread(work))
            self._unpacking[folder] = task
        return await asyncio.shield(task)

    # -- what processes tell ------------------------------------------------------------------

    def _lines(self, pool: Pool, process: Process, lines: list[str], started: Trace | None) -> None:
        running = process.running
        request, trace = "", started if process.served == 0 else None
        if running is not None:
            request, trace = running.event.request_id, running.trace
            running.lines += lines
        elif process.served == 0:
            process.init_lines += lines
        self._writer.add(process.stream, lines)
        name = pool.function.name
        for line in lines:
            self._log.append("function.log", trace, function=name, request=request, line=line)

    def _over(self, pool: Pool, process: Process, running: Running, outcome: Outcome) -> None:
        function, request_id = pool.function, running.event.request_id
        lines = []
        if outcome.line:
            lines.append(outcome.line.replace("\r", "\n"))
            self._log.append(
                "function.log",
                running.trace,
                function=function.name,
                request=request_id,
                line=lines[0],
            )
        first = process.served <= 1 and process.init_ms is not None
        init_ms = process.init_ms if first else None
        lines.append(outcomes.end_line(request_id))
        lines.append(
            outcomes.report_line(
                request_id,
                outcome,
                duration=running.duration_ms,
                init=init_ms,
                memory=function.memory,
                used=process.used_memory(),
            )
        )
        running.lines += lines
        self._writer.add(process.stream, lines)
        self._log.append(
            "function.returned",
            running.trace,
            function=function.name,
            request=request_id,
            durationMs=round(running.duration_ms, 3),
            initMs=None if init_ms is None else round(init_ms, 3),
            error=outcome.error,
        )

    def _ended(self, pool: Pool, process: Process, reason: str) -> None:
        pid = process.child.pid if process.child is not None else None
        self._log.append("function.ended", function=pool.function.name, pid=pid, reason=reason)
        if not self._stopping:
            pool.ended(process)
            self._forget(pool)

    def _server_died(self, message: str, detail: str) -> None:
        self._log.append("cloud.error", message=message, detail=detail)

    def _log_problem(self, error: Exception) -> None:
        self._log.append(
            "cloud.error", message="A function's log could not be written.", detail=repr(error)
        )


# -- rules of Invoke --------------------------------------------------------------------------


def _checked(payload: bytes, invocation_type: str) -> bytes:
    """The event of an invocation; an empty payload is ``{}``."""
    limit = MAX_PAYLOAD.get(invocation_type)
    if limit is None:
        raise AwsError(
            "InvalidParameterValueException",
            f"{invocation_type!r} is no invocation type; valid are {', '.join(MAX_PAYLOAD)}.",
        )
    if len(payload) > limit:
        raise AwsError(
            "RequestTooLargeException",
            f"{len(payload)} byte payload is too large for the {invocation_type} invocation type "
            f"(limit {limit} bytes)",
            413,
            Type="User",
        )
    if not payload:
        return b"{}"
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise AwsError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
            Type="User",
        ) from error
    return payload


def _client_context(sent: str | None) -> str | None:
    """The caller's ``ClientContext`` as the runtime gets it: JSON, on one line, in ASCII."""
    if not sent:
        return None
    try:
        return json.dumps(json.loads(base64.b64decode(sent, validate=True)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise AwsError(
            "InvalidRequestContentException", f"Client context must be JSON in base64: {error}"
        ) from error


def _not_found(reference: str, account: str, region: str) -> AwsError:
    arn = reference
    if not reference.startswith("arn:"):
        name = reference.rpartition("function:")[2]
        arn = f"arn:aws:lambda:{region}:{account}:function:{name}"
    return AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404, Type="User")


def _throttled() -> AwsError:
    return AwsError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        429,
        Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
        Type="User",
    )
