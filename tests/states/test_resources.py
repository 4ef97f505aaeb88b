import gzip
import re
from pathlib import Path

import botocore
import pytest

from labkit.states.resources import botocore_name, error_prefix, is_known


@pytest.mark.behaviour("states.definitions.unknown-resource")
@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::lambda:invoke",
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "arn:aws:states:::dynamodb:getItem",
        "arn:aws:states:::apigateway:invoke",
        "arn:aws:states:::states:startExecution.sync:2",
        "arn:aws:states:::aws-sdk:dynamodb:query",
        "arn:aws:states:::aws-sdk:sfn:startSyncExecution",
        "arn:aws:states:::aws-sdk:acmpca:deleteCertificateAuthority",
        "arn:aws:states:::aws-sdk:ec2:describeInstances",
        "arn:aws:states:::aws-sdk:sqs:sendMessage.waitForTaskToken",
        "arn:aws:lambda:us-east-1:123456789012:function:do-work",
        "arn:aws:lambda:us-east-1:123456789012:function:do-work:live",
        "arn:aws:states:us-east-1:123456789012:activity:by-hand",
    ],
)
def test_resource_that_aws_documents_is_known(resource):
    assert is_known(resource)


@pytest.mark.behaviour("states.definitions.unknown-resource")
@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::aws-sdk:apigatewaymanagementapi:postToConnection",
        "arn:aws:states:::aws-sdk:dynamodb:Query",
        "arn:aws:states:::aws-sdk:dynamodb:queryy",
        "arn:aws:states:::aws-sdk:nothing:atAll",
        "arn:aws:states:::dynamodb:query",
        "arn:aws:states:::dynamodb:getItem.waitForTaskToken",
        "arn:aws:states:::lambda:invoke.sync",
        "do-work",
        "",
    ],
)
def test_other_resource_is_not(resource):
    assert not is_known(resource)


@pytest.mark.parametrize(
    ("service", "prefix"),
    [("dynamodb", "DynamoDb"), ("acmpca", "AcmPca"), ("s3", "S3"), ("sfn", "Sfn")],
)
def test_sdk_errors_begin_with_the_service_in_pascal_case(service, prefix):
    assert error_prefix(service) == prefix


def test_every_service_is_found_under_its_id_in_lower_case():
    """The table of differing names agrees with the service ids in botocore's own models."""
    folders: dict[str, set[str]] = {}  # some models are there twice
    for folder in (Path(botocore.__file__).parent / "data").iterdir():
        models = sorted(folder.glob("*/service-2.json*"))
        if not models:
            continue
        raw = models[-1].read_bytes()
        text = gzip.decompress(raw) if models[-1].suffix == ".gz" else raw
        found = re.search(rb'"serviceId"\s*:\s*"([^"]+)"', text)
        assert found, folder
        name = re.sub(r"[^a-z0-9]", "", found[1].decode().lower())
        folders.setdefault(name, set()).add(folder.name)
    wrong = {name: some for name, some in folders.items() if botocore_name(name) not in some}
    assert wrong == {}
