"""Tasks: clients whose calls stay within the cloud, and results and errors in AWS's form."""

from __future__ import annotations

import sys
from typing import Any

from botocore import xform_name

from labkit.backend import here, interpreter, seam
from labkit.backend.interpreter import STATE, TASK
from labkit.backend.replacement import Replacement, always
from labkit.states import api_call, resources, running, sdk_metadata
from labkit.wire import LOCAL_ACCOUNT


def _client_for(_: Any) -> Any:
    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        run = running.current.get()
        account = run.arn.split(":")[4] if run else LOCAL_ACCOUNT
        return seam.here.clients.client(service, region, account)

    return boto_client_for


def _call_api_task(_: Any) -> Any:
    def eval_service_task(
        self: Any,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: dict[str, Any],
        state_credentials: Any,
    ) -> None:
        env.stack.append(seam.here.executions.call_api(normalised_parameters))

    return eval_service_task


def _call_api_error(original: Any) -> Any:
    def from_error(self: Any, env: Any, ex: Exception) -> Any:
        if isinstance(ex, api_call.ApiCallError):
            return interpreter.failure_event(
                env, ex.error, ex.cause, resource="invoke", resourceType="apigateway"
            )
        callback = sys.modules[f"{TASK}.service.state_task_service_callback"]
        return callback.StateTaskServiceCallback._from_error(self, env=env, ex=ex)

    return from_error


def _add_metadata(original: Any) -> Any:
    def eval_service_task(self: Any, env: Any, *args: Any, **kw: Any) -> None:
        original(self, env, *args, **kw)
        answered = here.answered.get()
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


_CLIENTS = "moto calls its own botocore patch, or a server on a port"

_SERVICES = ("aws_sdk", "batch", "dynamodb", "ecs", "events", "glue", "sfn", "sns", "sqs")


REPLACEMENTS: tuple[Replacement, ...] = (
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
        always(staticmethod(resources.error_prefix)),
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
        always(lambda self: set(api_call.PARAMETERS)),
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
)
