"""Which Lambda function an integration's URI means.

Source: "Stage variables reference" and "Create AWS Lambda proxy integrations for HTTP APIs" in the
Amazon API Gateway developer guide.  Both forms are understood: a function's ARN, and the path of its
``Invoke`` operation, ``arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/ARN/invocations``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_INVOKE = re.compile(
    r"^arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/\d{4}-\d\d-\d\d/functions/"
    r"(?P<function>.+)/invocations$"
)
_FUNCTION = re.compile(r"^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[^/]+$")


def function_of(uri: str, variables: Mapping[str, str]) -> str | None:
    """The ARN of the function that a URI means, or ``None`` if it means none.

    Args:
        uri: the integration's ``IntegrationUri``.
        variables: the stage's variables; ``${stageVariables.name}`` stands for one, and for an empty
            string if the stage has none of that name (our choice).
    """
    uri = _VARIABLE.sub(lambda found: variables.get(found[1], ""), uri)
    if invoke := _INVOKE.match(uri):
        uri = invoke["function"]
    return uri if _FUNCTION.match(uri) else None
