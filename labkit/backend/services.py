"""Every AWS service that moto has: calls answered one at a time, and what moto keeps."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.sax.saxutils import escape

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
from labkit.backend import here, interpreter, loading, records, seam
from labkit.backend.clients import Clients
from labkit.backend.executions import CallApi, Executions, where
from labkit.backend.interpreter import ASL
from labkit.backend.written import Written
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.functions.model import FunctionConfiguration
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

AMAZON_HOST = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")


class Backend:
    """Every AWS service that moto has, in this process.

    moto's state belongs to the process, so there is one backend at a time; a new one begins empty.

    Args:
        log: where executions and faults are written.
        faults: the fault seam (steps ``state.enter`` and ``state.wait``).
        clock: how fast Wait, Retry and timeouts run.
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
        dispatch: Callable[[AwsRequest], AwsResponse] | None = None,
        call_api: CallApi | None = None,
    ) -> None:
        self._log = log
        executions = Executions(log, faults, clock, call_api)
        clients = Clients(dispatch or self.call, self.credentials, executions.failed)
        self._seam = seam.here = seam.Seam(log, executions, clients, Written(log))
        self._lock = self._seam.lock
        self._handlers: dict[str, list[tuple[re.Pattern[str], Callable[..., Any]]]] = {}
        self._functions: dict[tuple[str, str, str], FunctionConfiguration | None] = {}
        self._credentials: dict[tuple[str, str], dict[str, str]] = {}
        self._accounts: dict[str, str] = {"": LOCAL_ACCOUNT}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="labkit-moto")
        self._waiting = ThreadPoolExecutor(WAITING_THREADS, thread_name_prefix="labkit-waiting")
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        loading.replace("moto.core")
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
            self._log.append("cloud.error", request.trace, message=message, detail=where(error))
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
        here.caller.set(request.trace)
        with self._lock:
            try:
                status, headers, body = handler(moto_request, url, moto_request.headers)
            except HTTPException as error:
                status, body = error.code or 500, error.get_body()
                headers = dict(error.get_headers())
            if request.service in ("lambda", "cloudformation") and request.method != "GET":
                self._functions.clear()
            if self._seam.written:
                self._seam.written.tell(request.trace)
        sent = Headers((name, str(value)) for name, value in headers.items() if name != "status")
        return AwsResponse(int(status), sent, body.encode() if isinstance(body, str) else body)

    def _handler(self, host: str, url: str) -> Callable[..., Any]:
        for pattern, handler in self._handlers.get(host) or self._find(host):
            if pattern.match(url):
                return handler
        raise NotImplementedError(f"no handler for {url}")

    def _find(self, host: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
        with self._lock:
            found = self._handlers[host] = loading.handlers(host)
            return found

    # DynamoDB

    # API Gateway

    def api(self, api_id: str) -> model.Api | None:
        """An API as it is now, with routes, integrations and authorizers; ``None`` if unknown."""
        with self._lock:
            found = self._moto_api(api_id)
            return records.api_record(found) if found else None

    def apis(self) -> list[model.Api]:
        """All APIs of all accounts and regions."""
        with self._lock:
            return [
                records.api_record(api)
                for backend in loading.every("apigatewayv2")
                for api in backend.apis.values()
            ]

    def stages(self, api_id: str) -> list[model.StageSettings]:
        """An API's stages; empty if the API is unknown."""
        with self._lock:
            found = self._moto_api(api_id)
            return [records.stage_record(stage) for stage in found.stages.values()] if found else []

    def api_keys(self, account: str, region: str) -> list[ApiKey]:
        """The API keys of an account in a region, with the stages that their usage plans open."""
        with self._lock:
            if "apigateway" not in loading.ready:
                return []  # loading it takes two seconds, and nobody has made a key
            backend = loading.backends_of("apigateway")[account][region]
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
        for backend in loading.every("apigatewayv2"):
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
                found = self._functions[key] = records.function_record(ref, account, region)
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
            logs = loading.backends_of("logs")[account][region]
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
                assumed = loading.backends_of("sts")[account]["aws"].assume_role(
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

    def client(self, service: str, region: str, account: str) -> Any:
        """A boto3 client as state machines have them: its calls stay within the cloud.

        Args:
            service: botocore's name.
            region: such as ``us-east-1``.
            account: the account that calls.
        """
        return self._seam.clients.client(service, region, account)

    # Life

    def warm(self) -> None:
        """Load what the first calls need; takes most of a second, meant for a thread of its own."""
        for service in ("dynamodb", "lambda", "states", "apigateway", "logs", "iam"):
            self._find(f"{service}.us-east-1.amazonaws.com")
        parser = importlib.import_module(f"{ASL}.parse.asl_parser")
        parser.AmazonStateLanguageParser.parse(json.dumps(interpreter.SAMPLE))
        for service in ("lambda", "dynamodb"):
            self.client(service, "us-east-1", LOCAL_ACCOUNT)

    def seed(self, seed: int) -> None:
        """Make the ids that moto gives out reproducible."""
        with self._lock:
            mock_random.seed(seed)

    def reset(self) -> None:
        """Forget everything: all services, all accounts.  Executions are stopped."""
        self._seam.executions.stop()
        with self._lock:
            BackendDict.reset()
            reset_model_data()
            self._functions.clear()
            self._credentials.clear()
            self._accounts = {"": LOCAL_ACCOUNT}
            self._seam.clients.forget()

    def remove_account(self, account: str) -> tuple[list[str], list[str]]:
        """Forget all that an account holds, in every service.  Its executions are stopped.

        Args:
            account: twelve digits.

        Returns:
            The ids of the APIs and the ARNs of the functions that were there.
        """
        self._seam.executions.stop(account)
        with self._lock:
            apis = [api.id for api in self.apis() if api.account == account]
            functions = [
                function.function_arn
                for backend in loading.every("lambda")
                if backend.account_id == account
                for function in backend.list_functions()
            ]
            for service in BackendDict._instances:  # type: ignore[misc]
                if account in service:
                    service[account].reset()
                    del service[account]
            self._functions.clear()
            self._seam.clients.forget(account)
            # Its access keys stay known: a function that is about to end must not find itself in
            # another account.
            for key in [key for key in self._credentials if key[0] == account]:
                del self._credentials[key]
        return apis, functions

    def close(self) -> None:
        """End all executions and all threads.  Safe to call twice."""
        self._seam.executions.closed = True
        self._seam.executions.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._waiting.shutdown(wait=True, cancel_futures=True)


def _error(request: AwsRequest, error: AwsError) -> AwsResponse:
    """An error in the form that the request's protocol has."""
    if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return AwsResponse.error(error)
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error></ErrorResponse>"
    )
    return AwsResponse(error.status, Headers({"Content-Type": "text/xml"}), body.encode())
