"""AWS's control planes and data stores, by moto: the only module that touches moto.

moto keeps the state of DynamoDB, Lambda, API Gateway, IAM, Logs and a hundred other services in the
process, and answers their wire formats.  :class:`Backend` calls moto's own request handlers
directly: botocore is not patched, the ``responses`` library stays off, and no credentials are
touched.

moto is not thread-safe: two of four writers can win the same ``attribute_not_exists``.  One lock
serialises every call.  One for all services rather than one for each, because moto's services call
each other behind our back (Lambda asks IAM, Logs calls Lambda, S3 calls SNS), and because moto is
pure Python: the interpreter runs one call at a time in any case.  A function that runs, and a
state machine that waits, holds no lock.

Step Functions is moto's interpreter of the States Language with :data:`REPLACEMENTS`: one table of
what is put in the place of which part of moto, and why.

Not emulated here: what moto itself lacks.  It is answered with ``NotImplemented`` (501) and a
sentence that says so.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import copy
import functools
import hashlib
import importlib
import inspect
import io
import json
import logging
import os
import re
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
import botocore.session
import moto.backend_index
import moto.backends
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.core.request import Request
from moto.iam.models import get_account_id_from
from moto.moto_api._internal import mock_random
from werkzeug.exceptions import HTTPException

from labkit import request_form
from labkit.address import access_key as signed_by
from labkit.apigateway import model
from labkit.apigateway.api_key import ApiKey
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog, item_copy, shorten
from labkit.faults import Action, Faults
from labkit.functions.model import FunctionConfiguration
from labkit.states import (
    api_call,
    definition,
    emulated,
    errors,
    express,
    history,
    json_text,
    jsonata,
    parameters,
    redrive,
    resources,
    retention,
    running,
    sdk_metadata,
)
from labkit.states.json_copy import json_copy
from labkit.trace import HEADER, Trace
from labkit.wire import LOCAL_ACCOUNT, AwsRequest, AwsResponse, Headers

THREADS = 32
"""Threads, at most, that make calls for the event loop.  One works at a time; the others may wait,
for the lock or in SQS's long polling, which holds no lock."""

QUICK = frozenset(
    f"DynamoDB_20120810.{operation}"
    for operation in ("GetItem", "PutItem", "UpdateItem", "DeleteItem")
)
"""Calls that are made in the event loop's own thread if nothing else is under way."""

WAITING = frozenset({"AWSStepFunctions.StartSyncExecution"})
"""Calls that are answered when an execution has ended, which needs other calls to be answered."""

WAITING_THREADS = 1_000
"""Threads, at most, for such calls."""

POLL = 0.02
"""Seconds between two looks into an empty queue."""

LONGEST_END = 2.0
"""Seconds that :meth:`Backend.close` waits for the threads of executions.  One that waits for a
function's answer ends with the function."""

SAMPLE = {
    "StartAt": "A",
    "States": {
        "A": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "f", "Payload.$": "$"},
            "ResultPath": "$.a",
            "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}],
            "Next": "B",
        },
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "C"}]},
        "C": {"Type": "Succeed"},
    },
}
"""A definition that takes the grammar's tables through their first, slow use."""

AMAZON_HOST = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")


T = TypeVar("T")


class CallApi(Protocol):
    """How the task ``apigateway:invoke`` reaches an API, blocking."""

    def __call__(
        self,
        host: str,
        path: str,
        method: str,
        query: str,
        headers: Headers,
        body: bytes,
        trace: Trace | None,
    ) -> AwsResponse:
        """Send a request to ``https://{host}{path}?{query}`` and return the answer."""
        ...


