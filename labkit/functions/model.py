"""Lambda's nouns, as plain data.

Source: AWS Lambda API reference (``Invoke``, ``FunctionConfiguration``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.functions.permission import Permission


@dataclass(frozen=True, slots=True)
class FunctionConfiguration:
    """A function as it is deployed now.

    Attributes:
        arn: ``arn:aws:lambda:REGION:ACCOUNT:function:NAME``, without a version.
        handler: ``module.function``.
        environment: its environment variables.
        timeout: seconds.
        memory: MB.
        package: the deployment package, a zip file's bytes.
        revision: changes whenever code or configuration changes; processes of an older revision
            are not used for new invocations.
        reserved_concurrency: ``None`` without a reservation.
        log_group: such as ``/aws/lambda/NAME``.
        policy: what its resource-based policy lets API Gateway invoke.  It is no part of the
            revision: processes go on when it changes.
    """

    name: str
    arn: str
    account: str
    region: str
    handler: str
    runtime: str
    package: bytes
    revision: str
    version: str = "$LATEST"
    role: str = ""
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    reserved_concurrency: int | None = None
    log_group: str = ""
    policy: tuple[Permission, ...] = ()

    @property
    def brings_runtime(self) -> bool:
        """Whether the package has the runtime in it, as for an OS-only one (``provided.al2023``)."""
        return self.runtime.startswith("provided")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What ``Invoke`` answers.

    Attributes:
        status: 200 (``RequestResponse``), 202 (``Event``), 204 (``DryRun``).
        payload: the function's answer, or the error's JSON object.
        function_error: ``Unhandled`` or ``Handled`` if the function failed, else ``None``.
        log_tail: the last 4 KB of the invocation's log.
        version: the version that ran.
        request_id: the invocation's id, a UUID.
    """

    status: int
    payload: bytes = b""
    function_error: str | None = None
    log_tail: bytes = b""
    version: str = "$LATEST"
    request_id: str = ""
