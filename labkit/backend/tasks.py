"""Tasks: clients whose calls stay within the cloud, and results and errors in AWS's form."""

from __future__ import annotations

import sys
from typing import Any

from botocore import xform_name

from labkit.backend import here, interpreter, seam
from labkit.backend.interpreter import STATE, TASK
from labkit.backend.replacement import Replacement, always
from labkit.states import api_call, member_names, resources, running, sdk_metadata
from labkit.wire import LOCAL_ACCOUNT


def _client_for(_: Any) -> Any:
    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        run = running.current.get()
        account = run.arn.split(":")[4] if run else LOCAL_ACCOUNT
        return seam.here.clients.client(service, region, account)

    return boto_client_for


def _operation(task: Any, service: str | None, action: str | None) -> Any:
    """The operation that a task calls, or another one, as botocore describes it; ``None`` if unknown."""
    run = running.current.get()
    if run is None:
        return None
    _, _, _, region, account, *_ = run.arn.split(":")
    made = seam.here.clients.client(task._get_boto_service_name(service), region, account)
    name = made.meta.method_to_api_mapping.get(task._get_boto_service_action(action))
    return made.meta.service_model.operation_model(name) if name else None


def _parameters(_: Any) -> Any:
    def normalise_parameters(
        self: Any,
        parameters: Any,
        boto_service_name: str | None = None,
        service_action_name: str | None = None,
    ) -> None:
        operation = _operation(self, boto_service_name, service_action_name)
        _become(
            parameters, operation and member_names.as_service(parameters, operation.input_shape)
        )

    return normalise_parameters


def _response(_: Any) -> Any:
    def normalise_response(
        self: Any,
        response: Any,
        boto_service_name: str | None = None,
        service_action_name: str | None = None,
    ) -> None:
        operation = _operation(self, boto_service_name, service_action_name)
        sdk = type(self).__name__ == "StateTaskServiceAwsSdk"
        _become(
            response,
            operation and member_names.as_states(response, operation.output_shape, sdk=sdk),
        )

    return normalise_response


def _become(data: Any, named: Any) -> None:
    """Give a dictionary, which moto keeps, the members of another one."""
    if isinstance(data, dict) and isinstance(named, dict):
        data.clear()
        data.update(named)


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
        f"{TASK}.service.state_task_service",
        "StateTaskService._normalise_parameters",
        _parameters,
        "moto sends StateMachineArn as it is, to an operation that asks for stateMachineArn",
    ),
    Replacement(
        f"{TASK}.service.state_task_service",
        "StateTaskService._normalise_response",
        _response,
        "and hands on executionArn, which a state machine knows as ExecutionArn",
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
