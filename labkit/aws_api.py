"""Which part of the cloud answers which AWS operation.

Most are answered by moto.  Four kinds are not, because they touch what really runs here: invoking a
function, deployments of an API, ``ApiEndpoint`` in API Gateway's answers, and (after moto has changed
its records) telling the functions and the deployments that something changed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote

from labkit import request_form
from labkit.address import access_key
from labkit.apigateway.deployments import Deployments
from labkit.apigateway.http_checks import check_integration
from labkit.apigateway.model import Protocol
from labkit.apigateway.quick_create import (
    QUICK_STAGE,
    check_quick_create,
    quick_integration,
    quick_route,
)
from labkit.apigateway.quotas import MOST, check_quota
from labkit.backend import Backend
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Action, Faults
from labkit.functions.package import check_package
from labkit.functions.passed_over import passed_over
from labkit.functions.service import Functions
from labkit.states import express
from labkit.wire import LOCAL_ACCOUNT, AwsRequest, AwsResponse, Headers

_INVOKE = re.compile(r"^/2015-03-31/functions/(?P<function>[^/]+)/invocations$")
_FUNCTION = re.compile(r"^/(?:2015-03-31|2017-10-31)/functions(?:/(?P<function>[^/]+))?")
_API = re.compile(r"^/v2/apis(?:/(?P<api>[^/]+))?")
_GONE = re.compile(r"^/v2/apis/(?P<api>[^/]+)(?:/stages/(?P<stage>[^/]+))?/?$")
_REST = {"POST": "Create", "GET": "Get", "PUT": "Put", "PATCH": "Update", "DELETE": "Delete"}

_POLICY = re.compile(r"(?:Put|Attach|Create)\w*Policy(?:Version)?$")

POLICIES_ARE_KEPT = (
    "Policies of IAM are kept here, and not enforced: whoever makes a call may make it. On AWS a call that "
    "no policy allows is refused (AccessDenied), so try there what a role may do before you rely on it."
)
"""The warning of the first policy."""


class AwsApi:
    """Answers every AWS API call that reaches the cloud.

    Args:
        log: where ``aws.call`` is written.
        faults: asked at the step ``aws.call``.
        backend: moto.
        functions: Lambda's execution side.
        deployments: which stage serves what.
        endpoint: the cloud's own address, ``http://127.0.0.1:N``.
        close: closes the connections to an API, or to one of its stages: the API's id, the stage's
            name or ``None``.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        faults: Faults,
        backend: Backend,
        functions: Functions,
        deployments: Deployments,
        endpoint: Callable[[], str],
        close: Callable[[str, str | None], None] = lambda api_id, stage: None,
    ) -> None:
        self._log = log
        self._faults = faults
        self._backend = backend
        self._functions = functions
        self._deployments = deployments
        self._endpoint = endpoint
        self._close = close
        self._warned: set[str] = set()

    async def answer(self, request: AwsRequest) -> AwsResponse:
        """Answer one call; an AWS error is an answer too."""
        started = time.perf_counter()
        account = self._backend.account(access_key(request.headers))
        facts = {} if account == LOCAL_ACCOUNT else {"account": account}
        try:
            request.inflate()
            request.operation = request.operation or operation_of(request)
            facts |= _facts(request)
            repeat = await self._suffer(request, facts)
            response = await self._route(request)
            if repeat:
                response = await self._route(request)
        except AwsError as error:
            response = AwsResponse.error(error)
        except Exception:
            wrong = request_form.problem(request)
            if wrong is None:
                raise
            response = AwsResponse.error(wrong)
        self._log.append(
            "aws.call",
            request.trace,
            service=request.service,
            operation=request.operation or operation_of(request),
            status=response.status,
            durationMs=round((time.perf_counter() - started) * 1000, 3),
            **facts,
        )
        return response

    async def _suffer(self, request: AwsRequest, facts: Mapping[str, Any]) -> bool:
        """Let a fault strike; ``True`` if the call is to be made twice."""
        fault = self._faults.strike(
            "aws.call",
            request.trace,
            service=request.service,
            operation=request.operation,
            table=facts.get("table"),
        )
        if fault is None:
            return False
        if fault.action is Action.DELAY:
            await asyncio.sleep(fault.seconds)
        elif fault.action is Action.THROTTLE:
            raise _throttled(request)
        elif fault.action is Action.ERROR:
            raise AwsError(fault.code, "A fault that was set struck here.", fault.status)
        return fault.action is Action.DUPLICATE

    async def _route(self, request: AwsRequest) -> AwsResponse:
        if request.service == "lambda":
            return await self._lambda(request)
        if request.service == "apigateway" and request.path.startswith("/v2/"):
            return await self._apigateway(request)
        if request.service == "execute-api":
            # On AWS there is no host of this name, which a client finds out after a long wait.
            raise AwsError(
                "UnknownEndpoint",
                f"execute-api.{request.region}.amazonaws.com names no API. Make the client with "
                f"endpoint_url='https://API_ID.execute-api.{request.region}.amazonaws.com/STAGE'.",
                404,
            )
        if "x-amz-json" in request.headers.get("Content-Type", ""):
            request.json()  # refuses what moto takes for an object without members
        response = await self._backend.answer(request)
        if response.status < 300 and (warning := _not_emulated(request, response)):
            self._warn_once(request, warning)
        return response

    def _warn_once(self, request: AwsRequest, warning: str) -> None:
        if warning not in self._warned:
            self._warned.add(warning)
            self._log.append("cloud.warning", request.trace, message=warning)

    async def _lambda(self, request: AwsRequest) -> AwsResponse:
        if request.method == "POST" and (found := _INVOKE.match(request.path)):
            return await self._invoke(request, unquote(found["function"]))
        wish = request.json() if request.method in ("POST", "PUT") else {}
        encoded = wish.get("ZipFile") or (wish.get("Code") or {}).get("ZipFile")
        if encoded:
            check_package(base64.b64decode(encoded))
        response = await self._backend.answer(request)
        if response.status < 300:
            for warning in passed_over(wish):
                self._log.append("cloud.warning", request.trace, message=warning)
        found = _FUNCTION.match(request.path)
        if found and found["function"] and request.method != "GET" and response.status < 300:
            name = unquote(found["function"]).rsplit(":function:", 1)[-1].partition(":")[0]
            account = self._backend.account(access_key(request.headers))
            self._functions.changed(f"arn:aws:lambda:{request.region}:{account}:function:{name}")
        return response

    async def _invoke(self, request: AwsRequest, function: str) -> AwsResponse:
        query = parse_qs(request.query)
        if "Qualifier" in query and function.count(":") not in (1, 7):
            function = f"{function}:{query['Qualifier'][0]}"
        invocation = await self._functions.invoke(
            function,
            request.body,
            invocation_type=request.headers.get("X-Amz-Invocation-Type", "RequestResponse"),
            log_type=request.headers.get("X-Amz-Log-Type", "None"),
            trace=request.trace,
            account=self._backend.account(access_key(request.headers)),
            region=request.region,
            client_context=request.headers.get("X-Amz-Client-Context"),
        )
        headers = Headers(
            {
                "Content-Type": "application/json",
                "x-amzn-RequestId": invocation.request_id,
                "X-Amz-Executed-Version": invocation.version,
            }
        )
        if invocation.function_error:
            headers["X-Amz-Function-Error"] = invocation.function_error
        if invocation.log_tail:
            headers["X-Amz-Log-Result"] = base64.b64encode(invocation.log_tail).decode()
        return AwsResponse(invocation.status, headers, invocation.payload)

    async def _apigateway(self, request: AwsRequest) -> AwsResponse:
        wish = request.json()  # refuses what moto fails on
        if request.operation == "CreateApi":
            check_quick_create(wish)
        found = _API.match(request.path)
        api_id = unquote(found["api"]) if found and found["api"] else ""
        if request.operation in MOST and (api := self._backend.api(api_id)):
            if request.operation == "CreateIntegration":
                check_integration(wish, api.protocol)
            check_quota(request.operation, api, len(self._backend.stages(api_id)))
        response = self._deployments.answer(request)
        if response is not None:
            return response
        response = await self._backend.answer(request)
        if response.status < 300:
            if request.operation == "CreateApi":
                await self._quick_create(request, response)
            if found:
                self._show_endpoint(response)
            if request.method != "GET" and api_id:
                self._deployments.changed(api_id)
            if request.method == "DELETE" and (gone := _GONE.match(request.path)):
                # AWS documents nothing of connections whose API or stage is deleted (our choice).
                self._close(unquote(gone["api"]), gone["stage"] and unquote(gone["stage"]))
        return response

    async def _quick_create(self, request: AwsRequest, response: AwsResponse) -> None:
        """Give a new API what ``Target`` asks for, see :mod:`labkit.apigateway.quick_create`."""
        wish = request.json()
        if not wish.get("target"):
            return
        api_id = json.loads(response.body)["apiId"]

        async def create(what: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
            part = replace(
                request,
                path=f"/v2/apis/{api_id}/{what}",
                body=json.dumps(members).encode(),
                operation="",
            )
            made: Mapping[str, Any] = json.loads((await self._backend.answer(part)).body)
            return made

        integration = await create("integrations", quick_integration(wish))
        await create("routes", quick_route(wish, str(integration["integrationId"])))
        await create("stages", QUICK_STAGE)
        self._deployments.changed(api_id)

    def _show_endpoint(self, response: AwsResponse) -> None:
        """Put the address under which the API really answers into ``ApiEndpoint``."""
        try:
            body = json.loads(response.body or b"null")
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        shown = body.get("items") if "items" in body else [body]
        for api in shown if isinstance(shown, list) else []:
            if isinstance(api, dict) and "apiEndpoint" in api:
                scheme = "ws" if api.get("protocolType") == Protocol.WEBSOCKET else "http"
                host = self._endpoint().removeprefix("http://")
                api["apiEndpoint"] = f"{scheme}://{host}/execute-api/{api['apiId']}"
        response.body = json.dumps(body).encode()


def _not_emulated(request: AwsRequest, response: AwsResponse) -> str:
    """What to say of a call that has succeeded, and of which AWS would make more; mostly nothing."""
    if request.service == "iam" and _POLICY.match(request.operation):
        return POLICIES_ARE_KEPT
    if request.service == "states" and request.operation == "StartExecution":
        arn = str(json.loads(response.body)["executionArn"])
        if express.is_execution(arn):
            return express.at_least_once(arn)
    return ""


def operation_of(request: AwsRequest) -> str:
    """The operation's name as far as the request shows it.

    ``X-Amz-Target`` (JSON protocols) and ``Action`` (query protocol) name it; of the REST protocols
    only Lambda and API Gateway are spelled out, others show their method and path.
    """
    target = request.headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    if request.body.startswith(b"Action="):
        return parse_qs(request.body.decode("latin-1")).get("Action", [""])[0]
    if request.service == "lambda":
        if _INVOKE.match(request.path):
            return "Invoke"
        segments = request.path.strip("/").split("/")[1:]
        return _REST.get(request.method, request.method) + _noun(segments)
    if request.service == "apigateway":
        segments = request.path.strip("/").split("/")[1:]
        return _REST.get(request.method, request.method) + _noun(segments)
    return f"{request.method} {request.path}"


def _noun(segments: list[str]) -> str:
    """``["apis", "a1", "routes"]`` → ``Route``."""
    names = segments[::2]
    noun = names[-1].removesuffix("s") if names else ""
    return "".join(part.capitalize() for part in noun.split("-"))


def _facts(request: AwsRequest) -> dict[str, Any]:
    """What the log shows of a call beside its name."""
    if request.service != "dynamodb" or not request.body:
        return {}
    try:
        body = request.json()
    except AwsError:
        return {}
    facts = {
        "table": body.get("TableName"),
        "key": body.get("Key"),
        "ttl": body.get("TimeToLiveSpecification"),
    }
    return {name: value for name, value in facts.items() if value}


def _throttled(request: AwsRequest) -> AwsError:
    """The throttling error of a service, as boto3 and Step Functions know it."""
    if request.service == "dynamodb":
        return AwsError(
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. "
            "Consider increasing your provisioning level with the UpdateTable API.",
        )
    if request.service == "lambda":
        return AwsError(
            "TooManyRequestsException",
            "Rate Exceeded.",
            429,
            Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
        )
    return AwsError("ThrottlingException", "Rate exceeded")
