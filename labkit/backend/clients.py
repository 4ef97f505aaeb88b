"""boto3 clients of state machines, whose calls stay within the cloud."""

from __future__ import annotations

import functools
import io
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from moto.moto_api._internal import mock_random

from labkit.backend import here
from labkit.states import parameters, sdk_metadata
from labkit.trace import HEADER, Trace
from labkit.wire import AwsRequest, AwsResponse, Headers


@functools.lru_cache(maxsize=1)
def session() -> boto3.Session:
    """A session that reads neither the student's files nor a profile."""
    plain = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return boto3.Session(botocore_session=plain)


class Clients:
    """boto3's clients, one for each service, region and account.

    Args:
        dispatch: answers a call; called in an interpreter's thread, may block.
        credentials: the credentials of an account's role, given its ARN.
        failed: told of a call that failed in the cloud itself.
    """

    def __init__(
        self,
        dispatch: Callable[[AwsRequest], AwsResponse],
        credentials: Callable[[str, str], dict[str, str]],
        failed: Callable[[str, Trace | None, BaseException], None],
    ) -> None:
        self._dispatch = dispatch
        self._credentials = credentials
        self._failed = failed
        self._making = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}

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
            keys = self._credentials(account, f"arn:aws:iam::{account}:role/labkit-states")
            made: Any = session().client(
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
        trace = here.trace.get()
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
        here.answered.set((answer.status, shown))
        http_headers = HTTPHeaders()
        for name, value in shown.items():
            http_headers[name] = value
        return AWSResponse(request.url, answer.status, http_headers, _Raw(answer.body))

    def forget(self, account: str | None = None) -> None:
        """Make the clients of one account anew, or all."""
        kept = {key: made for key, made in self._clients.items() if account not in (None, key[2])}
        self._clients = kept


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
