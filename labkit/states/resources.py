"""Which task resources Step Functions knows, and how it names the errors of AWS's SDKs.

A resource is a Lambda function's ARN, an activity's ARN, one of the optimised integrations, or
``arn:aws:states:::aws-sdk:<service>:<operation>``.  AWS refuses any other when a state machine is
created.  The SDK's services and operations are botocore's own, so the list is as new as the botocore
that is installed; the names of services in a resource are those of the SDK for Java: the service id
in lower case without spaces (``sfn``, ``cloudwatchlogs``, ``eventbridge``).

Left out, as on AWS, are services that "require customized configuration, or are not suitable for
use in a workflow, such as SDKs for streaming audio or video".  ``apigatewaymanagementapi`` among
them is proven by an answer captured from AWS; the others of that kind are not verified.

Source: AWS Step Functions developer guide, "Integrating optimized services", "Learning to use AWS
service SDK integrations".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

WAIT = ".waitForTaskToken"
SYNC = ".sync"
SYNC2 = ".sync:2"

OPTIMISED: dict[str, tuple[str, ...]] = {
    "apigateway:invoke": ("", WAIT),
    "athena:startQueryExecution": ("", SYNC),
    "athena:stopQueryExecution": ("",),
    "athena:getQueryExecution": ("",),
    "athena:getQueryResults": ("",),
    "batch:submitJob": ("", SYNC),
    "bedrock:invokeModel": ("", WAIT),
    "bedrock:createModelCustomizationJob": ("", SYNC),
    "codebuild:startBuild": ("", SYNC),
    "codebuild:startBuildBatch": ("", SYNC),
    "codebuild:retryBuildBatch": ("", SYNC),
    "codebuild:stopBuild": ("",),
    "codebuild:stopBuildBatch": ("",),
    "codebuild:deleteBuildBatch": ("",),
    "codebuild:batchDeleteBuilds": ("",),
    "codebuild:batchGetReports": ("",),
    "databrew:startJobRun": ("", SYNC),
    "dynamodb:getItem": ("",),
    "dynamodb:putItem": ("",),
    "dynamodb:updateItem": ("",),
    "dynamodb:deleteItem": ("",),
    "ecs:runTask": ("", SYNC, WAIT),
    "eks:call": ("",),
    "eks:runJob": ("", SYNC),
    "eks:createCluster": ("", SYNC),
    "eks:deleteCluster": ("", SYNC),
    "eks:createFargateProfile": ("", SYNC),
    "eks:deleteFargateProfile": ("", SYNC),
    "eks:createNodegroup": ("", SYNC),
    "eks:deleteNodegroup": ("", SYNC),
    "elasticmapreduce:createCluster": ("", SYNC),
    "elasticmapreduce:terminateCluster": ("", SYNC),
    "elasticmapreduce:addStep": ("", SYNC),
    "elasticmapreduce:cancelStep": ("",),
    "elasticmapreduce:setClusterTerminationProtection": ("",),
    "elasticmapreduce:modifyInstanceFleetByName": ("",),
    "elasticmapreduce:modifyInstanceGroupByName": ("",),
    "emr-containers:createVirtualCluster": ("",),
    "emr-containers:deleteVirtualCluster": ("", SYNC),
    "emr-containers:startJobRun": ("", SYNC),
    "emr-serverless:createApplication": ("", SYNC),
    "emr-serverless:startApplication": ("", SYNC),
    "emr-serverless:stopApplication": ("", SYNC),
    "emr-serverless:deleteApplication": ("", SYNC),
    "emr-serverless:startJobRun": ("", SYNC),
    "emr-serverless:cancelJobRun": ("", SYNC),
    "events:putEvents": ("", WAIT),
    "glue:startJobRun": ("", SYNC),
    "http:invoke": ("",),
    "lambda:invoke": ("", WAIT),
    "mediaconvert:createJob": ("", SYNC),
    "sagemaker:createEndpoint": ("",),
    "sagemaker:createEndpointConfig": ("",),
    "sagemaker:createHyperParameterTuningJob": ("", SYNC),
    "sagemaker:createLabelingJob": ("", SYNC),
    "sagemaker:createModel": ("",),
    "sagemaker:createProcessingJob": ("", SYNC),
    "sagemaker:createTrainingJob": ("", SYNC),
    "sagemaker:createTransformJob": ("", SYNC),
    "sagemaker:updateEndpoint": ("",),
    "sns:publish": ("", WAIT),
    "sqs:sendMessage": ("", WAIT),
    "states:startExecution": ("", SYNC, SYNC2, WAIT),
}
"""Optimised integrations with the patterns that each supports."""

EMULATED = {
    "apigateway:invoke": ("", WAIT),
    "dynamodb:getItem": ("",),
    "dynamodb:putItem": ("",),
    "dynamodb:updateItem": ("",),
    "dynamodb:deleteItem": ("",),
    "events:putEvents": ("", WAIT),
    "lambda:invoke": ("", WAIT),
    "sns:publish": ("", WAIT),
    "sqs:sendMessage": ("", WAIT),
    "states:startExecution": ("", SYNC, SYNC2, WAIT),
}
"""Those of :data:`OPTIMISED` that the local cloud runs."""

NOT_IN_SDK = frozenset(
    {
        "apigatewaymanagementapi",
        "cloudsearchdomain",
        "iotdataplane",
        "iotjobsdataplane",
        "kinesisvideoarchivedmedia",
        "kinesisvideomedia",
        "kinesisvideosignaling",
        "kinesisvideowebrtcstorage",
        "lexruntimeservice",
        "lexruntimev2",
        "medialive-data",
        "mediastoredata",
        "sagemakerruntimehttp2",
        "transcribestreaming",
    }
)
"""Services of the SDK that need an endpoint of their own or stream media."""

_BOTOCORE = {
    "applicationdiscoveryservice": "discovery",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "configservice": "config",
    "costandusagereportservice": "cur",
    "costexplorer": "ce",
    "databasemigrationservice": "dms",
    "directoryservice": "ds",
    "directoryservicedata": "ds-data",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticsearchservice": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuildingservice": "lex-models",
    "lexmodelsv2": "lexv2-models",
    "lexruntimeservice": "lex-runtime",
    "lexruntimev2": "lexv2-runtime",
    "marketplaceentitlementservice": "marketplace-entitlement",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "simpledb": "sdb",
}
"""Names in a resource that are not botocore's name without its hyphens."""

