"""Runtimes that a package brings (``provided.al2023``), here one of a few lines."""

from __future__ import annotations

import stat
import sys
import zipfile
from io import BytesIO

import pytest

from labkit.functions.model import FunctionConfiguration
from labkit.functions.program import INTERPRETER, program
from tests.functions.conftest import Account

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUNTIME = f"""#!{sys.executable} -S
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
print("ready")
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    asked = api.getresponse()
    request, event = asked.headers["Lambda-Runtime-Aws-Request-Id"], json.load(asked)
    answer = {{"event": event, "environment": dict(os.environ), "folder": os.getcwd()}}
    api.request("POST", f"/2018-06-01/runtime/invocation/{{request}}/response", json.dumps(answer))
    api.getresponse().read()
"""


def package(mode: int) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = (stat.S_IFREG | mode) << 16
        file.writestr(entry, RUNTIME)
    return buffer.getvalue()


@pytest.mark.behaviour("lambda.invocations.runtime-api")
@pytest.mark.skipif(sys.platform == "win32", reason="the file is made executable by its mode")
async def test_bootstrap_of_the_package_is_the_runtime(account: Account) -> None:
    name = account.deploy(runtime="provided.al2023", package=package(0o755), handler="any.thing")
    first = await account.value(name, {"n": 1})
    assert first["event"] == {"n": 1}
    environment = first["environment"]
    assert environment["_HANDLER"] == "any.thing"
    assert environment["LAMBDA_TASK_ROOT"] == first["folder"]
    assert environment["AWS_ENDPOINT_URL"] == account.endpoint
    assert "AWS_EXECUTION_ENV" not in environment  # as in AWS's documentation of OS-only runtimes
    await account.value(name, {"n": 2})
    assert len(account.pids(name)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the file is made executable by its mode")
@pytest.mark.parametrize("made", [package(0o644), None], ids=["not executable", "not there"])
async def test_bootstrap_that_cannot_be_run_says_so_in_the_log(
    account: Account, made: bytes | None
) -> None:
    changes = {"package": made} if made else {}
    name = account.deploy(runtime="provided.al2023", **changes)
    error = await account.error(name)
    assert error["errorType"] == "Runtime.ExitError"
    assert any("/bootstrap cannot be run: " in line for line in account.lines(name))


def function(runtime: str) -> FunctionConfiguration:
    return FunctionConfiguration("f", "arn", "1", "r", "app.handler", runtime, b"", "1")


async def test_fork_is_for_packages_that_bring_neither_sdk_nor_runtime() -> None:
    python, own = function("python3.13"), function("provided.al2023")
    assert program(python, task_root="/t", brings_sdk=False) == ()
    assert program(python, task_root="/t", brings_sdk=True) == INTERPRETER
    for brings_sdk in (False, True):
        assert program(own, task_root="/t", brings_sdk=brings_sdk) == ("/t/bootstrap",)
