"""The runtime's rules, without a process."""

from __future__ import annotations

import json
import logging
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.runtime.bootstrap import (
    Context,
    Encoder,
    Fault,
    LogHandler,
    describe,
    load,
    one_event,
    prepare,
)

finite = st.decimals(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(
    scalars | finite,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_decimals_are_numbers_and_everything_else_is_as_it_was(value: object) -> None:
    text = Encoder().encode(value)
    assert json.loads(text, parse_float=Decimal) == value


def test_characters_beyond_ascii_stay_or_are_escaped_by_runtime() -> None:
    assert Encoder().encode("é") == '"é"'.encode()
    assert Encoder(ascii_only=True).encode("é") == b'"\\u00e9"'


def test_text_that_looks_like_a_mark_stays_text() -> None:
    sent = {"a": "decimal-0123:5", "b": Decimal("1.0")}
    assert Encoder().encode(sent) == b'{"a": "decimal-0123:5", "b": 1.0}'


def test_nan_is_written_as_aws_writes_it() -> None:
    assert Encoder().encode([Decimal("NaN"), float("nan")]) == b"[NaN, NaN]"


@pytest.mark.parametrize("value", [object(), {1}, b"bytes", "\ud800"])
def test_what_is_no_json_is_a_marshal_error(value: object) -> None:
    with pytest.raises(Fault, match="Unable to marshal response: ") as caught:
        Encoder().encode([value])
    assert caught.value.kind == "Runtime.MarshalError"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("handler", "Runtime.MalformedHandlerName"),
        ("sys.exit", "Runtime.BuiltInModuleConflict"),
        ("nowhere.handler", "Runtime.ImportModuleError"),
        ("json.no_such_name", "Runtime.HandlerNotFound"),
    ],
)
def test_handler_that_cannot_be_loaded_has_awss_error_type(name: str, kind: str) -> None:
    with pytest.raises(Fault) as caught:
        load(name)
    assert caught.value.kind == kind


def test_handler_is_loaded() -> None:
    assert load("json.dumps") is json.dumps


def test_syntax_error_shows_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_handler.py").write_text("x = 1\ndef handler(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Fault) as caught:
        load("broken_handler.handler")
    assert caught.value.kind == "Runtime.UserCodeSyntaxError"
    assert caught.value.frames == [
        f'  File "{tmp_path / "broken_handler.py"}" Line 2\n    def handler(:\n'
    ]


def test_error_without_frames_of_the_function_has_none() -> None:
    assert describe(ValueError("no"), "id") == {
        "errorMessage": "no",
        "errorType": "ValueError",
        "requestId": "id",
        "stackTrace": [],
    }


def test_context_has_awss_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    context = Context({"lambda-runtime-aws-request-id": "id", "lambda-runtime-deadline-ms": "1"})
    assert context.aws_request_id == "id"
    assert context.memory_limit_in_mb == "128"
    assert context.get_remaining_time_in_millis() == 0
    assert context.client_context is None
    assert context.identity.cognito_identity_id is None


def test_client_context_that_is_no_json_is_a_fault() -> None:
    headers = {"lambda-runtime-aws-request-id": "id", "lambda-runtime-client-context": "{"}
    with pytest.raises(Fault, match="Unable to parse Client Context JSON"):
        Context(headers)


def test_log_record_is_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogHandler()
    record = logging.LogRecord("n", logging.INFO, "p", 1, "two\nlines", None, None)
    record.created, record.msecs = 0.0, 7.0
    handler.emit(record)
    assert capsys.readouterr().out == "[INFO]\t1970-01-01T00:00:00.007Z\t\ttwo\rlines\n"


def test_lines_of_one_event_are_kept_together() -> None:
    assert one_event("a\r\nb\nc") == "a\rb\rc"


def test_function_sees_its_package_first_and_no_other_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = ["/runtime", "/py/lib", "/venv/lib/site-packages", "", "/task", "/usr/dist-packages/"]
    monkeypatch.setattr(sys, "path", paths)
    prepare("/task", "/runtime")
    assert sys.path == ["/task", "/py/lib"]