_SERVICE = re.compile(r"^arn:aws[a-z-]*:states:(?:[a-z0-9-]+)?:(?:\d{12})?:(?P<task>.+)$")
_FUNCTION = re.compile(
    r"^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9_$-]+)?$"
)
_ACTIVITY = re.compile(r"^arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:activity:[^:]+$")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def is_activity(resource: str) -> bool:
    """Whether a ``Resource`` is an activity's ARN."""
    return bool(_ACTIVITY.match(resource))


def is_known(resource: str) -> bool:
    """Whether AWS accepts a ``Resource`` of a Task state.

    Args:
        resource: such as ``arn:aws:states:::lambda:invoke.waitForTaskToken``.
    """
    if _FUNCTION.match(resource) or is_activity(resource):
        return True
    found = _SERVICE.match(resource)
    if not found:
        return False
    task = found["task"]
    if task.startswith("aws-sdk:"):
        return _is_sdk_call(task.removeprefix("aws-sdk:"))
    name, dot, pattern = task.partition(".")
    return dot + pattern in OPTIMISED.get(name, ())


def is_emulated(resource: str) -> bool:
    """Whether the local cloud runs a ``Resource`` that AWS accepts.

    Args:
        resource: such as ``arn:aws:states:::batch:submitJob.sync``.
    """
    found = _SERVICE.match(resource)
    if not found or is_activity(resource):
        return not is_activity(resource)
    name, dot, pattern = found["task"].partition(".")
    if name.startswith("aws-sdk:"):
        return True
    return dot + pattern in EMULATED.get(name, ())


def _is_sdk_call(call: str) -> bool:
    service, _, action = call.partition(":")
    operation, dot, pattern = action.partition(".")
    if dot and dot + pattern != WAIT:
        return False
    if service in NOT_IN_SDK or not operation[:1].islower():
        return False
    return operation in _operations(service)


def botocore_name(service: str) -> str:
    """Botocore's name of a service as a resource spells it; unchanged if there is no such one.

    Args:
        service: such as ``cloudwatchlogs``.
    """
    if service in _BOTOCORE:
        return _BOTOCORE[service]
    return _hyphenated().get(service, service)


def error_prefix(service: str) -> str:
    """What stands before the dot in an SDK integration's errors: ``DynamoDb``, ``S3``, ``AcmPca``.

    AWS: "a service name and an error name, separated by a period … both in Pascal case".

    Args:
        service: the service as a resource spells it, such as ``dynamodb``.
    """
    name = botocore_name(service)
    if name not in _loader().list_available_services("service-2"):
        return service
    service_id = str(_loader().load_service_model(name, "service-2")["metadata"]["serviceId"])
    return "".join(word.capitalize() for word in _WORD.findall(service_id))


@lru_cache(maxsize=64)
def _operations(service: str) -> frozenset[str]:
    """A service's operations, spelt as in a resource; empty for a service that there is not."""
    name = botocore_name(service)
    if name not in _loader().list_available_services("service-2"):
        return frozenset()
    model = _loader().load_service_model(name, "service-2")
    return frozenset(operation[:1].lower() + operation[1:] for operation in model["operations"])


@lru_cache(maxsize=1)
def _hyphenated() -> dict[str, str]:
    shadowed = set(_BOTOCORE.values())
    names = _loader().list_available_services("service-2")
    return {name.replace("-", ""): name for name in names if name not in shadowed}


@lru_cache(maxsize=1)
def _loader() -> Any:
    from botocore.loaders import Loader

    return Loader()
