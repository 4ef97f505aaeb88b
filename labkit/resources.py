"""What teaches nothing about deploying: roles, zip files, ARNs and waiting.

    from labkit.resources import clear, function, integration, permission, state_machine

Each is plain boto3, makes at most one resource, and may be called again: what is there is found and
brought up to date.  The same calls work on the local cloud and on an account; there, a resource takes
some seconds until it can be used, and these functions wait for that.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.exceptions import ClientError, NoRegionError

from labkit.deployment_package import handler_name, package
from labkit.errors import HandlerProblem, LabNotRunning, PackageProblem

RUNTIME = "python3.12"
PATIENCE = 60.0
"""Seconds after which something that AWS has accepted and that never takes effect is given up."""

Source = Path | Sequence[Path] | Mapping[str, str]
"""A file, or several, or texts by name such as ``{"connect.py": "…"}``; the first has the handler."""

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
"""Who may take the role on: functions and state machines."""

ALLOWED = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "dynamodb:*Item",
                "dynamodb:Query",
                "dynamodb:Scan",
                "execute-api:ManageConnections",
                "lambda:InvokeFunction",
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "states:StartExecution",
            ],
            "Resource": "*",
        }
    ],
}
"""What the role allows.  One role for all is right for a lesson; the pattern has one for each."""

_T = TypeVar("_T")


def clear(*names: str) -> None:
    """Delete what bears one of these names, so that a cell which creates can run again.

    These are APIs, tables, functions with their logs, and state machines with their executions, which
    are stopped.  Where there is nothing, nothing happens.

    Args:
        names: the whole names.

    Raises:
        TimeoutError: something was still there after :data:`PATIENCE`.
    """
    apis, dynamodb, functions = client("apigatewayv2"), client("dynamodb"), client("lambda")
    logs, states = client("logs"), client("stepfunctions")
    for api in _pages(apis, "get_apis"):
        if api["Name"] in names:
            with _gone_is_fine():
                apis.delete_api(ApiId=api["ApiId"])
    for machine in _pages(states, "list_state_machines"):
        if machine["name"] in names:
            _delete_state_machine(states, machine["stateMachineArn"])
    for name in names:
        with _gone_is_fine():
            dynamodb.delete_table(TableName=name)
            dynamodb.get_waiter("table_not_exists").wait(TableName=name)
        with _gone_is_fine():
            functions.delete_function(FunctionName=name)
        with _gone_is_fine():
            logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")


def role(name: str = "lab-role") -> str:
    """Find or create the role that functions and state machines use.

    Args:
        name: its name.

    Returns:
        Its ARN.
    """
    iam = client("iam")
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName=name, PolicyName="lab", PolicyDocument=json.dumps(ALLOWED))
    return str(made["Role"]["Arn"])


def function(
    name: str,
    source: Source,
    *,
    environment: Mapping[str, str] | None = None,
    timeout: int = 3,
) -> str:
    """Create a function, or update its code and configuration, and wait until it is active.

    Args:
        name: its name.
        source: a file that ``%%handler`` wrote; or several files, or texts by name, of which the
            first has the handler and the others can be imported.
        environment: its environment variables, all of them: those of an earlier call go.
        timeout: seconds that it may run.

    Returns:
        Its ARN.

    Raises:
        HandlerProblem: the first file has no handler, or is not Python.
        PackageProblem: the files cannot be packaged.
    """
    handler, code = deployable(source)
    functions = client("lambda")
    settings = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Handler": handler,
        "Role": role(),
        "Timeout": timeout,
        "Environment": {"Variables": dict(environment or {})},
    }
    try:
        made = _until_role_is_known(
            lambda: functions.create_function(**settings, Code={"ZipFile": code})
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=name)
    except functions.exceptions.ResourceConflictException:
        updated = functions.get_waiter("function_updated_v2")
        updated.wait(FunctionName=name)
        functions.update_function_code(FunctionName=name, ZipFile=code)
        updated.wait(FunctionName=name)
        made = _until_role_is_known(lambda: functions.update_function_configuration(**settings))
        updated.wait(FunctionName=name)
    return str(made["FunctionArn"])


def deployable(source: Source) -> tuple[str, bytes]:
    """What ``create_function`` takes as ``Handler`` and as ``Code={"ZipFile": …}``.

    Args:
        source: as of :func:`function`.

    Raises:
        HandlerProblem: the first file has no handler, or is not Python.
        PackageProblem: the files cannot be packaged.
    """
    files = texts(source)
    zipped = package(files)
    first = next(iter(files))
    try:
        handler = handler_name(files[first])
    except SyntaxError as error:
        raise HandlerProblem(
            f"Line {error.lineno} of {first} is not Python: {error.msg}. Mend it, then deploy again."
        ) from None
    if not handler:
        raise HandlerProblem(
            f"{first} has no function that is plainly its handler. Write one that takes an event and "
            "a context: def handler(event, context). Of several files, the first must have it."
        )
    return f"{first.removesuffix('.py')}.{handler}", zipped


def texts(source: Source) -> Mapping[str, str]:
    """The texts of a source by name, in their order.

    Args:
        source: as of :func:`function`.

    Raises:
        PackageProblem: a file cannot be read.
    """
    if isinstance(source, Mapping):
        return source
    try:
        paths = [source] if isinstance(source, Path) else source
        return {path.name: path.read_text(encoding="utf-8") for path in paths}
    except OSError as error:
        raise PackageProblem(
            f"{error.filename} cannot be read: {error.strerror}. Run the cell that begins with "
            "'%%handler', which writes the file; handler_file(NAME) says where it lies."
        ) from error
    except AttributeError:
        raise PackageProblem(
            f"A function's source is a file's path, several paths, or texts by name, such as "
            f"{{'connect.py': '…'}}; this is {source!r:.60}. handler_file(NAME) gives the path of a "
            "file that '%%handler NAME' wrote."
        ) from None


def integration(api_id: str, function_arn: str) -> str:
    """Find or create an API's integration with a function, of the type ``AWS_PROXY``.

    Args:
        api_id: of a WebSocket API or an HTTP API, which gets payload format 2.0.
        function_arn: the function's ARN.

    Returns:
        The integration's id; a route's target is ``integrations/`` and this.
    """
    apis = client("apigatewayv2")
    settings = {
        "IntegrationType": "AWS_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": f"arn:aws:apigateway:{apis.meta.region_name}:lambda:path/2015-03-31"
        f"/functions/{function_arn}/invocations",
    }
    if apis.get_api(ApiId=api_id)["ProtocolType"] == "HTTP":
        settings["PayloadFormatVersion"] = "2.0"
    for each in _pages(apis, "get_integrations", ApiId=api_id):
        if settings.items() <= each.items():
            return str(each["IntegrationId"])
    return str(apis.create_integration(ApiId=api_id, **settings)["IntegrationId"])


def permission(function_arn: str, api_id: str) -> None:
    """Let an API call a function; without it, a call fails with an internal server error.

    Args:
        function_arn: the function's ARN.
        api_id: the API's id; any of its stages and routes may call.
    """
    functions = client("lambda")
    region, account = function_arn.split(":")[3:5]
    with contextlib.suppress(functions.exceptions.ResourceConflictException):
        functions.add_permission(
            FunctionName=function_arn,
            StatementId=f"invoked-by-{api_id}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{region}:{account}:{api_id}/*",
        )


def state_machine(name: str, definition: str | Mapping[str, Any]) -> str:
    """Create a state machine, or update its definition.

    Args:
        name: its name.
        definition: in Amazon States Language, as JSON or as a ``dict``.

    Returns:
        Its ARN.

    Raises:
        botocore.exceptions.ClientError: ``InvalidDefinition``, with AWS's reasons.
    """
    states = client("stepfunctions")
    text = definition if isinstance(definition, str) else json.dumps(definition)
    arn = role()
    try:
        made = _until_role_is_known(
            lambda: states.create_state_machine(name=name, definition=text, roleArn=arn)
        )
    except states.exceptions.StateMachineAlreadyExists:
        region, account = states.meta.region_name, arn.split(":")[4]
        machine = f"arn:aws:states:{region}:{account}:stateMachine:{name}"
        states.update_state_machine(stateMachineArn=machine, definition=text, roleArn=arn)
        return machine
    return str(made["stateMachineArn"])


def management_endpoint(api_id: str, stage: str) -> str:
    """The address of ``@connections`` of a WebSocket API's stage, as ``endpoint_url`` of a client.

    Args:
        api_id: the API's id.
        stage: the stage's name.
    """
    region = client("apigatewayv2").meta.region_name
    return f"https://{api_id}.execute-api.{region}.amazonaws.com/{stage}"


def client(service: str) -> Any:
    """A client that acts in the account and region that hold now, kept for the next call.

    Args:
        service: as boto3 calls it.

    Raises:
        LabNotRunning: the lab does not run, and no region is set.
    """
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session()
    session: Any = boto3.DEFAULT_SESSION
    held = session.get_credentials()
    where = (held.access_key if held else "", session.region_name)
    return _client(session, service, *where, os.environ.get("AWS_ENDPOINT_URL"))


@functools.lru_cache(maxsize=32)
def _client(session: Any, service: str, *_: str | None) -> Any:
    """A client; making one takes longer than most calls."""
    try:
        return session.client(service)
    except NoRegionError:
        raise LabNotRunning(
            "No cloud is there: the lab does not run, and no region is set. Run the notebook's first "
            "cell (Lab.start()), then this one again."
        ) from None


# -- waiting and reading --------------------------------------------------------------------------


def _delete_state_machine(states: Any, arn: str) -> None:
    """Stop what runs, then delete; until the last execution has ended, its name is taken."""
    with _gone_is_fine():
        for execution in _pages(
            states, "list_executions", stateMachineArn=arn, statusFilter="RUNNING"
        ):
            with _gone_is_fine():
                states.stop_execution(executionArn=execution["executionArn"])
        states.delete_state_machine(stateMachineArn=arn)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            states.describe_state_machine(stateMachineArn=arn)
            time.sleep(0.5)
        raise TimeoutError(
            f"{arn} is still being deleted after {PATIENCE:g} s. Wait a minute, then run the cell "
            "again."
        )


def _until_role_is_known(call: Callable[[], _T]) -> _T:
    """Make the call; on an account, a new role takes some seconds to be known everywhere."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except ClientError as error:
            if "assume" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(2)


def _pages(client: Any, operation: str, **arguments: Any) -> Iterator[Any]:
    """Everything that a listing operation lists, whatever its pages."""
    paginator = client.get_paginator(operation)
    (listed, *_) = paginator.result_keys
    yield from list(paginator.paginate(**arguments).search(f"{listed.expression}[]"))


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not any(word in code for word in ("NotFound", "DoesNotExist")):
            raise
