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

Not emulated here: what moto itself lacks.  It is answered with ``NotImplemented`` (501) and a
sentence that says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from urllib.parse import unquote

import moto.backend_index
import moto.backends
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.core.request import Request
from moto.iam.models import get_account_id_from
from moto.moto_api._internal import mock_random
from werkzeug.exceptions import HTTPException

from labkit.apigateway import model
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Faults
from labkit.functions.model import FunctionConfiguration
from labkit.trace import Trace
from labkit.wire import LOCAL_ACCOUNT, AwsRequest, AwsResponse, Headers

THREADS = 4
"""Threads that make calls for the event loop; more than one, so that a call that waits (SQS's long
polling) does not hold up the others."""

AMAZON_HOST = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")


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
        faults: the fault seam (step ``state.enter``).
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
        self._handlers: dict[str, list[tuple[re.Pattern[str], Callable[..., Any]]]] = {}
        self._functions: dict[tuple[str, str, str], FunctionConfiguration | None] = {}
        self._credentials: dict[tuple[str, str], dict[str, str]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="labkit-moto")
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
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
            return AwsResponse.error(error)
        except NotImplementedError as error:
            message = (
                f"The local cloud does not emulate this call to {request.service} "
                f"({error or request.operation or request.path}). It works on AWS only."
            )
            self._log.append("cloud.warning", request.trace, message=message)
            return AwsResponse.error(AwsError("NotImplemented", message, 501))
        except Exception as error:
            what = request.operation or f"{request.method} {request.path}"
            message = f"The local cloud failed at {request.service} {what}: {error!r}"
            self._log.append("cloud.error", request.trace, message=message, detail=_where(error))
            return AwsResponse.error(AwsError("InternalFailure", message, 500))

    async def answer(self, request: AwsRequest) -> AwsResponse:
        """:meth:`call`, from the event loop and without holding it up."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.call, request)

    def _call(self, request: AwsRequest) -> AwsResponse:
        host = request.headers.get("Host", "").partition(":")[0]
        if not AMAZON_HOST.search(host):
            host = f"{request.service}.{request.region}.amazonaws.com"
        url = f"https://{host}{request.path}"
        handler = self._handler(request.service, host, url)
        if request.query:
            url = f"{url}?{request.query}"
        moto_request = Request.from_primitives(
            request.method, url, {**request.headers, "Host": host}, request.body
        )
        with self._lock:
            try:
                status, headers, body = handler(moto_request, url, moto_request.headers)
            except HTTPException as error:
                status, body = error.code or 500, error.get_body()
                headers = dict(error.get_headers())
            if request.service in ("lambda", "cloudformation") and request.method != "GET":
                self._functions.clear()
        sent = Headers((name, str(value)) for name, value in headers.items() if name != "status")
        return AwsResponse(int(status), sent, body.encode() if isinstance(body, str) else body)

    def _handler(self, service: str, host: str, url: str) -> Callable[..., Any]:
        handlers = self._handlers.get(host)
        if handlers is None:
            with self._lock:
                handlers = self._handlers[host] = _handlers(host)
        for pattern, handler in handlers:
            if pattern.match(url):
                return handler
        raise NotImplementedError(f"no handler for {url}")

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
        with self._lock:
            return str(get_account_id_from(access_key)) if access_key else LOCAL_ACCOUNT

    # Life

    def warm(self) -> None:
        """Load what the first calls need; slow (a few hundred ms), meant for a thread of its own."""
        for name in ("dynamodb", "iam", "sts", "awslambda", "logs", "apigatewayv2"):
            _backends(name)

    def seed(self, seed: int) -> None:
        """Make the ids that moto gives out reproducible."""
        with self._lock:
            mock_random.seed(seed)

    def reset(self) -> None:
        """Forget everything: all services, all accounts."""
        with self._lock:
            BackendDict.reset()
            reset_model_data()
            self._functions.clear()
            self._credentials.clear()

    def close(self) -> None:
        """End all executions and all threads.  Safe to call twice."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _backends(service: str) -> Any:
    """All of a service's state: by account, then by region (``aws`` for services without one)."""
    return moto.backends.get_backend(service)  # type: ignore[call-overload]


def _handlers(host: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
    """Find moto's handlers for a host, by URL pattern."""
    base = f"https://{host}"
    names = [n for n, pattern in moto.backend_index.backend_url_patterns if pattern.match(base)]
    # API Gateway's version 1 shares the host with version 2.  Its import takes most of a second for
    # an OpenAPI validator, so it is asked last and loaded when something asks for it.
    names.sort(key=lambda name: name == "apigateway")
    found: list[tuple[re.Pattern[str], Callable[..., Any]]] = []
    for name in dict.fromkeys(names):
        if name == "apigateway" and len(names) > 1:
            found.append((re.compile(r"https://[^/]+/(?!v2/)"), _later(name, host)))
            continue
        found += _urls(name)
    return found


def _later(name: str, host: str) -> Callable[..., Any]:
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
        cors=_capital(api.cors_configuration or {}),
        raw=_capital(api.to_json()),
    )


def _route(route: Any) -> model.Route:
    responses = route.route_responses.values()
    return model.Route(
        id=route.route_id,
        key=route.route_key,
        integration_id=(route.target or "").removeprefix("integrations/"),
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
