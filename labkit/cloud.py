"""The local cloud, put together.  Read this first: every part is made here, once.

::

    boto3 ──▶ server ──▶ aws_api ──▶ backend (moto)
                │           └──────▶ functions ──▶ processes (Runtime API)
    sockets ─▶  ├──▶ websocket_apis ──▶ functions
    requests ▶  └──▶ http_apis ───────▶ functions
                          backend (Step Functions) ──▶ aws_api, websocket_apis, http_apis

Everything runs on one asyncio loop.  The state machines' interpreter has threads of its own, which
reach the loop through :meth:`Cloud._from_thread`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote

from labkit.address import ToApi, addressee, is_signed
from labkit.apigateway.deployments import Deployments
from labkit.apigateway.http_api import HttpApis
from labkit.apigateway.http_message import HttpRequest
from labkit.apigateway.limits import AWS
from labkit.apigateway.websocket_api import WebSocketApis
from labkit.aws_api import AwsApi
from labkit.backend import Backend
from labkit.clock import Clock
from labkit.errors import AwsError
from labkit.eventlog import EventLog
from labkit.faults import Fault, Faults
from labkit.functions.service import Functions
from labkit.origin import Origins
from labkit.server import CONNECTIONS, HOST, Server
from labkit.trace import Trace
from labkit.wire import AwsRequest, AwsResponse, Headers

T = TypeVar("T")


class Cloud:
    """A local cloud.

    Args:
        port: loopback port; 0 lets the system choose.
        speed: how many seconds of AWS's timers pass in one real second.
        seed: makes ids the same in each run; ``None`` leaves them random.
        origins: the web pages that may use the cloud; those of this machine if not given.
        new_connections: WebSocket connections that an account may open in a second.
        loaded: called by a thread once all is loaded that the first calls need.

    Attributes:
        log: what happens.
        faults: what is to go wrong.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        speed: float = 1.0,
        seed: int | None = None,
        origins: Origins | None = None,
        new_connections: int = AWS.new_connections,
        loaded: Callable[[], object] = lambda: None,
    ) -> None:
        self.log = EventLog()
        self.faults = Faults(self.log)
        self.clock = Clock(speed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warming: threading.Thread | None = None
        self._loaded = loaded
        self.backend = Backend(
            log=self.log,
            faults=self.faults,
            clock=self.clock,
            dispatch=self._dispatch,
            call_api=self._call_api,
        )
        if seed is not None:
            self.backend.seed(seed)
        self.functions = Functions(
            log=self.log,
            faults=self.faults,
            configuration=self.backend.function,
            endpoint=lambda: self.endpoint,
            write_logs=self.backend.put_log_events,
            credentials=self._credentials,
            clock=self.clock,
        )
        numbers = itertools.count(1)
        self.deployments = Deployments(
            api=self.backend.api,
            stages=self.backend.stages,
            set_deployment=self.backend.set_deployment,
            new_id=lambda: f"d{next(numbers):05d}",
        )
        self.websocket_apis = WebSocketApis(
            log=self.log,
            faults=self.faults,
            clock=self.clock,
            stage=self.deployments.stage,
            invoke=self.functions.invoke,
            call_aws=self._call_aws,
            api_keys=self.backend.api_keys,
            write_logs=self.backend.put_log_events,
            limits=replace(AWS, new_connections=new_connections),
        )
        self.http_apis = HttpApis(
            log=self.log,
            faults=self.faults,
            stage=self.deployments.stage,
            invoke=self.functions.invoke,
            call_aws=self._call_aws,
            clock=self.clock,
        )
        self.aws = AwsApi(
            log=self.log,
            faults=self.faults,
            backend=self.backend,
            functions=self.functions,
            deployments=self.deployments,
            endpoint=lambda: self.endpoint,
            close=self.websocket_apis.close_api,
        )
        self._server = Server(
            port=port,
            log=self.log,
            faults=self.faults,
            aws=self.aws,
            websocket_apis=self.websocket_apis,
            http_apis=self.http_apis,
            stage=self.deployments.stage,
            remove_account=self.remove_account,
            origins=origins or Origins(),
        )

    @property
    def endpoint(self) -> str:
        """``http://127.0.0.1:N``; empty before :meth:`start`."""
        return self._server.endpoint

    async def start(self) -> None:
        """Listen and get ready; returns as soon as the port answers.

        Raises:
            OSError: the port is taken.
        """
        self._loop = asyncio.get_running_loop()
        await self._server.start()
        await self.functions.start()
        self.faults.watch(self._cut)
        self._warming = threading.Thread(target=self._warm, name="labkit-warm", daemon=True)
        self._warming.start()

    def _cut(self, fault: Fault) -> None:
        """Let a fault strike at once that is set for one connection, which may be silent for long."""
        if fault.step == "connection" and "connection" in fault.match and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and every connection
                self._loop.call_soon_threadsafe(
                    self.websocket_apis.suffer, fault.match["connection"]
                )

    def _warm(self) -> None:
        """Load ahead what the first state machine would wait for; nobody waits for this."""
        try:
            self.backend.warm()
            self._loaded()
        except Exception as error:
            self.log.append("cloud.error", message=f"Loading ahead failed: {error!r}", detail="")

    async def stop(self) -> None:
        """End everything that runs: connections, functions, executions, the port."""
        await self.websocket_apis.stop()
        await self._server.stop()
        if self._warming is not None:
            self._warming.join()  # it takes half a second at most, and begins with the cloud
        try:
            await asyncio.to_thread(self.backend.close)
        except RuntimeError:  # the interpreter is ending and starts no more threads
            self.backend.close()
        await self.functions.stop()

    async def remove_account(self, account: str) -> None:
        """End and forget all that an account holds: executions, APIs with their connections, functions.

        Args:
            account: twelve digits.
        """
        apis, functions = await asyncio.to_thread(self.backend.remove_account, account)
        for api_id in apis:
            self.deployments.changed(api_id)
            self.websocket_apis.close_api(api_id)
        for arn in functions:
            self.functions.changed(arn)

    def _credentials(self, account: str, role: str) -> dict[str, str]:
        """A role's credentials under the names that Lambda gives them in a function."""
        keys = self.backend.credentials(account, role)
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }

    async def _call_aws(self, request: AwsRequest, *, role: str, account: str) -> AwsResponse:
        """Make a call as a role."""
        key = self.backend.credentials(account, role)["AccessKeyId"]
        scope = f"{key}/19700101/{request.region}/{request.service}/aws4_request"
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}"
        return await self.aws.answer(request)

    # -- what the state machines' threads call ---------------------------------------------------

    def _from_thread(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except concurrent.futures.CancelledError as error:
            raise ConnectionAbortedError("the local cloud is stopping") from error

    def _dispatch(self, request: AwsRequest) -> AwsResponse:
        return self._from_thread(self.aws.answer(request))

    def _call_api(
        self,
        host: str,
        path: str,
        method: str,
        query: str,
        headers: Headers,
        body: bytes,
        trace: Trace | None,
    ) -> AwsResponse:
        return self._from_thread(self._answer_api(host, path, method, query, headers, body, trace))

    async def _answer_api(
        self,
        host: str,
        path: str,
        method: str,
        query: str,
        headers: Headers,
        body: bytes,
        trace: Trace | None,
    ) -> AwsResponse:
        target = addressee(path, host, {})
        if not isinstance(target, ToApi):
            raise AwsError("UnknownHostException", f"{host} is no API's host name.")
        stage, rest = target.stage_and_rest()
        if rest.startswith(f"/{CONNECTIONS}"):
            connection_id = unquote(rest.removeprefix(f"/{CONNECTIONS}").lstrip("/"))
            return await self.websocket_apis.manage(
                method,
                target.api_id,
                stage,
                connection_id,
                body,
                trace=trace,
                signed=is_signed(headers, query),
            )
        request = HttpRequest(
            method=method,
            path=target.path or "/",
            query=query,
            headers=list(headers.items()),
            body=body,
            source_ip=HOST,
            trace=trace,
        )
        answer = await self.http_apis.answer(target.api_id, request)
        return AwsResponse(answer.status, Headers(answer.headers), answer.body)
