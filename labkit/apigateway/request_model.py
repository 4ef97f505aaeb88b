"""Whether a message fits the model of its route, as pure rules.

Source: "Set up data models" for WebSocket APIs in the Amazon API Gateway developer guide and ``CreateRoute``
in the API reference: ``ModelSelectionExpression`` chooses one of ``RequestModels``, a name of one of the
API's models, whose schema is "JSON schema draft 4".  A message that does not fit gets ``Bad request
body``.

"You might need to define the ``$default`` model as a fallback when no matching model is found.  If there is
no matching model and ``$default`` isn't defined, the validation fails."  ("Request validation for WebSocket
APIs")

Our choice: a schema that cannot be used is an internal server error.

Not emulated: references to another model's address; a schema refers to its own definitions only.

jsonschema is loaded with the first model that is used: with all that it loads it takes up to a second,
and few APIs have models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from labkit.apigateway.data_mapping import RouteRequest
from labkit.apigateway.integrations import IntegrationProblem
from labkit.apigateway.model import Api, Route
from labkit.apigateway.selection import chosen, evaluate


def misfit(api: Api, route: Route, request: RouteRequest) -> str | None:
    """What of a message does not fit its route's model; ``None`` if it fits.

    Args:
        api: the API, which has the models.
        route: the message's route.
        request: the message.

    Raises:
        IntegrationProblem: there is no such model, or its schema cannot be used.
    """
    models = route.raw.get("RequestModels")
    if not models:
        return None
    from jsonschema import Draft4Validator
    from jsonschema.exceptions import best_match

    expression = route.raw.get("ModelSelectionExpression") or r"\$default"
    key = evaluate(str(expression), request.look_up)
    name = chosen(models, key)
    if name is None:
        return f"RequestModels has neither {key!r} nor $default"
    schema = _schema(api, str(name))
    try:
        message = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}"
    worst = best_match(Draft4Validator(schema).iter_errors(message))
    if worst is None:
        return None
    where = worst.json_path.removeprefix("$").removeprefix(".")
    return f"{where}: {worst.message}" if where else str(worst.message)


def _schema(api: Api, name: str) -> dict[str, Any]:
    from jsonschema import Draft4Validator
    from jsonschema.exceptions import SchemaError

    model = api.models.get(name)
    if model is None:
        raise IntegrationProblem(f"RequestModels names the model {name!r}, which the API lacks")
    try:
        schema = json.loads(model.get("Schema") or "{}")
        Draft4Validator.check_schema(schema)
    except (ValueError, SchemaError) as error:
        what = error.message if isinstance(error, SchemaError) else error
        raise IntegrationProblem(
            f"the schema of model {name!r} is no JSON schema (draft 4): {what}"
        ) from error
    for reference in _references(schema):
        if not str(reference).startswith("#"):
            raise IntegrationProblem(
                f"the schema of model {name!r} refers to {reference!r}, which is not in it"
            )
    return dict(schema)


def _references(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for inner in schema.values():
            yield from _references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)
