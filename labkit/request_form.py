"""Whether a call of an AWS service has the form that the service's own description asks for.

boto3 checks that before it sends anything, so only other clients find out.  It costs time, and so it is
asked once a call has failed: then what is the caller's mistake is told from what is ours.

Source: botocore's descriptions of the services, which AWS makes all its SDKs from.  The words are our
choice.

Not looked at: the members of services that speak XML, limits of length and value.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from labkit.errors import AwsError
from labkit.wire import AwsRequest

_NAMES = {"states": "stepfunctions", "apigateway": "apigatewayv2"}
"""What botocore calls services that are signed under another name."""

_KINDS: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}


def problem(request: AwsRequest) -> AwsError | None:
    """What is wrong with the form of a call; ``None`` if nothing is, or if that is not known.

    Args:
        request: the call.

    Returns:
        ``UnknownOperationException`` or ``InvalidAction``; ``SerializationException`` for a member of another kind,
        ``ValidationException`` for a missing one.  The message names them.
    """
    try:
        service = _service(_NAMES.get(request.service, request.service))
    except DataNotFoundError:
        return None
    if service.protocol in ("query", "ec2") and request.operation not in service.operation_names:
        return AwsError("InvalidAction", f"The action {request.operation} is not valid.")
    if not service.protocol.endswith("json"):
        return None
    operation = _operation(service, request)
    if operation is None:
        what = request.headers.get("X-Amz-Target") or f"{request.method} {request.path}"
        return AwsError("UnknownOperationException", f"There is no operation {what}.", 404)
    if operation.input_shape is None:
        return None
    try:
        members = request.json()
    except AwsError as error:
        return error
    found = list(_problems(members, operation.input_shape, ""))
    if not found:
        return None
    missing = all(said.endswith("is missing") for said in found)
    code = "ValidationException" if missing else "SerializationException"
    return AwsError(code, f"{operation.name}: {', '.join(found)}.")


def _operation(service: ServiceModel, request: AwsRequest) -> OperationModel | None:
    """The operation that is called: ``X-Amz-Target`` names it, or its method and path do."""
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    for name in service.operation_names:
        if name == target:
            return service.operation_model(name)
        if service.protocol == "rest-json":
            operation = service.operation_model(name)
            path = re.sub(r"\\\{[^}]*\}", "[^/]+", re.escape(operation.http["requestUri"]))
            if request.method == operation.http["method"] and re.fullmatch(path, request.path):
                return operation
    return None


def _problems(value: Any, shape: Any, at: str) -> Iterator[str]:
    """What is wrong with a value, each with its place."""
    kinds = _KINDS.get(shape.type_name)
    if value is None or kinds is None:
        return  # null is taken for what is not there
    if type(value) not in kinds:
        yield f"{at or 'the body'} is no {shape.type_name}"
    elif shape.type_name == "blob":
        try:
            base64.b64decode(value)
        except (binascii.Error, ValueError):
            yield f"{at} is not base64"
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            spelled = member.serialization.get("name", name)
            place = f"{at}.{spelled}" if at else spelled
            if "location" in member.serialization:
                continue  # a part of the path, the query or a header
            if value.get(spelled) is not None:
                yield from _problems(value[spelled], member, place)
            elif name in shape.required_members:
                yield f"{place} is missing"
    elif shape.type_name == "map":
        for name, member in value.items():
            yield from _problems(member, shape.value, f"{at}.{name}")
    elif shape.type_name == "list":
        for number, member in enumerate(value):
            yield from _problems(member, shape.member, f"{at}[{number}]")


@functools.lru_cache(maxsize=16)
def _service(name: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)
