"""The URI of an integration or an authorizer that is a Lambda function.

Source: ``IntegrationUri`` and ``AuthorizerUri`` in the API reference of Amazon API Gateway version 2, and
"Use stage variables" in its developer guide.

Our choice: a stage variable that the stage lacks stands for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_INVOKE = re.compile(
    r"^arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/\d{4}-\d\d-\d\d/functions/"
    r"(?P<function>.+)/invocations$"
)
_FUNCTION = re.compile(r"^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[^/]+$")


def with_variables(uri: str, variables: Mapping[str, str]) -> str:
    """A URI with the stage's variables in the places of ``${stageVariables.NAME}``."""
    if "${" not in uri:
        return uri
    return _VARIABLE.sub(lambda found: variables.get(found[1], ""), uri)


@lru_cache(maxsize=1024)
def function_in(uri: str) -> str | None:
    """The ARN of the function that a URI names: as itself, or as the path of its ``Invoke``."""
    if invoke := _INVOKE.match(uri):
        uri = invoke["function"]
    return uri if _FUNCTION.match(uri) else None
