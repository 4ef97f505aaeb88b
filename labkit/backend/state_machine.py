"""State machines: what is refused when one is made or changed, and how its definition is read."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

from werkzeug.exceptions import HTTPException

from labkit.backend import seam
from labkit.backend.interpreter import ASL, PARSER
from labkit.backend.replacement import Replacement
from labkit.errors import AwsError
from labkit.states import definition, emulated

_FORBIDDEN_IN_NAME = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")


def check_name(name: str) -> None:
    """``Name`` of StartExecution: 1 to 80 characters, without those that the API reference lists."""
    if not 1 <= len(name) <= 80 or _FORBIDDEN_IN_NAME.search(name):
        raise AwsError("InvalidName", f"Invalid Name: '{name}'")


def _create_state_machine(original: Any) -> Any:
    @functools.wraps(original)
    def create_state_machine(self: Any, name: str, definition: str, *args: Any, **kw: Any) -> Any:
        check_name(name)
        kind = kw.get("sm_type") or "STANDARD"
        _check_definition(definition, kind)
        for machine in self.state_machines:
            if machine.name == name and (machine.definition != definition or machine.type != kind):
                raise AwsError(
                    "StateMachineAlreadyExists", f"State Machine Already Exists: '{machine.arn}'"
                )
        return original(self, name, definition, *args, **kw)

    return create_state_machine


def _update_state_machine(original: Any) -> Any:
    @functools.wraps(original)
    def update_state_machine(self: Any, arn: str, *args: Any, **kw: Any) -> Any:
        given = inspect.signature(original).bind(self, arn, *args, **kw).arguments
        if given.get("definition") is not None:
            _check_definition(given["definition"], self.describe_state_machine(arn).type)
        return original(self, arn, *args, **kw)

    return update_state_machine


def _validate_definition(original: Any) -> Any:
    def validate(definition: str) -> None:
        try:
            original(definition)
        except HTTPException as error:
            text = str(getattr(error, "message", error))
            found = [f"SCHEMA_VALIDATION_FAILED: {text}"]
            raise AwsError("InvalidDefinition", _invalid(found)) from error
        except Exception as error:
            # The grammar takes more than the interpreter understands.
            why = f"{type(error).__name__}: {error}"
            found = [f"SCHEMA_VALIDATION_FAILED: It cannot be interpreted ({why})"]
            raise AwsError("InvalidDefinition", _invalid(found)) from error

    return validate


_invalid = definition.message  # for where moto calls an argument so


def _check_definition(text: str, kind: str) -> None:
    if len(text.encode("utf-8", "replace")) > definition.LONGEST:
        raise AwsError(
            "ValidationException",
            "1 validation error detected: Value at 'definition' failed to satisfy constraint: Member "
            f"must have length less than or equal to {definition.LONGEST}",
        )
    found = definition.problems(text, kind)
    if found:
        raise AwsError("InvalidDefinition", definition.message(found))
    refused = emulated.refusals(text)
    if refused:
        raise AwsError("NotImplemented", " ".join(refused), 501)
    for warning in emulated.warnings(text):
        seam.here.warn(warning)


def _parse(original: Any) -> Any:
    @functools.lru_cache(maxsize=64)
    def parse(text: str) -> Any:
        return original(emulated.interpretable(text))

    return parse


REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend.create_state_machine",
        _create_state_machine,
        "moto answers with the old machine when the definition differs",
    ),
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend.update_state_machine",
        _update_state_machine,
        "moto does not know what an Express state machine does not support",
    ),
    Replacement(
        f"{PARSER}.models",
        "StepFunctionsParserBackend._validate_definition",
        _validate_definition,
        "moto takes resources and targets that do not exist",
    ),
    Replacement(
        f"{ASL}.parse.asl_parser",
        "AmazonStateLanguageParser.parse",
        _parse,
        "parsing takes 10 ms and more, and what it makes keeps no state of an execution; its "
        "distributed Map takes half of the fields, and overlooks iterations that fail",
    ),
    *(
        Replacement(
            module,
            "parse",
            functools.lru_cache(maxsize=1024),
            "it builds its parser anew at each path, which is half of a state's time",
        )
        for module in (f"{ASL}.utils.json_path", f"{ASL}.component.common.path.result_path")
    ),
)