class Backend:
    """Every AWS service that moto has, in this process.

    moto's state belongs to the process, so there is one backend at a time; a new one begins empty.

    Args:
        log: where executions and faults are written.
        faults: the fault seam (steps ``state.enter`` and ``state.wait``).
        clock: how fast Wait, Retry and timeouts run.
        endpoint: the local cloud's own address, ``http://127.0.0.1:N``, once it is known.
        dispatch: answers a call that a state machine makes (Lambda's Invoke, DynamoDB's PutItem);
            called in an interpreter's thread, may block.
        call_api: answers a state machine's call to an API (``apigateway:invoke``); blocking too.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        faults: Faults,
        clock: Clock,
        endpoint: Callable[[], str] | None = None,
        dispatch: Callable[[AwsRequest], AwsResponse] | None = None,
        call_api: CallApi | None = None,
    ) -> None:
        self._log = log
        self._faults = faults
        self._clock = clock
        self._endpoint = endpoint
        self._dispatch = dispatch or self.call
        self._call_api = call_api
        self._lock = threading.RLock()
        self._closed = False
        self._runs: dict[str, running.Run] = {}
        self._written: dict[int, tuple[Any, Any, Any]] = {}
        self._making = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._handlers: dict[str, list[tuple[re.Pattern[str], Callable[..., Any]]]] = {}
        self._functions: dict[tuple[str, str, str], FunctionConfiguration | None] = {}
        self._credentials: dict[tuple[str, str], dict[str, str]] = {}
        self._accounts: dict[str, str] = {"": LOCAL_ACCOUNT}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="labkit-moto")
        self._waiting = ThreadPoolExecutor(WAITING_THREADS, thread_name_prefix="labkit-waiting")
        global _here
        _here = self
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        _replace("moto.core")
        self.reset()

    # Calls

    def call(self, request: AwsRequest) -> AwsResponse:
        """Answer one AWS call.

        Args:
            request: the call.  The account is the one that the access key in ``Authorization``
                belongs to, :data:`~labkit.wire.LOCAL_ACCOUNT` if it is unknown, as in moto.

        Returns:
            The service's answer.  An error of AWS's is an answer, too; nothing is raised.
        """
        try:
            return self._call(request)
        except AwsError as error:
            return _error(request, error)
        except NotImplementedError as error:
            message = (
                f"The local cloud does not emulate this call to {request.service} "
                f"({str(error) or request.operation or request.path}). It works on AWS only."
            )
            self._log.append("cloud.warning", request.trace, message=message)
            return _error(request, AwsError("NotImplemented", message, 501))
        except Exception as error:
            wrong = request_form.problem(request)
            if wrong is not None:
                return _error(request, wrong)
            what = request.operation or f"{request.method} {request.path}"
            message = f"The local cloud failed at {request.service} {what}: {error!r}"
            self._log.append("cloud.error", request.trace, message=message, detail=_where(error))
            return _error(request, AwsError("InternalFailure", message, 500))

    async def answer(self, request: AwsRequest) -> AwsResponse:
        """:meth:`call`, from the event loop and without holding it up."""
        if self._is_quick(request) and self._lock.acquire(blocking=False):
            try:
                return self.call(request)
            finally:
                self._lock.release()
        waits = request.headers.get("X-Amz-Target") in WAITING
        threads = self._waiting if waits else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, self.call, request)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    @contextlib.contextmanager
    def giving_way(self) -> Iterator[None]:
        """Let other calls through; for a call that waits for one of them."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()

    def _is_quick(self, request: AwsRequest) -> bool:
        """Whether a call takes less than the way to another thread and back, about half a ms."""
        return (
            request.headers.get("X-Amz-Target") in QUICK
            and f"dynamodb.{request.region}.amazonaws.com" in self._handlers
        )

    def _call(self, request: AwsRequest) -> AwsResponse:
        host = request.headers.get("Host", "").partition(":")[0]
        if not AMAZON_HOST.search(host):
            host = f"{request.service}.{request.region}.amazonaws.com"
        host = host.removeprefix("sync-")  # StartSyncExecution has a host of its own
        url = f"https://{host}{request.path}"
        handler = self._handler(host, url)
        if request.query:
            url = f"{url}?{request.query}"
        # moto would look the account up in all accounts, and not find one that was removed.
        account = self.account(signed_by(request.headers))
        moto_request = Request.from_primitives(
            request.method,
            url,
            {**request.headers, "Host": host, "x-moto-account-id": account},
            request.body,
        )
        _caller.set(request.trace)
        with self._lock:
            try:
                status, headers, body = handler(moto_request, url, moto_request.headers)
            except HTTPException as error:
                status, body = error.code or 500, error.get_body()
                headers = dict(error.get_headers())
            if request.service in ("lambda", "cloudformation") and request.method != "GET":
                self._functions.clear()
            if self._written:
                self._tell_written(request.trace)
        sent = Headers((name, str(value)) for name, value in headers.items() if name != "status")
        return AwsResponse(int(status), sent, body.encode() if isinstance(body, str) else body)

    def _handler(self, host: str, url: str) -> Callable[..., Any]:
        for pattern, handler in self._handlers.get(host) or self._find(host):
            if pattern.match(url):
                return handler
        raise NotImplementedError(f"no handler for {url}")

    def _find(self, host: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
        with self._lock:
            found = self._handlers[host] = _handlers(host)
            return found

    # DynamoDB

    def wrote(self, table: Any, item: Any, attributes: Any) -> None:
        """Note what a call has written; the log gets it when the call is done.

        A call may write an item in two steps, so each is noted once, as it is in the end.

        Args:
            table: moto's table.
            item: moto's item.
            attributes: the item's as DynamoDB JSON, if the request has them; the item itself if it is
                to be asked for them; ``None`` if it was deleted.
        """
        self._written[id(item)] = (table, item, attributes)

    def unwrite(self) -> None:
        """Forget what the call wrote: its transaction was rolled back."""
        self._written.clear()

    def _tell_written(self, trace: Trace | None) -> None:
        """Write each item that the call changed to the log, as it is now."""
        written, self._written = self._written, {}
        for table, item, attributes in written.values():
            data = {"table": table.name, "key": _key_of(table, item)}
            if table.account_id != LOCAL_ACCOUNT:
                data["account"] = table.account_id
            if attributes is item:
                attributes = {name: _json_of(value) for name, value in item.attrs.items()}
            new = None if attributes is None else item_copy(attributes)
            self._log.append("item.changed", trace, **data, item=new)

    # API Gateway

    def api(self, api_id: str) -> model.Api | None:
        """An API as it is now, with routes, integrations and authorizers; ``None`` if unknown."""
        with self._lock:
            found = self._moto_api(api_id)
            return _api(found) if found else None

    def apis(self) -> list[model.Api]:
        """All APIs of all accounts and regions."""
        with self._lock:
            return [_api(api) for backend in _all("apigatewayv2") for api in backend.apis.values()]

    def stages(self, api_id: str) -> list[model.StageSettings]:
        """An API's stages; empty if the API is unknown."""
        with self._lock:
            found = self._moto_api(api_id)
            return [_stage(stage) for stage in found.stages.values()] if found else []

    def api_keys(self, account: str, region: str) -> list[ApiKey]:
        """The API keys of an account in a region, with the stages that their usage plans open."""
        with self._lock:
            if "apigateway" not in _ready:
                return []  # loading it takes two seconds, and nobody has made a key
            backend = _backends("apigateway")[account][region]
            return [
                ApiKey(
                    key.value,
                    # boto3 sends enabled as a boolean, update_api_key as text
                    str(key.enabled).lower() == "true",
                    frozenset(
                        (stage["apiId"], stage["stage"])
                        for plan in plans
                        for stage in plan.api_stages
                    ),
                    any(plan.quota or plan.throttle for plan in plans),
                )
                for key in backend.keys.values()
                for plans in [backend.get_usage_plans(key.id)]
            ]

    def set_deployment(self, api_id: str, stage: str, deployment_id: str) -> None:
        """Point a stage to a deployment.

        Raises:
            AwsError: ``NotFoundException``: there is no such API or stage.
        """
        with self._lock:
            found = self._moto_api(api_id)
            if not found or stage not in found.stages:
                raise AwsError(
                    "NotFoundException", f"Invalid stage identifier specified: {stage}", 404
                )
            found.stages[stage].config["deploymentId"] = deployment_id

    def _moto_api(self, api_id: str) -> Any:
        for backend in _all("apigatewayv2"):
            if api_id in backend.apis:
                return backend.apis[api_id]
        return None

    # Lambda, Logs, credentials

    def function(self, ref: str, account: str, region: str) -> FunctionConfiguration | None:
        """A function as it is deployed now; ``None`` if there is none.

        Called on every invocation, so the answer is kept until Lambda's control plane is called.

        Args:
            ref: name, partial ARN or ARN, with or without a qualifier.
            account: the caller's account, for a name.
            region: the caller's region, for a name.
        """
        key = (ref, account, region)
        try:
            return self._functions[key]
        except KeyError:
            with self._lock:
                found = self._functions[key] = _function(ref, account, region)
                return found

    def put_log_events(
        self, account: str, region: str, group: str, stream: str, events: list[tuple[int, str]]
    ) -> None:
        """Write to CloudWatch Logs; group and stream are created if need be, as Lambda does.

        Args:
            account: twelve digits.
            region: such as ``us-east-1``.
            group: the log group, ``/aws/lambda/NAME``.
            stream: the log stream.
            events: pairs of milliseconds since the epoch and message, oldest first.
        """
        with self._lock:
            logs = _backends("logs")[account][region]
            if group not in logs.groups:
                logs.create_log_group(group, {})
            if stream not in logs.groups[group].streams:
                logs.create_log_stream(group, stream)
            logs.put_log_events(
                group, stream, [{"timestamp": at, "message": message} for at, message in events]
            )

    def credentials(self, account: str = LOCAL_ACCOUNT, role: str = "") -> dict[str, str]:
        """Credentials of a role, which moto maps back to the role's account.

        Args:
            account: twelve digits.
            role: the role's ARN; a role need not exist.

        Returns:
            ``AccessKeyId``, ``SecretAccessKey`` and ``SessionToken``; the same ones for the same
            role until :meth:`reset`.
        """
        arn = role or f"arn:aws:iam::{account}:role/labkit"
        with self._lock:
            if (account, arn) not in self._credentials:
                assumed = _backends("sts")[account]["aws"].assume_role(
                    "us-east-1", "labkit", arn, "", 3600, ""
                )
                self._credentials[account, arn] = {
                    "AccessKeyId": assumed.access_key_id,
                    "SecretAccessKey": assumed.secret_access_key,
                    "SessionToken": assumed.session_token,
                }
            return self._credentials[account, arn]

    def account(self, access_key: str) -> str:
        """The account that an access key belongs to; :data:`~labkit.wire.LOCAL_ACCOUNT` if unknown.

        Args:
            access_key: access key id, or an empty string.
        """
        found = self._accounts.get(access_key)
        if found is None:
            with self._lock:
                found = self._accounts[access_key] = str(get_account_id_from(access_key))
        return found

    # Life

    def warm(self) -> None:
        """Load what the first calls need; takes most of a second, meant for a thread of its own."""
        for service in ("dynamodb", "lambda", "states", "apigateway", "logs", "iam"):
            self._find(f"{service}.us-east-1.amazonaws.com")
        parser = importlib.import_module(f"{ASL}.parse.asl_parser")
        parser.AmazonStateLanguageParser.parse(json.dumps(SAMPLE))
        for service in ("lambda", "dynamodb"):
            self.client(service, "us-east-1", LOCAL_ACCOUNT)

    def seed(self, seed: int) -> None:
        """Make the ids that moto gives out reproducible."""
        with self._lock:
            mock_random.seed(seed)

    def reset(self) -> None:
        """Forget everything: all services, all accounts.  Executions are stopped."""
        self._stop_executions()
        with self._lock:
            BackendDict.reset()
            reset_model_data()
            self._functions.clear()
            self._credentials.clear()
            self._accounts = {"": LOCAL_ACCOUNT}
            self._clients.clear()

    def remove_account(self, account: str) -> tuple[list[str], list[str]]:
        """Forget all that an account holds, in every service.  Its executions are stopped.

        Args:
            account: twelve digits.

        Returns:
            The ids of the APIs and the ARNs of the functions that were there.
        """
        self._stop_executions(account)
        with self._lock:
            apis = [api.id for api in self.apis() if api.account == account]
            functions = [
                function.function_arn
                for backend in _all("lambda")
                if backend.account_id == account
                for function in backend.list_functions()
            ]
            for service in BackendDict._instances:  # type: ignore[misc]
                if account in service:
                    service[account].reset()
                    del service[account]
            self._functions.clear()
            self._clients = {key: made for key, made in self._clients.items() if key[2] != account}
            # Its access keys stay known: a function that is about to end must not find itself in
            # another account.
            for key in [key for key in self._credentials if key[0] == account]:
                del self._credentials[key]
        return apis, functions

    def close(self) -> None:
        """End all executions and all threads.  Safe to call twice."""
        self._closed = True
        self._stop_executions()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._waiting.shutdown(wait=True, cancel_futures=True)

    def _stop_executions(self, account: str | None = None) -> None:
        """Stop the executions of one account, or all, and wait until their threads have ended."""
        runs = [run for run in self._runs.values() if account in (None, run.arn.split(":")[4])]
        for run in runs:
            self._runs.pop(run.arn, None)
            run.stop()
        deadline = time.monotonic() + LONGEST_END
        for run in runs:
            for thread in run.threads:
                if thread is not threading.current_thread():
                    threading.Thread.join(thread, max(0.0, deadline - time.monotonic()))
            run.done.set()

    # Step Functions: what the replacements in moto's interpreter ask for

    def client(self, service: str, region: str, account: str) -> Any:
        """A boto3 client whose calls are answered by ``dispatch``, without a network.

        Args:
            service: botocore's name.
            region: such as ``us-east-1``.
            account: the account that calls.
        """
        key = (service, region, account)
        if key in self._clients:
            return self._clients[key]
        with self._making:  # boto3 makes clients in one thread at a time only
            keys = self.credentials(account, f"arn:aws:iam::{account}:role/labkit-states")
            made: Any = _session().client(
                service,
                region_name=region,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys["SessionToken"],
                config=Config(  # type: ignore[call-arg]
                    parameter_validation=False,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    ignore_configured_endpoint_urls=True,
                ),
            )
            prefix = made.meta.service_model.endpoint_prefix
            send: Any = functools.partial(self._send, service=prefix, region=region)
            made.meta.events.register("before-send", send)
            made.meta.events.register("before-parameter-build.dynamodb", _check_parameters)
            self._clients[key] = made
        return self._clients[key]

    def _send(self, request: Any, *, service: str, region: str, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        headers = Headers({"Host": url.netloc})
        for name, value in request.headers.items():
            headers[name] = value.decode() if isinstance(value, bytes) else str(value)
        trace = _trace.get()
        if trace:
            headers[HEADER] = trace.header
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        sent = AwsRequest(
            method=request.method,
            service=service,
            region=region,
            path=url.path or "/",
            query=url.query,
            headers=headers,
            body=body if isinstance(body, bytes) else body.read(),
        )
        try:
            answer = self._dispatch(sent)
        except Exception as error:
            self._failed("A call of an execution", trace, error)
            raise
        shown = Headers(answer.headers.items())
        shown.setdefault(sdk_metadata.REQUEST_ID, str(mock_random.uuid4()))
        shown["Content-Length"] = str(len(answer.body))
        _answered.set((answer.status, shown))
        http_headers = HTTPHeaders()
        for name, value in shown.items():
            http_headers[name] = value
        return AWSResponse(request.url, answer.status, http_headers, _Raw(answer.body))

    def call_api(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The task ``apigateway:invoke``.

        Args:
            parameters: the task's parameters.

        Raises:
            ApiCallError: the parameters are wrong, or the answer is not 2xx.
        """
        if self._call_api is None:
            raise api_call.ApiCallError("ApiGateway.UnknownHostException", "No API can be reached.")
        asked = api_call.request_of(parameters)
        try:
            answer = self._call_api(
                asked.host,
                asked.path,
                asked.method,
                asked.query,
                asked.headers,
                asked.body,
                _trace.get(),
            )
        except AwsError as error:
            raise api_call.ApiCallError(f"ApiGateway.{error.code}", error.message) from error
        return api_call.result_of(answer.status, answer.headers.items(), answer.body)

    def begin(self, arn: str, machine: str) -> running.Run:
        """Note that an execution begins, in the trace of the call that started it."""
        trace = _caller.get() or Trace.new()
        event = self._log.append(
            "execution.started",
            trace,
            execution=arn,
            name=express.execution_name(arn),
            machine=machine,
        )
        trace = trace.after(event.seq)
        run = running.Run(
            arn, machine, self._clock, trace, functools.partial(self._failed, arn, trace)
        )
        self._runs[arn] = run
        return run

    def run(self, arn: str) -> running.Run | None:
        """An execution that runs."""
        return self._runs.get(arn)

    def end(self, run: running.Run) -> None:
        """Note that an execution's status is final, and let go of it."""
        self._runs.pop(run.arn, None)
        status, error = run.outcome
        run.done.set()
        run.stop()
        self._log.append(
            "execution.ended", run.trace, execution=run.arn, status=status, error=error
        )

    def happened(self, run: running.Run, type_: str, details: Mapping[str, Any] | None) -> None:
        """Write a history event to the log, as far as the log shows it."""
        if type_ == history.ITERATION_STARTED:
            _iterate(details or {})
            return
        entry = history.log_entry(type_, details, _state.get())
        if entry is None:
            return
        kind, data = entry
        if kind == "execution.ended":
            run.outcome = (data["status"], data["error"])
            run.trace = _trace.get() or run.trace
            return
        entered = kind == "state.entered"
        iteration = _iteration.get()
        cause = (_trace.get() if entered else _entered.get()) or run.trace
        if entered and iteration:
            data["iteration"] = iteration.index
        elif kind == "iteration.ended" and iteration:
            cause = iteration.cause or cause
        event = self._log.append(kind, cause, execution=run.arn, **data)
        if entered:
            _state.set(data["state"])
            _entered.set(cause.after(event.seq))
        if kind in ("state.entered", "state.exited"):
            _trace.set(cause.after(event.seq))

    def handled(self, run: running.Run, kind: str, **data: Any) -> None:
        """Write what became of a failure, which no history event says."""
        self._log.append(kind, _entered.get() or run.trace, execution=run.arn, **data)

    def warn(self, message: str) -> None:
        """Write that something is used which is not emulated."""
        self._log.append("cloud.warning", _caller.get(), message=message)

    def strike(self, run: running.Run, state: str) -> AwsError | None:
        """Ask the fault seam at ``state.enter``; a delay is waited for here."""
        fault = self._faults.strike("state.enter", _trace.get(), state=state, machine=run.machine)
        if fault is None:
            return None
        if fault.action is Action.DELAY:
            running.pause(fault.seconds * self._clock.speed)
            return None
        return AwsError(fault.code, "A fault that was set struck here.", fault.status)

    def waits(self, run: running.Run, seconds: float) -> bool:
        """Ask the fault seam at ``state.wait``; whether a Wait or a Retry is to wait at all."""
        return not self._faults.strike(
            "state.wait",
            _trace.get(),
            Action.DROP,
            state=_state.get(),
            machine=run.machine,
            seconds=seconds,
        )

    def _failed(self, what: str, trace: Trace | None, error: BaseException) -> None:
        if not self._closed:
            message = f"{what} failed in the local cloud: {error!r}"
            self._log.append("cloud.error", trace, message=message, detail=_where(error))


def _backends(service: str) -> Any:
    """All of a service's state: by account, then by region (``aws`` for services without one)."""
    package = PACKAGES.get(service, service)
    if package not in _ready:
        with _loading:
            if package == "stepfunctions":
                _load_interpreter()
            moto.backends.get_backend(service)  # type: ignore[call-overload]
            _replace(f"moto.{package}")
            _ready.add(package)
    return moto.backends.get_backend(service)  # type: ignore[call-overload]


PACKAGES = {"lambda": "awslambda"}
"""moto's packages that are not called as their service."""

_ready: set[str] = set()
"""Packages that are imported and have their replacements."""

_loading = threading.RLock()


def _handlers(host: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
    """Find moto's handlers for a host, by URL pattern."""
    base = f"https://{host}"
    found: list[tuple[re.Pattern[str], Callable[..., Any]]] = []
    for name, pattern in moto.backend_index.backend_url_patterns:
        if not pattern.match(base):
            continue
        if name == "apigateway":
            # Version 2 has the same host.  Importing version 1 takes two seconds, for an OpenAPI
            # validator, so it waits until something asks for it.
            found += _urls("apigatewayv2")
            found.append((re.compile(r"https://[^/]+/(?!v2/)"), _later(name)))
        else:
            found += _urls(name)
    return found


def _later(name: str) -> Callable[..., Any]:
    """A handler that loads a service when it is first called."""
    loaded: list[tuple[re.Pattern[str], Callable[..., Any]]] = []

    def handle(request: Request, url: str, headers: Any) -> Any:
        if not loaded:
            loaded.extend(_urls(name))
        clean = url.partition("?")[0]
        for pattern, handler in loaded:
            if pattern.match(clean):
                return handler(request, url, headers)
        raise NotImplementedError(f"no handler for {clean}")

    return handle


def _urls(name: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
    backends = _backends(name)[LOCAL_ACCOUNT]
    backend = backends["us-east-1" if "us-east-1" in backends else "aws"]
    return [(re.compile(url), handler) for url, handler in backend.urls.items()]


def _all(name: str) -> Iterable[Any]:
    """All of a service's backends, of every account and region."""
    return [backend for _, _, backend in _backends(name).iter_backends()]


def _error(request: AwsRequest, error: AwsError) -> AwsResponse:
    """An error in the form that the request's protocol has."""
    if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return AwsResponse.error(error)
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error></ErrorResponse>"
    )
    return AwsResponse(error.status, Headers({"Content-Type": "text/xml"}), body.encode())


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


def _capital(data: Mapping[str, Any]) -> dict[str, Any]:
    """API Gateway's members as boto3 names them: ``routeKey`` is ``RouteKey``."""
    return {name[:1].upper() + name[1:]: value for name, value in data.items()}


def _api(api: Any) -> model.Api:
    protocol = model.Protocol(api.protocol_type)
    return model.Api(
        id=api.api_id,
        name=api.name,
        protocol=protocol,
        account=api.backend.account_id,
        region=api.backend.region_name,
        route_selection_expression=api.route_selection_expression,
        routes={route.route_key: _route(route) for route in api.routes.values()},
        integrations={i.id: _integration(i, protocol) for i in api.integrations.values()},
        authorizers={a.id: _capital(a.to_json()) for a in api.authorizers.values()},
        models={one.name: _capital(one.to_json()) for one in api.models.values()},
        cors=_capital(api.cors_configuration or {}),
        raw=_capital(api.to_json()),
    )


def _route(route: Any) -> model.Route:
    responses = route.route_responses.values()
    return model.Route(
        id=route.route_id,
        key=route.route_key,
        integration_id=(route.target or "").partition("integrations/")[2],
        response_keys=frozenset(response.route_response_key for response in responses),
        authorization_type=route.authorization_type or "NONE",
        authorizer_id=route.authorizer_id or "",
        raw=_capital(route.to_json()),
    )


LONGEST_INTEGRATION_MS = {model.Protocol.WEBSOCKET: 29_000, model.Protocol.HTTP: 30_000}
"""``TimeoutInMillis`` where none is given, and at most.  (API reference, CreateIntegration.)"""


def _integration(integration: Any, protocol: model.Protocol) -> model.Integration:
    return model.Integration(
        id=integration.id,
        type=integration.integration_type,
        uri=integration.integration_uri or "",
        timeout_ms=min(int(integration.timeout_in_millis), LONGEST_INTEGRATION_MS[protocol]),
        payload_format_version=integration.payload_format_version or "1.0",
        responses={
            response.integration_response_key: _capital(response.to_json())
            for response in integration.responses.values()
        },
        raw=_capital(integration.to_json()),
    )


def _stage(stage: Any) -> model.StageSettings:
    return model.StageSettings(
        name=stage.name,
        deployment_id=stage.config.get("deploymentId") or "",
        auto_deploy=bool(stage.auto_deploy),
        variables=dict(stage.stage_variables or {}),
        raw=_capital(stage.to_json()),
    )


FUNCTION_REF = re.compile(
    r"^(?:arn:aws[^:]*:lambda:(?P<region>[^:]+):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>[\w$-]+))?$"
)
"""``FunctionName`` of Invoke: name, partial ARN or ARN, each with or without a qualifier."""


def _function(ref: str, account: str, region: str) -> FunctionConfiguration | None:
    match = FUNCTION_REF.match(unquote(ref))
    if not match:
        return None
    account, region = match["account"] or account, match["region"] or region
    backends = _backends("lambda")
    try:
        found: Any = backends[account][region].get_function(match["name"], match["qualifier"])
    except HTTPException:  # moto's UnknownFunctionException
        return None
    except KeyError:  # a region that there is not
        return None
    if found is None:
        return None
    settings = found.get_configuration()
    arn = str(found.function_arn)
    if str(found.version) != "$LATEST":
        arn = arn.rpartition(":")[0]
    identity = json.dumps(
        [found.code.get("UUID"), found.code_sha_256, settings["Version"]]
        + [settings.get(name) for name in ("Handler", "Runtime", "Timeout", "MemorySize", "Role")]
        + [found.environment_vars, str(found.reserved_concurrency), settings["Layers"]],
        sort_keys=True,
    )
    reserved = found.reserved_concurrency
    return FunctionConfiguration(
        name=found.function_name,
        arn=arn,
        account=account,
        region=region,
        handler=found.handler or "",
        runtime=found.run_time or "",
        package=getattr(found, "code_bytes", b""),
        revision=hashlib.sha256(identity.encode()).hexdigest()[:16],
        version=str(found.version),
        role=found.role,
        timeout=float(found.timeout),
        memory=int(found.memory_size),
        environment=dict(found.environment_vars),
        reserved_concurrency=None if reserved is None else int(reserved),
        log_group=found.logs_group_name,
    )


# What is replaced in moto

_here: Backend
"""The backend of this process.  moto's objects do not know it; the replacements need it."""

_caller: ContextVar[Trace | None] = ContextVar("caller", default=None)
"""The trace of the AWS call that this thread answers."""

_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""In an execution's thread: its trace, with the event that causes what comes next."""

_entered: ContextVar[Trace | None] = ContextVar("entered", default=None)
"""The same, with the event by which the present state was entered."""

_iteration: ContextVar[Iteration | None] = ContextVar("iteration", default=None)
"""In the thread of a Map state's iterations: the one that it works on."""

_resumption: ContextVar[Resumption | None] = ContextVar("resumption", default=None)
"""In an execution's thread: how it goes on, if it is redriven."""

_answered: ContextVar[tuple[int, Headers] | None] = ContextVar("answered", default=None)
"""In an execution's thread: status and headers of the last answer to a call."""

_state: ContextVar[str] = ContextVar("state", default="")
"""The present state's name."""

PARSER = "moto.stepfunctions.parser"
ASL = f"{PARSER}.asl"
STATE = f"{ASL}.component.state"
TASK = f"{STATE}.exec.state_task"

logging.getLogger("moto").addHandler(logging.NullHandler())  # what went wrong is in the event log


@dataclass(frozen=True, slots=True)
class Replacement:
    """Something of moto's that is replaced.

    Attributes:
        module: where it is.
        name: its name there, such as ``Stage.to_json``.
        by: given the original, returns what stands in its place.
        why: the reason.
    """

    module: str
    name: str
    by: Callable[[Any], Any]
    why: str


def _session_without_files(_: Any) -> Any:
    return classmethod(lambda cls: _session())


def _untracked(_: Any) -> Any:
    def new(cls: Any, *args: Any, **kw: Any) -> Any:
        return super(sys.modules["moto.core.common_models"].BaseModel, cls).__new__(cls)

    return new


@functools.lru_cache(maxsize=1)
def _session() -> boto3.Session:
    """A session that reads neither the student's files nor a profile."""
    plain = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(botocore_session=plain)


def _check_parameters(params: Mapping[str, Any], model: Any, **_: Any) -> None:
    problems = parameters.problems(params, model.input_shape)
    if problems:
        text = json.dumps(params, separators=(",", ":"), default=str)
        raise ValueError(
            f"The Parameters '{text}' could not be used to start the Task: [{', '.join(problems)}]"
        )


class _Raw(io.BytesIO):
    """A body as botocore reads it from urllib3."""

    def stream(self, amt: int | None = None, **_: Any) -> Iterable[bytes]:
        while part := self.read(amt):
            yield part


def _threads(original: Any) -> Any:
    """The ``threading`` module with an execution's threads and events."""
    members = {**vars(original), "Thread": running.Thread, "Event": running.Event}
    return types.SimpleNamespace(**members)


def _time(original: Any) -> Any:
    return types.SimpleNamespace(**{**vars(original), "sleep": running.pause})


def _retry_time(original: Any) -> Any:
    return types.SimpleNamespace(**{**vars(original), "sleep": _wait})


def _wait(seconds: float) -> None:
    run = running.current.get()
    running.pause(seconds if run is None or _here.waits(run, seconds) else 0.0)


def _client_for(_: Any) -> Any:
    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        run = running.current.get()
        account = run.arn.split(":")[4] if run else LOCAL_ACCOUNT
        return _here.client(service, region, account)

    return boto_client_for


# -- an execution's life


def _start_execution(original: Any) -> Any:
    def start_execution(
        self: Any,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Any:
        machine = self.describe_state_machine(state_machine_arn)
        if name is not None:
            _check_name(name)
        name = name or str(mock_random.uuid4())
        text = "{}" if execution_input is None else execution_input
        _check_input(text)
        if machine.type == express.EXPRESS:
            return _start_express(self, machine, name, text, trace_header)
        if len(machine.executions) > retention.KEPT:
            running_ = _enum("ExecutionStatus").RUNNING
            machine.executions[:] = retention.kept(
                machine.executions, lambda one: one.exec_status not in (None, running_)
            )
        existing = machine._handle_name_input_idempotency(name, text)
        if existing is not None:
            return existing
        arn = (
            f"arn:{self.partition}:states:{self.region_name}:{self.account_id}"
            f":execution:{machine.name}:{name}"
        )
        return _begun(arn, machine, original, self, state_machine_arn, name, text, trace_header)

    return start_execution


def _begun(arn: str, machine: Any, start: Callable[..., T], *args: Any) -> T:
    """What ``start`` returns, called as part of the execution that it starts."""
    run = _here.begin(arn, machine.name)

    def begin() -> T:
        running.current.set(run)
        _trace.set(run.trace)
        return start(*args)

    return contextvars.copy_context().run(begin)


def _start_express(
    backend: Any, machine: Any, name: str, text: str, trace_header: str | None
) -> Any:
    """Start an execution that its state machine does not keep."""
    limited = copy.copy(machine)
    limited.definition = express.limited(machine.definition)
    execution = sys.modules[f"{PARSER}.backend.execution"].Execution(
        name=name,
        sm_type=machine.type,
        role_arn=machine.roleArn,
        exec_arn=express.arn_of(machine.arn, name, str(mock_random.uuid4())),
        account_id=backend.account_id,
        region_name=backend.region_name,
        state_machine=limited,
        start_date=datetime.now(UTC),
        cloud_watch_logging_session=None,
        input_data=text,
        trace_header=trace_header,
        activity_store={},
    )
    _begun(execution.execution_arn, machine, execution.start)
    return execution


_FORBIDDEN_IN_NAME = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")


def _check_name(name: str) -> None:
    """``Name`` of StartExecution: 1 to 80 characters, without those that the API reference lists."""
    if not 1 <= len(name) <= 80 or _FORBIDDEN_IN_NAME.search(name):
        raise AwsError("InvalidName", f"Invalid Name: '{name}'")


def _check_input(text: str) -> None:
    if len(text.encode("utf-8", "replace")) > errors.LARGEST_PAYLOAD:
        raise AwsError(
            "InvalidExecutionInput",
            f"Invalid State Machine Execution Input: 'The input is longer than "
            f"{errors.LARGEST_PAYLOAD} bytes'",
        )
    try:
        json_text.parse(text)
    except ValueError as error:
        raise AwsError(
            "InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'"
        ) from error


def _create_state_machine(original: Any) -> Any:
    @functools.wraps(original)
    def create_state_machine(self: Any, name: str, definition: str, *args: Any, **kw: Any) -> Any:
        _check_name(name)
        kind = kw.get("sm_type") or "STANDARD"
        _check_definition(definition, kind)
        for machine in self.state_machines:
            if machine.name == name and (machine.definition != definition or machine.type != kind):
                raise AwsError(
                    "StateMachineAlreadyExists", f"State Machine Already Exists: '{machine.arn}'"
                )
        return original(self, name, definition, *args, **kw)

    return create_state_machine


def _update_state_machine(original: Any) -> Any:
    @functools.wraps(original)
    def update_state_machine(self: Any, arn: str, *args: Any, **kw: Any) -> Any:
        given = inspect.signature(original).bind(self, arn, *args, **kw).arguments
        if given.get("definition") is not None:
            _check_definition(given["definition"], self.describe_state_machine(arn).type)
        return original(self, arn, *args, **kw)

    return update_state_machine


def _validate_definition(original: Any) -> Any:
    def validate(definition: str) -> None:
        try:
            original(definition)
        except HTTPException as error:
            text = str(getattr(error, "message", error))
            found = [f"SCHEMA_VALIDATION_FAILED: {text}"]
            raise AwsError("InvalidDefinition", _invalid(found)) from error
        except Exception as error:
            # The grammar takes more than the interpreter understands.
            why = f"{type(error).__name__}: {error}"
            found = [f"SCHEMA_VALIDATION_FAILED: It cannot be interpreted ({why})"]
            raise AwsError("InvalidDefinition", _invalid(found)) from error

    return validate


_invalid = definition.message


def _check_definition(text: str, kind: str) -> None:
    if len(text.encode("utf-8", "replace")) > definition.LONGEST:
        raise AwsError(
            "ValidationException",
            "1 validation error detected: Value at 'definition' failed to satisfy constraint: Member "
            f"must have length less than or equal to {definition.LONGEST}",
        )
    found = definition.problems(text, kind)
    if found:
        raise AwsError("InvalidDefinition", definition.message(found))
    refused = emulated.refusals(text)
    if refused:
        raise AwsError("NotImplemented", " ".join(refused), 501)
    for warning in emulated.warnings(text):
        _here.warn(warning)


def _parse(original: Any) -> Any:
    @functools.lru_cache(maxsize=64)
    def parse(text: str) -> Any:
        return original(emulated.interpretable(text))

    return parse


def _execution_logic(original: Any) -> Any:
    def execution_logic(self: Any) -> None:
        run = running.current.get()
        try:
            original(self)
        except Exception as error:
            if run is None:
                raise
            run.failed(error)
            execution = self._execution_communication.execution
            execution.exec_status = _enum("ExecutionStatus").FAILED
            execution.error, execution.cause = errors.RUNTIME, str(error)
            execution.stop_date = datetime.now(UTC)
            run.outcome = ("FAILED", errors.RUNTIME)
            _here.end(run)

    return execution_logic


def _terminated(original: Any) -> Any:
    def terminated(self: Any) -> None:
        run = running.current.get()
        if run:
            run.ended.wait(LONGEST_END)  # the history is complete when the status is final
        original(self)
        execution = self.execution
        state = execution.exec_worker.env.program_state()
        if execution.status == "ABORTED":
            execution.error, execution.cause = state.error, state.cause
        sys.modules[f"{PARSER}.utils"].TMP_THREADS.clear()
        if run:
            _here.end(run)

    return terminated


def _set_timed_out(original: Any) -> Any:
    def set_timed_out(self: Any) -> None:
        original(self)
        run = running.current.get()
        if run:
            run.stop()

    return set_timed_out


def _set_error(original: Any) -> Any:
    def set_error(self: Any, error: Any) -> None:
        if type(self.program_state()).__name__ not in ("ProgramStopped", "ProgramTimedOut"):
            original(self, error)

    return set_error


@dataclass(frozen=True, slots=True)
class Iteration:
    """One of a Map state's iterations.

    Attributes:
        name: the Map state's.
        index: of the item, from 0.
        cause: the trace with the event by which the Map state was entered.
    """

    name: str
    index: int
    cause: Trace | None


def _iterate(details: Mapping[str, Any]) -> None:
    """Note that this thread begins an iteration.  It may have worked on another one before."""
    started = details["mapIterationStartedEventDetails"]
    before = _iteration.get()
    is_next = before is not None and before.name == started["name"]
    cause = before.cause if before and is_next else _entered.get()
    _iteration.set(Iteration(started["name"], started["index"], cause))
    _trace.set(cause)


@dataclass(frozen=True, slots=True)
class Resumption:
    """How an execution goes on that is redriven.

    Attributes:
        count: how often it has been redriven, this time included.
        date: when.
        given: the input of the state with which it goes on.
        before: the environment in which it ended, with its history and its variables.
    """

    count: int
    date: datetime
    given: Any
    before: Any


def _environment(original: Any) -> Any:
    def environment(self: Any) -> Any:
        made = original(self)
        execution = made.states.context_object.context_object_data["Execution"]
        execution["StartTime"] = _timestamp(execution["StartTime"])
        execution["RedriveCount"] = 0
        resumed = _resumption.get()
        if resumed:
            execution["RedriveCount"] = resumed.count
            execution["RedriveTime"] = _timestamp(resumed.date)
            made.states.reset(resumed.given)
            made.event_manager = resumed.before.event_manager
            made.variable_store = resumed.before.variable_store
            last = len(made.event_manager.get_event_history())
            made.event_history_context.source_event_id = last
            made.event_history_context.last_published_event_id = last
        return made

    return environment


def _timestamp(moment: Any) -> str:
    """A time in the context object: ``2026-11-24T08:00:00.000Z``."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return str(moment.astimezone(UTC).isoformat(timespec="milliseconds")).replace("+00:00", "Z")


def _string_to_timestamp(original: Any) -> Any:
    """The States Language's timestamps: RFC 3339 with an upper-case T, and Z or an offset."""

    def string_to_timestamp(string: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(string) if "T" in string else None
        except (TypeError, ValueError):
            return None
        return moment if moment and moment.tzinfo else None

    return string_to_timestamp


def _add_event(original: Any) -> Any:
    def add_event(
        self: Any, context: Any, event_type: Any, event_details: Any = None, *args: Any, **kw: Any
    ) -> int:
        run = running.current.get()
        if run is None:
            return int(original(self, context, event_type, event_details, *args, **kw))
        if run.ended.is_set():  # a branch that had not heard of the end yet
            return int(context.last_published_event_id)
        type_ = str(getattr(event_type, "value", event_type))
        resumed = _resumption.get()
        if resumed and type_ == "ExecutionStarted":
            event_type = _enum("HistoryEventType").ExecutionRedriven
            event_details = {"executionRedrivenEventDetails": {"redriveCount": resumed.count}}
        number = int(context.last_published_event_id)
        if not _never_began(type_, event_details):
            number = int(original(self, context, event_type, event_details, *args, **kw))
        _here.happened(run, type_, event_details)
        if type_.endswith(history.ENTERED):
            run.begun.set()
        if type_ in history.ENDS:
            run.ended.set()
        return number

    return add_event


def _never_began(type_: str, details: Mapping[str, Any] | None) -> bool:
    """Whether a task failed before it was scheduled, as by a path into nothing in its parameters.

    AWS's history goes on with ``ExecutionFailed`` then, as an answer of its shows that was published.
    """
    failed = (details or {}).get("taskFailedEventDetails") or {}
    return (
        type_ == "TaskFailed"
        and failed.get("error") == errors.RUNTIME
        and ("resource" not in failed)
    )


def _eval_state_body(original: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except running.Stopped:
            if env.is_running():
                env.set_stop(stop_date=datetime.now(UTC), error=None, cause=None)

    return eval_body


def _eval_state_input(original: Any) -> Any:
    def eval_state_input(self: Any, env: Any) -> None:
        state = env.states.context_object.context_object_data["State"]
        state["EnteredTime"] = _timestamp(state["EnteredTime"])
        if not hasattr(self, "retry"):  # a Task, Parallel or Map is struck at each attempt
            _strike(self, env)
        original(self, env)

    return eval_state_input


def _evaluate_with_timeout(original: Any) -> Any:
    def evaluate(self: Any, env: Any) -> None:
        context = env.states.context_object
        if context.context_object_data["State"]["RetryCount"] and (
            "Task" in context.context_object_data
        ):
            env.callback_pool_manager.add(context.update_task_token())
        _strike(self, env)
        original(self, env)

    return evaluate


def _handle_retry(original: Any) -> Any:
    def handle_retry(self: Any, env: Any, failure_event: Any) -> Any:
        outcome = original(self, env, failure_event)
        if outcome.name == "CanRetry":
            retries = env.states.context_object.context_object_data["State"]["RetryCount"]
            _handled("state.retried", self, failure_event, attempt=retries + 1)
        return outcome

    return handle_retry


def _handle_catch(original: Any) -> Any:
    def handle_catch(self: Any, env: Any, failure_event: Any) -> None:
        original(self, env, failure_event)
        if env.stack[-1].name == "Caught":
            _handled("state.caught", self, failure_event)

    return handle_catch


def _handled(kind: str, state: Any, failure_event: Any, **data: Any) -> None:
    run = running.current.get()
    if run:
        failure = state._construct_error_output_value(failure_event)
        error, cause = failure["Error"] or "", shorten(failure["Cause"] or "")
        _here.handled(run, kind, state=state.name, **data, error=error, cause=cause)


def _strike(state: Any, env: Any) -> None:
    run = running.current.get()
    error = _here.strike(run, state.name) if run else None
    if error:
        raise _failure(env, error.code, error.message)


def _failure(
    env: Any, error: str, cause: str, *, event: str = "TaskFailed", **details: Any
) -> Exception:
    """Moto's exception for a state that fails."""
    made: Exception = _class("FailureEventException")(
        failure_event=_failure_event(env, error, cause, event=event, **details)
    )
    return made


def _failure_event(
    env: Any, error: str, cause: str, *, event: str = "TaskFailed", **details: Any
) -> Any:
    member = event[:1].lower() + event[1:] + "EventDetails"
    return _class("FailureEvent")(
        env=env,
        error_name=_error_name(error),
        event_type=getattr(_enum("HistoryEventType"), event),
        event_details={member: {"error": error, "cause": cause, **details}},
    )


def _error_name(name: str) -> Any:
    names = sys.modules[f"{ASL}.component.common.error_name.states_error_name"]
    types_ = sys.modules[f"{ASL}.component.common.error_name.states_error_name_type"]
    try:
        return names.StatesErrorName(types_.StatesErrorNameType.from_name(name))
    except ValueError:
        custom = sys.modules[f"{ASL}.component.common.error_name.custom_error_name"]
        return custom.CustomErrorName(name)


def _class(name: str) -> Any:
    return getattr(sys.modules[f"{ASL}.component.common.error_name.failure_event"], name)


def _enum(name: str) -> Any:
    return getattr(sys.modules[f"{PARSER}.api"], name)


# -- errors, limits and queries


def _failed_details(original: Any) -> Any:
    def get_execution_failed_event_details(self: Any) -> Any:
        error, cause = self.extract_error_cause_pair() or (None, None)
        if cause and cause.startswith("An error occurred while executing the state '"):
            return {"error": error, "cause": cause}
        return original(self)

    return get_execution_failed_event_details


def _error_equals(_: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        raised = env.stack.pop()
        names = [raised.error_name]
        if getattr(raised, "missed_heartbeat", False):
            names.append(errors.HEARTBEAT_TIMEOUT)
        wanted = [name.error_name for name in self.error_names]
        env.stack.append(errors.matches(wanted, *(name for name in names if name)))

    return eval_body


def _task_error(original: Any) -> Any:
    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        event = original(self, env, ex)
        if type(ex).__name__ == "HeartbeatTimeoutError":
            event.error_name.missed_heartbeat = True
        return event

    return from_error


def _own_errors_only(original: Any) -> Any:
    """For tasks that call any exception an error of their service: time-outs, paths into nothing."""

    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if isinstance(ex, ClientError):
            return original(self, env, ex)
        base = sys.modules[f"{TASK}.state_task"].StateTask
        return base._from_error(self, env=env, ex=ex)

    return from_error


def _lambda_error(original: Any) -> Any:
    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        optimised = hasattr(self.resource, "service_name")
        event = "TaskFailed" if optimised else "LambdaFunctionFailed"
        where = {"resource": "invoke", "resourceType": "lambda"} if optimised else {}
        if type(ex).__name__ == "LambdaFunctionErrorException":
            payload = str(getattr(ex, "payload", ""))
            try:
                error = str(json.loads(payload)["errorType"])
            except (ValueError, KeyError, TypeError):
                cause = (
                    "The cause could not be determined because Lambda did not return an error "
                    f"type. Returned payload: {payload}"
                )
                return _failure_event(env, "Lambda.Unknown", cause, event=event, **where)
            return _failure_event(env, error, payload, event=event, **where)
        if isinstance(ex, ClientError) and not optimised:
            about = ex.response["Error"]
            return _failure_event(env, f"Lambda.{about['Code']}", about["Message"], event=event)
        return original(self, env, ex)

    return from_error


def _within_quota(_: Any) -> Any:
    def is_within_size_quota(value: Any) -> bool:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
        return len(text.encode("utf-8", "replace")) <= errors.LARGEST_PAYLOAD

    return is_within_size_quota


def _choice(original: Any) -> Any:
    def eval_state(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except RuntimeError as error:
            if not str(error.args[0]).startswith("No branching option"):
                raise
            cause = "Failed to transition out of the state. No choice rule matched."
            raise _failure(env, "States.NoChoiceMatched", cause, event="ExecutionFailed") from error

    return eval_state


def _present(original: Any) -> Any:
    """Only ``IsPresent`` may ask for what is not there.

    Developer guide, Choice state: "You must specify the ``$.type`` field.  If the state input doesn't
    contain the ``$.type`` field, the execution fails."
    """

    def eval_body(self: Any, env: Any) -> None:
        self.variable.eval(env)
        missing = type(env.stack[-1]).__name__ == "NoSuchVariable"
        if missing and self.comparison_function.operator_type.name != "IsPresent":
            path = self.variable.string_sampler.literal_value
            cause = f"Invalid path '{path}': The choice state's condition path references an invalid value."
            raise _failure(env, errors.RUNTIME, cause, event="ExecutionFailed")
        self.comparison_function.eval(env)

    return eval_body


def _variables(env: Any) -> dict[str, Any]:
    store = env.variable_store
    return {**store._outer_scope, **store._inner_scope}


def _jsonata(env: Any, expression: str) -> Any:
    try:
        return jsonata.evaluate(expression, env.states._states_data, _variables(env))
    except jsonata.JsonataError as error:
        failure: Any = _failure(
            env, errors.QUERY_EVALUATION_ERROR, str(error), event="EvaluationFailed"
        )
        env.event_manager.add_event(
            context=env.event_history_context,
            event_type=_enum("HistoryEventType").EvaluationFailed,
            event_details={
                "evaluationFailedEventDetails": failure.get_evaluation_failed_event_details()
            },
        )
        raise failure from error


def _eval_jsonata(_: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        env.stack.append(_jsonata(env, self.expression))

    return eval_body


_VARIABLE = re.compile(r"^\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<path>.*)$", re.DOTALL)


def _eval_variable(_: Any) -> Any:
    def eval_body(self: Any, env: Any) -> None:
        if self.query_language_mode.name == "JSONata":
            env.stack.append(_jsonata(env, self.expression))
            return
        found = _VARIABLE.match(self.expression)
        if not found:
            raise _failure(env, errors.RUNTIME, f"{self.expression} names no variable.")
        value = env.variable_store.get(found["name"])
        if found["path"]:
            extract = sys.modules[f"{ASL}.utils.json_path"].extract_json
            value = extract(f"${found['path']}", value)
        env.stack.append(json.loads(json.dumps(value)))

    return eval_body


def _wait_interval(_: Any) -> Any:
    def wait_interval(self: Any, env: Any, wait_seconds: float) -> None:
        _wait(wait_seconds)

    return wait_interval


# -- tasks


def _call_api_task(_: Any) -> Any:
    def eval_service_task(
        self: Any,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: dict[str, Any],
        state_credentials: Any,
    ) -> None:
        env.stack.append(_here.call_api(normalised_parameters))

    return eval_service_task


def _call_api_error(original: Any) -> Any:
    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if isinstance(ex, api_call.ApiCallError):
            return _failure_event(
                env, ex.error, ex.cause, resource="invoke", resourceType="apigateway"
            )
        callback = sys.modules[f"{TASK}.service.state_task_service_callback"]
        return callback.StateTaskServiceCallback._from_error(self, env=env, ex=ex)

    return from_error


def _add_metadata(original: Any) -> Any:
    def eval_service_task(self: Any, env: Any, *args: Any, **kw: Any) -> None:
        original(self, env, *args, **kw)
        answered = _answered.get()
        if answered is not None:
            env.stack.append(sdk_metadata.added(env.stack.pop(), *answered))

    return eval_service_task


def _boto_service(original: Any) -> Any:
    def get_boto_service_name(self: Any, boto_service_name: str | None = None) -> str:
        return resources.botocore_name(original(self, boto_service_name))

    return get_boto_service_name


def _boto_action(_: Any) -> Any:
    def get_boto_service_action(self: Any, service_action_name: str | None = None) -> str:
        return xform_name(service_action_name or self.resource.api_action)

    return get_boto_service_action


# -- Step Functions' API


def _execution(response: Any) -> Any:
    arn = response._get_param("executionArn")
    if express.is_execution(arn):
        raise AwsError("InvalidArn", express.NO_EXECUTION)
    return response.stepfunction_backend.describe_execution(arn)


def _result(data: Mapping[str, Any]) -> Any:
    return sys.modules["moto.core.responses"].ActionResult(dict(data))


def _described(execution: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.start_date,
    }
    if execution.status != "RUNNING":
        described["stopDate"] = execution.stop_date
    return described


def _start_sync_execution(_: Any) -> Any:
    def start_sync_execution(self: Any) -> Any:
        backend, arn = self.stepfunction_backend, self._get_param("stateMachineArn")
        if backend.describe_state_machine(arn).type != express.EXPRESS:
            raise AwsError("StateMachineTypeNotSupported", express.NOT_SUPPORTED)
        trace_header = self._get_param("traceHeader")
        execution = backend.start_execution(
            arn, self._get_param("name"), self._get_param("input"), trace_header
        )
        run = _here.run(execution.execution_arn)
        if run:
            with _here.giving_way():
                run.done.wait()
        if execution.status not in ("SUCCEEDED", "FAILED", "TIMED_OUT"):
            raise AwsError("ServiceUnavailable", "The local cloud is stopping.", 503)
        described = _described(execution) | _given_and_made(execution)
        described["billingDetails"] = express.billing(execution.stop_date - execution.start_date)
        if trace_header:
            described["traceHeader"] = trace_header
        return _result(described)

    return start_sync_execution


def _given_and_made(execution: Any) -> dict[str, Any]:
    """An execution's input, and its output or error as far as there is one."""
    shown = {"input": execution.execution_input, "inputDetails": {"included": True}}
    if execution.status == "SUCCEEDED":
        shown["output"] = json.dumps(execution.output, separators=(",", ":"))
        shown["outputDetails"] = {"included": True}
    for name in ("error", "cause"):
        if getattr(execution, name) is not None:
            shown[name] = getattr(execution, name)
    return shown


def _describe_execution(_: Any) -> Any:
    def describe_execution(self: Any) -> Any:
        execution = _execution(self)
        described = _described(execution) | _given_and_made(execution) | _redriven(execution)
        described |= redrive.status_of(execution.status)
        return _result(described)

    return describe_execution


def _redriven(execution: Any) -> dict[str, Any]:
    """How often and when an execution was redriven."""
    resumed: Resumption | None = getattr(execution, "resumption", None)
    if resumed is None:
        return {"redriveCount": 0}
    return {"redriveCount": resumed.count, "redriveDate": resumed.date}


def _redrive_execution(_: Any) -> Any:
    def redrive_execution(self: Any) -> Any:
        execution = _execution(self)
        reason = redrive.status_of(execution.status).get("redriveStatusReason")
        if reason:
            message = f"Execution Not Redrivable: '{reason}'"
            raise AwsError("ExecutionNotRedrivable", message)
        text, given = redrive.resumption(
            execution.state_machine.definition, execution.to_history_output()["events"]
        )
        if warning := redrive.warning(text):
            _here.warn(warning)
        date = datetime.now(UTC)
        resumed = Resumption(
            _redriven(execution)["redriveCount"] + 1, date, given, execution.exec_worker.env
        )
        worker = execution._get_start_execution_worker()
        worker._evaluation_details.state_machine_details.definition = text
        execution.exec_worker, execution.resumption = worker, resumed
        execution.exec_status = _enum("ExecutionStatus").RUNNING
        execution.stop_date = execution.error = execution.cause = None

        def start() -> None:
            _resumption.set(resumed)
            worker.start()

        _begun(execution.execution_arn, execution.state_machine, start)
        return _result({"redriveDate": date})

    return redrive_execution


def _list_executions(_: Any) -> Any:
    def list_executions(self: Any) -> Any:
        machine = self.stepfunction_backend.describe_state_machine(
            self._get_param("stateMachineArn")
        )
        if machine.type == express.EXPRESS:
            raise AwsError("StateMachineTypeNotSupported", express.NOT_SUPPORTED)
        found, token = self.stepfunction_backend.list_executions(
            self._get_param("stateMachineArn"),
            status_filter=self._get_param("statusFilter"),
            max_results=self._get_int_param("maxResults"),
            next_token=self._get_param("nextToken"),
        )
        return _result(
            {"executions": [_described(one) | _redriven(one) for one in found], "nextToken": token}
        )

    return list_executions


def _stop_execution(_: Any) -> Any:
    def stop_execution(self: Any) -> Any:
        execution = _execution(self)
        run = _here.run(execution.execution_arn)
        if run and execution.status == "RUNNING":
            run.begun.wait(LONGEST_END)
            execution.stop(
                stop_date=datetime.now(UTC),
                error=self._get_param("error"),
                cause=self._get_param("cause"),
            )
            run.stop()
            run.done.wait(LONGEST_END)
        return _result({"stopDate": execution.stop_date or datetime.now(UTC)})

    return stop_execution


def _get_execution_history(_: Any) -> Any:
    def get_execution_history(self: Any) -> Any:
        events = _execution(self).to_history_output()["events"]
        if self._get_bool_param("reverseOrder"):
            events.reverse()
        if self._get_bool_param("includeExecutionData") is False:
            events = [_without_data(event) for event in events]
        size = self._get_int_param("maxResults") or 100
        token = self._get_param("nextToken")
        try:
            first = int(base64.b64decode(token)) if token else 0
        except ValueError as error:
            raise AwsError("InvalidToken", f"Invalid Token: '{token}'") from error
        page: dict[str, Any] = {"events": events[first : first + size]}
        if first + size < len(events):
            page["nextToken"] = base64.b64encode(str(first + size).encode()).decode()
        return _result(page)

    return get_execution_history


def _without_data(event: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {"input", "output", "inputDetails", "outputDetails"}
    return {
        name: {n: v for n, v in value.items() if n not in hidden}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }


def _describe_machine_of(_: Any) -> Any:
    def describe_state_machine_for_execution(self: Any) -> Any:
        machine = _execution(self).state_machine
        return _result(
            {
                "stateMachineArn": machine.arn,
                "name": machine.name,
                "definition": machine.definition,
                "roleArn": machine.roleArn,
                "updateDate": machine.update_date,
                "loggingConfiguration": machine.loggingConfiguration,
                "tracingConfiguration": machine.tracingConfiguration,
                "encryptionConfiguration": machine.encryptionConfiguration,
            }
        )

    return describe_state_machine_for_execution


def _send_task_failure(_: Any) -> Any:
    def send_task_failure(self: Any) -> Any:
        _checked_token(self)
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return _result({})

    return send_task_failure


def _send_task_success(_: Any) -> Any:
    def send_task_success(self: Any) -> Any:
        output = self._get_param("output")
        try:
            json.loads(output)
        except (ValueError, TypeError) as error:
            message = f"Invalid Output: 'Invalid JSON in output: {error}'"
            raise AwsError("InvalidOutput", message) from error
        _checked_token(self)
        self.stepfunction_backend.send_task_success(self._get_param("taskToken"), output)
        return _result({})

    return send_task_success


def _send_task_heartbeat(_: Any) -> Any:
    def send_task_heartbeat(self: Any) -> Any:
        # The task may have no time for heartbeats, or not have begun to measure it.
        _checked_token(self).notify_heartbeat()
        return _result({})

    return send_task_heartbeat


def _setup_heartbeat(original: Any) -> Any:
    def setup_heartbeat_endpoint(self: Any, heartbeat_seconds: int) -> Any:
        made = original(self, heartbeat_seconds)
        if self.get_outcome() is not None:
            made.notify()
        return made

    return setup_heartbeat_endpoint


def _checked_token(response: Any) -> Any:
    """What waits with a token; refuses one that is unknown, or whose task has gone on."""
    token = response._get_param("taskToken")
    for execution in response.stepfunction_backend._get_executions():
        env = execution.exec_worker.env
        endpoint = env.callback_pool_manager.get(token) if env else None
        if endpoint is None:
            continue
        if execution.status != "RUNNING":
            raise AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        if endpoint.get_outcome() is not None:
            raise AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return endpoint
    raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'")


# -- what moto would run


def _never_invoke(_: Any) -> Any:
    def invoke(self: Any, body: Any, request_headers: Any, response_headers: Any) -> str:
        _here.warn(
            f"An event source would invoke {self.function_name} on AWS. Event sources (streams, "
            "queues, topics, rules, log subscriptions) are not emulated here: call Invoke."
        )
        return ""

    return invoke


def _add_statement(original: Any) -> Any:
    from moto.awslambda.exceptions import LambdaClientError

    @functools.wraps(original)
    def add_statement(self: Any, raw: str, qualifier: str | None = None) -> Any:
        wanted = json.loads(raw).get("StatementId")
        if any(statement.get("Sid") == wanted for statement in self.statements):
            error = LambdaClientError(
                "ResourceConflictException",
                f"The statement id ({wanted}) provided already exists. Please provide a new statement "
                "id, or remove the existing statement.",
            )
            error.code = 409
            raise error
        return original(self, raw, qualifier)

    return add_statement


def _update_item(original: Any) -> Any:
    def update_item(self: Any) -> Any:
        answer = original(self)
        if self.body.get("ReturnConsumedCapacity", "NONE") == "NONE":
            answer.result.pop("ConsumedCapacity", None)
        return answer

    return update_item


def _key_of(table: Any, item: Any) -> dict[str, Any]:
    names = (table.hash_key_attr, table.range_key_attr)
    values = (item.hash_key, item.range_key)
    return {
        name: {value.type: value.value}
        for name, value in zip(names, values, strict=True)
        if name and value is not None
    }


def _json_of(value: Any) -> dict[str, Any]:
    """One of moto's values as DynamoDB JSON; moto's own ``to_json`` takes ten times as long."""
    content = value.value
    if value.type == "M":
        return {"M": {name: _json_of(one) for name, one in content.items()}}
    if value.type == "L":
        return {"L": [_json_of(one) for one in content]}
    return {value.type: content}


def _put_item(original: Any) -> Any:
    @functools.wraps(original)
    def put_item(self: Any, item_attrs: Any, *args: Any, **kw: Any) -> Any:
        item = original(self, item_attrs, *args, **kw)
        # What PartiQL makes is no plain data, but a dictionary of its own.
        _here.wrote(self, item, item_attrs if type(item_attrs) is dict else item)
        return item

    return put_item


def _updated_item(original: Any) -> Any:
    @functools.wraps(original)
    def update_item(self: Any, table_name: str, *args: Any, **kw: Any) -> Any:
        item = original(self, table_name, *args, **kw)
        _here.wrote(self.get_table(table_name), item, item)
        return item

    return update_item


def _delete_item(original: Any) -> Any:
    @functools.wraps(original)
    def delete_item(self: Any, *args: Any, **kw: Any) -> Any:
        item = original(self, *args, **kw)
        if item is not None:
            _here.wrote(self, item, None)
        return item

    return delete_item


def _transact_write_items(original: Any) -> Any:
    @functools.wraps(original)
    def transact_write_items(self: Any, transact_items: Any) -> Any:
        with _changing(_named_in(self, transact_items)):
            try:
                return original(self, transact_items)
            except Exception:
                _here.unwrite()
                raise

    return transact_write_items


def _named_in(backend: Any, transact_items: Any) -> Iterator[Any]:
    """The items that a transaction names, as far as they are there."""
    for operation in transact_items:
        for named in operation.values():
            # What is wrong with an operation, moto tells when its turn comes.
            with contextlib.suppress(Exception):
                yield backend.get_item(named["TableName"], named.get("Key") or named["Item"])


_changes: set[int] = set()
"""The items that the transaction under way may change, by ``id()``; one is under way at a time."""


@contextlib.contextmanager
def _changing(items: Iterable[Any]) -> Iterator[None]:
    _changes.update(id(item) for item in items)
    try:
        yield
    finally:
        _changes.clear()


def _table_copies(original: Any) -> Any:
    """The ``copy`` module: a table's copy, made before a transaction, shares what stays as it is."""

    def deepcopy(thing: Any) -> Any:
        if not hasattr(thing, "has_range_key"):
            return original.deepcopy(thing)
        under = list(thing.items.values()) if thing.has_range_key else [thing.items]
        parts = [*thing.items, *(part for one in under for part in (*one, *one.values()))]
        # deepcopy takes what is in its memo for a copy that it has made already.
        return original.deepcopy(thing, {id(p): p for p in parts if id(p) not in _changes})

    return types.SimpleNamespace(**{**vars(original), "deepcopy": deepcopy})


def _conflict(message: str) -> Exception:
    from moto.apigatewayv2.exceptions import APIGatewayV2Error

    error: Exception = APIGatewayV2Error("ConflictException", message)
    vars(error)["code"] = 409
    return error


def _create_stage(original: Any) -> Any:
    @functools.wraps(original)
    def create_stage(self: Any, config: dict[str, Any]) -> Any:
        if config.get("stageName") in self.stages:
            raise _conflict("Stage already exists")
        return original(self, config)

    return create_stage


def _create_route(original: Any) -> Any:
    @functools.wraps(original)
    def create_route(self: Any, *args: Any, **kw: Any) -> Any:
        key = inspect.signature(original).bind(self, *args, **kw).arguments["route_key"]
        if any(route.route_key == key for route in self.routes.values()):
            raise _conflict(f"Route with key {key} already exists for this API")
        return original(self, *args, **kw)

    return create_route


def _receive_message(original: Any) -> Any:
    @functools.wraps(original)
    def receive_message(
        self: Any, queue_name: str, count: int, wait_seconds_timeout: int, *args: Any, **kw: Any
    ) -> Any:
        deadline = time.monotonic() + (wait_seconds_timeout or 0)
        while True:
            found = original(self, queue_name, count, 0, *args, **kw)
            if found or time.monotonic() >= deadline or _here.closed:
                return found
            with _here.giving_way():
                time.sleep(POLL)

    return receive_message


# -- Speed


def _json_copies(original: Any) -> Any:
    """The ``copy`` module, for data that is JSON."""
    return types.SimpleNamespace(**{**vars(original), "deepcopy": json_copy})


def _parsed_once(original: Any) -> Any:
    """A parser whose tree nobody changes: the validators work on a copy."""
    return staticmethod(functools.lru_cache(maxsize=256)(original))


def _tree_copies(original: Any) -> Any:
    """``deepcopy``, for the tree that an update expression was parsed into."""

    def copied(node: Any, parent: Any = None) -> Any:
        if not hasattr(node, "set_parent"):
            return original(node)
        made = object.__new__(type(node))
        children = node.children and [copied(child, made) for child in node.children]
        vars(made).update(vars(node), parent=parent, children=children)
        return made

    return copied


def _traverse(_: Any) -> Any:
    """Goes through an expression's tree as moto does, and asks once for each kind of node."""
    wanted: dict[tuple[type, type], bool] = {}

    def traverse(self: Any, node: Any, child_id: int = -1) -> Any:
        if not hasattr(node, "set_parent"):
            return node
        parent = node.parent
        for index, child in enumerate(node.children or ()):
            self.pre_processing_of_child(node, index)
            self.traverse_node_recursively(child, index)
        kinds = type(self), type(node)
        if kinds not in wanted:
            wanted[kinds] = isinstance(node, self.nodes_to_be_processed())
        if wanted[kinds]:
            node = self.process(node)
            node.parent = parent
            if parent:
                parent.children[child_id] = node
        return node

    return traverse


def _possible_keys(original: Any) -> Any:
    def get_possible_keys(self: Any, context: Any) -> Any:
        # What else an object's attribute may be called depends on its class; a dict's has none.
        if type(context.obj) is not dict:
            return original(self, context)
        known = vars(context.shape).setdefault("_possible_keys", {})
        asked = (context.key, *self.alias_providers)
        if asked not in known:
            known[asked] = tuple(dict.fromkeys(original(self, context)))
        return known[asked]

    return get_possible_keys


# -- API Gateway


def _stage_json(original: Any) -> Any:
    def to_json(self: Any) -> dict[str, Any]:
        shown: dict[str, Any] = original(self)
        if self.config.get("deploymentId"):
            shown["deploymentId"] = self.config["deploymentId"]
        return shown

    return to_json


STAGE_SETTINGS = {
    "accessLogSettings": "access_log_settings",
    "autoDeploy": "auto_deploy",
    "clientCertificateId": "client_certificate_id",
    "defaultRouteSettings": "default_route_settings",
    "description": "description",
    "routeSettings": "route_settings",
    "stageVariables": "stage_variables",
}


def _update_stage(_: Any) -> Any:
    def update_stage(self: Any) -> Any:
        api_id, _stages, name = self.path.split("/")[-3:]
        stage = self.apigatewayv2_backend.get_stage(api_id, unquote(name))
        changes = json.loads(self.body or "{}")
        for member, attribute in STAGE_SETTINGS.items():
            if member in changes:
                setattr(stage, attribute, changes[member])
        if "deploymentId" in changes:
            stage.config["deploymentId"] = changes["deploymentId"]
        stage.updated = datetime.now()  # noqa: DTZ005 - as moto has it
        return 200, {}, json.dumps(stage.to_json())

    return update_stage


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


_INTERRUPTIBLE = "it waits and starts threads; stopped at once, on the cloud's clock, by name"
_CLIENTS = "moto calls its own botocore patch, or a server on a port"
_SERVICES = ("aws_sdk", "batch", "dynamodb", "ecs", "events", "glue", "sfn", "sns", "sqs")

REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        "moto.core.common_models",
        "BaseModel.__new__",
        _untracked,
        "it keeps every object that there ever was, for a page of moto's that lists them",
    ),
    Replacement(
        "moto.core.base_backend",
        "AccountSpecificBackend.get_session",
        _session_without_files,
        "a student's AWS profile may not exist; moto only asks for names of regions",
    ),
    Replacement(
        "moto.core.responses",
        "method_names_from_class",
        functools.lru_cache(maxsize=None),
        "it lists a class's members at every call, a sixth of a PutItem's time",
    ),
    Replacement(
        "moto.core.serialize",
        "XFormedAttributePicker.get_possible_keys",
        _possible_keys,
        "it thinks up a dozen names for each member of each answer, an eighth of a call's time",
    ),
    Replacement(
        "moto.dynamodb.parsing.ast_nodes",
        "DepthFirstTraverser.traverse_node_recursively",
        _traverse,
        "ten validators ask the same of each node again, a third of an UpdateItem's time",
    ),
    Replacement(
        "moto.dynamodb.parsing.expressions",
        "UpdateExpressionParser.make",
        _parsed_once,
        "it parses each expression twice a call, and the same few all day",
    ),
    Replacement(
        "moto.dynamodb.parsing.validators",
        "deepcopy",
        _tree_copies,
        "it copies each expression, a seventh of an UpdateItem's time",
    ),
    *(
        Replacement(
            f"{ASL}.{module}", "copy", _json_copies, "it copies a state's data at every step"
        )
        for module in (
            "eval.states",
            "component.common.path.result_path",
            "component.common.string.string_expression",
            "component.state.exec.execute_state",
        )
    ),
    Replacement(
        "moto.apigatewayv2.models", "Stage.to_json", _stage_json, "moto keeps no DeploymentId"
    ),
    Replacement(
        "moto.apigatewayv2.models",
        "Api.create_stage",
        _create_stage,
        "moto puts a new stage in the place of one of the same name; AWS answers ConflictException",
    ),
    Replacement(
        "moto.apigatewayv2.models",
        "Api.create_route",
        _create_route,
        "moto takes a route key twice; AWS answers ConflictException",
    ),
    Replacement(
        "moto.apigatewayv2.responses",
        "ApiGatewayV2Response.update_stage",
        _update_stage,
        "moto has no UpdateStage",
    ),
    Replacement(
        "moto.dynamodb.responses",
        "DynamoHandler.update_item",
        _update_item,
        "moto tells the consumed capacity to those who did not ask for it",
    ),
    Replacement(
        "moto.dynamodb.models.table",
        "Table.put_item",
        _put_item,
        "each item that changes is in the log",
    ),
    Replacement(
        "moto.dynamodb.models.table",
        "Table.delete_item",
        _delete_item,
        "each item that changes is in the log",
    ),
    Replacement(
        "moto.dynamodb.models",
        "DynamoDBBackend.update_item",
        _updated_item,
        "each item that changes is in the log",
    ),
    Replacement(
        "moto.dynamodb.models",
        "DynamoDBBackend.transact_write_items",
        _transact_write_items,
        "nothing is written when moto rolls a transaction back",
    ),
    Replacement(
        "moto.dynamodb.models",
        "copy",
        _table_copies,
        "before a transaction it copies whole tables, so that each takes longer than the one before",
    ),
    Replacement(
        "moto.awslambda.models",
        "LambdaFunction.invoke",
        _never_invoke,
        "moto would start Docker for its own event sources",
    ),
    Replacement(
        "moto.awslambda.policy",
        "Policy.add_statement",
        _add_statement,
        "moto takes a statement id twice",
    ),
    Replacement(
        "moto.sqs.models",
        "SQSBackend.receive_message",
        _receive_message,
        "moto would poll for up to 20 seconds while every other call waits",
    ),
    # Time and threads
    Replacement(
        f"{PARSER}.backend.execution_worker", "Thread", _always(running.Thread), _INTERRUPTIBLE
    ),
    Replacement(f"{ASL}.component.program.program", "threading", _threads, _INTERRUPTIBLE),
    Replacement(f"{STATE}.exec.execute_state", "threading", _threads, _INTERRUPTIBLE),
    Replacement(f"{STATE}.exec.execute_state", "Thread", _always(running.Thread), _INTERRUPTIBLE),
    Replacement(
        f"{STATE}.exec.state_parallel.branch_worker", "threading", _threads, _INTERRUPTIBLE
    ),
    Replacement(
        f"{STATE}.exec.state_parallel.branches_decl", "threading", _threads, _INTERRUPTIBLE
    ),
    Replacement(
        f"{STATE}.exec.state_map.iteration.inline_iteration_component",
        "threading",
        _threads,
        _INTERRUPTIBLE,
    ),
    Replacement(f"{STATE}.exec.state_map.iteration.job", "threading", _threads, _INTERRUPTIBLE),
    Replacement(
        f"{TASK}.service.state_task_service_callback", "threading", _threads, _INTERRUPTIBLE
    ),
    Replacement(f"{TASK}.service.state_task_service_callback", "time", _time, _INTERRUPTIBLE),
    Replacement(f"{ASL}.eval.callback.callback", "Event", _always(running.Event), _INTERRUPTIBLE),
    Replacement(
        f"{ASL}.eval.callback.callback",
        "CallbackEndpoint.setup_heartbeat_endpoint",
        _setup_heartbeat,
        "a task that its function ended before it returned would wait for a heartbeat",
    ),
    Replacement(f"{ASL}.component.common.retry.retrier_decl", "time", _retry_time, _INTERRUPTIBLE),
    Replacement(
        f"{STATE}.wait.wait_function.wait_function",
        "WaitFunction._wait_interval",
        _wait_interval,
        _INTERRUPTIBLE,
    ),
    Replacement(
        f"{STATE}.choice.comparison.operator.implementations.is_operator",
        "IsTimestamp.string_to_timestamp",
        _string_to_timestamp,
        "moto knows neither fractions of a second, as in the context object's times, nor offsets",
    ),
    # An execution's life
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend.start_execution",
        _start_execution,
        "without a name moto makes an execution named None; names and input are not checked",
    ),
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend.create_state_machine",
        _create_state_machine,
        "moto answers with the old machine when the definition differs",
    ),
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend.update_state_machine",
        _update_state_machine,
        "moto does not know what an Express state machine does not support",
    ),
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend._validate_definition",
        _validate_definition,
        "moto takes resources and targets that do not exist",
    ),
    Replacement(
        f"{ASL}.parse.asl_parser",
        "AmazonStateLanguageParser.parse",
        _parse,
        "parsing takes 10 ms and more, and what it makes keeps no state of an execution; its "
        "distributed Map takes half of the fields, and overlooks iterations that fail",
    ),
    *(
        Replacement(
            module,
            "parse",
            functools.lru_cache(maxsize=1024),
            "it builds its parser anew at each path, which is half of a state's time",
        )
        for module in (f"{ASL}.utils.json_path", f"{ASL}.component.common.path.result_path")
    ),
    Replacement(
        f"{PARSER}.backend.execution_worker",
        "ExecutionWorker._execution_logic",
        _execution_logic,
        "an exception in it would be printed and leave the execution running for ever",
    ),
    Replacement(
        f"{PARSER}.backend.execution_worker",
        "ExecutionWorker._get_evaluation_environment",
        _environment,
        "StartTime in the context object is a Python object, RedriveCount is missing",
    ),
    Replacement(
        f"{PARSER}.backend.execution",
        "BaseExecutionWorkerCommunication.terminated",
        _terminated,
        "the log is told, and left-over threads end",
    ),
    Replacement(
        f"{ASL}.eval.environment",
        "Environment.set_timed_out",
        _set_timed_out,
        "states would wait on after the execution's time is over",
    ),
    Replacement(
        f"{ASL}.eval.environment",
        "Environment.set_error",
        _set_error,
        "a state that was at work when the execution was stopped would make it FAILED",
    ),
    Replacement(
        f"{ASL}.eval.event.event_manager",
        "EventManager.add_event",
        _add_event,
        "the event log is written from the history",
    ),
    Replacement(
        f"{STATE}.state",
        "CommonStateField._eval_body",
        _eval_state_body,
        "a state that is stopped ends here",
    ),
    Replacement(
        f"{STATE}.state",
        "CommonStateField._eval_state_input",
        _eval_state_input,
        "the fault seam; EnteredTime in AWS's form",
    ),
    Replacement(
        f"{STATE}.exec.execute_state",
        "ExecutionState._evaluate_with_timeout",
        _evaluate_with_timeout,
        "the fault seam at each attempt; a retried task needs a new token",
    ),
    Replacement(
        f"{STATE}.exec.execute_state",
        "ExecutionState._handle_retry",
        _handle_retry,
        "no history event says that a state is tried again",
    ),
    Replacement(
        f"{STATE}.exec.execute_state",
        "ExecutionState._handle_catch",
        _handle_catch,
        "no history event says that an error was caught",
    ),
    *(
        Replacement(
            f"{ASL}.component.eval_component",
            f"EvalComponent.{name}",
            _always(lambda self, *_, **__: None),
            "it writes the whole component out for a log that nobody reads",
        )
        for name in ("_log_failure_event_exception", "_log_exception")
    ),
    # Errors, limits and queries
    Replacement(
        f"{ASL}.component.common.error_name.custom_error_name",
        "CustomErrorName.__init__",
        _always(lambda self, error_name: setattr(self, "error_name", error_name)),
        "in a Map or Parallel state, States.Timeout and its like would become another error",
    ),
    Replacement(
        f"{ASL}.component.common.error_name.failure_event",
        "FailureEventException.get_execution_failed_event_details",
        _failed_details,
        "the state within is the one that failed; the Map or Parallel state would be named, too",
    ),
    Replacement(
        f"{ASL}.component.common.error_name.error_equals_decl",
        "ErrorEqualsDecl._eval_body",
        _error_equals,
        "States.ALL does not catch States.Runtime and States.DataLimitExceeded",
    ),
    Replacement(
        f"{TASK}.state_task", "StateTask._from_error", _task_error, "States.HeartbeatTimeout"
    ),
    Replacement(
        f"{TASK}.service.state_task_service_dynamodb",
        "StateTaskServiceDynamoDB._from_error",
        _own_errors_only,
        "a time-out is not DynamoDB's error, nor is a path into nothing, which nothing catches",
    ),
    Replacement(
        f"{TASK}.service.state_task_service_lambda",
        "StateTaskServiceLambda._from_error",
        _lambda_error,
        "Lambda.Unknown",
    ),
    Replacement(
        f"{TASK}.state_task_lambda",
        "StateTaskLambda._from_error",
        _lambda_error,
        "Lambda.Unknown, Lambda.TooManyRequestsException and the like, not Exception",
    ),
    *(
        Replacement(module, "is_within_size_quota", _within_quota, "262,144 bytes are allowed")
        for module in (
            f"{STATE}.state",
            f"{TASK}.state_task_lambda",
            f"{TASK}.service.state_task_service",
        )
    ),
    Replacement(
        f"{STATE}.choice.state_choice",
        "StateChoice._eval_state",
        _choice,
        "States.NoChoiceMatched",
    ),
    Replacement(
        f"{STATE}.choice.comparison.comparison_variable",
        "ComparisonVariable._eval_body",
        _present,
        "for moto, a variable that is not there differs from every value",
    ),
    Replacement(
        f"{ASL}.component.common.string.string_expression",
        "StringJSONata._eval_body",
        _eval_jsonata,
        "moto's JSONata needs a Java machine",
    ),
    Replacement(
        f"{ASL}.component.common.string.string_expression",
        "StringVariableSample._eval_body",
        _eval_variable,
        "moto's JSONata needs a Java machine",
    ),
    # Tasks
    *(
        Replacement(module, "boto_client_for", _client_for, _CLIENTS)
        for module in (
            f"{STATE}.exec.state_map.result_writer.resource_eval.resource_eval_s3",
            f"{STATE}.exec.state_map.item_reader.eval.resource_eval_s3",
            f"{TASK}.lambda_eval_utils",
            f"{TASK}.service.state_task_service_unsupported",
            *(f"{TASK}.service.state_task_service_{name}" for name in _SERVICES),
        )
    ),
    Replacement(
        f"{TASK}.service.state_task_service",
        "StateTaskService._get_boto_service_name",
        _boto_service,
        "aws-sdk:cloudwatchlogs is botocore's logs",
    ),
    Replacement(
        f"{TASK}.service.state_task_service",
        "StateTaskService._get_boto_service_action",
        _boto_action,
        "describeDBInstances is botocore's describe_db_instances",
    ),
    Replacement(
        f"{TASK}.service.state_task_service_aws_sdk",
        "StateTaskServiceAwsSdk._normalise_service_error_name",
        _always(staticmethod(resources.error_prefix)),
        "moto knows the prefixes of two services",
    ),
    *(
        Replacement(
            f"{TASK}.service.state_task_service_{module}",
            f"StateTaskService{name}._eval_service_task",
            _add_metadata,
            "moto's results lack SdkHttpMetadata and SdkResponseMetadata",
        )
        for module, name in (
            ("dynamodb", "DynamoDB"),
            ("events", "Events"),
            ("lambda", "Lambda"),
            ("sfn", "Sfn"),
            ("sns", "Sns"),
            ("sqs", "Sqs"),
        )
    ),
    Replacement(
        f"{TASK}.service.state_task_service_api_gateway",
        "StateTaskServiceApiGateway._get_supported_parameters",
        _always(lambda self: set(api_call.PARAMETERS)),
        "moto drops all but two",
    ),
    Replacement(
        f"{TASK}.service.state_task_service_api_gateway",
        "StateTaskServiceApiGateway._eval_service_task",
        _call_api_task,
        "moto knows only REST APIs on a port, and no status but 200",
    ),
    Replacement(
        f"{TASK}.service.state_task_service_api_gateway",
        "StateTaskServiceApiGateway._from_error",
        _call_api_error,
        "ApiGateway.410",
    ),
    # Step Functions' API
    *(
        Replacement("moto.stepfunctions.responses", f"StepFunctionResponse.{name}", by, why)
        for name, by, why in (
            ("start_sync_execution", _start_sync_execution, "moto has no StartSyncExecution"),
            ("redrive_execution", _redrive_execution, "moto has no RedriveExecution"),
            ("describe_execution", _describe_execution, "a string as output; stopDate"),
            ("list_executions", _list_executions, "stopDate of what timed out"),
            ("stop_execution", _stop_execution, "error and cause; ABORTED when it returns"),
            ("get_execution_history", _get_execution_history, "order and pages"),
            (
                "describe_state_machine_for_execution",
                _describe_machine_of,
                "the definition that the execution began with",
            ),
            ("send_task_failure", _send_task_failure, "the cause; tokens of ended tasks"),
            ("send_task_success", _send_task_success, "InvalidOutput; tokens of ended tasks"),
            ("send_task_heartbeat", _send_task_heartbeat, "tokens of ended tasks; early ones"),
        )
    ),
)
"""What is replaced in moto, and why.  Applied once a process, when a service is first used."""

_done: set[str] = set()


def _replace(package: str) -> None:
    """Apply the replacements in a package of moto's."""
    if package in _done:
        return
    _done.add(package)
    for one in REPLACEMENTS:
        if not one.module.startswith(package + "."):
            continue
        holder: Any = importlib.import_module(one.module)
        *path, name = one.name.split(".")
        for part in path:
            holder = getattr(holder, part)
        static = isinstance(inspect.getattr_static(holder, name, None), staticmethod)
        made = one.by(getattr(holder, name, None))
        if static and not isinstance(made, staticmethod):
            made = staticmethod(made)
        setattr(holder, name, made)


def _load_interpreter() -> None:
    """Import the interpreter without EC2.

    Its task for Batch imports ``moto.batch.utils``, and with it the package, which imports all of
    EC2's instance types: a second that nothing here needs.  So the package stands as an empty one
    while the interpreter is imported.
    """
    if "moto.batch" in sys.modules:
        importlib.import_module(f"{PARSER}.models")
        return
    package = types.ModuleType("moto.batch")
    package.__path__ = [os.path.join(path, "batch") for path in moto.__path__]
    sys.modules["moto.batch"] = package
    try:
        importlib.import_module(f"{PARSER}.models")
    finally:
        del sys.modules["moto.batch"]
