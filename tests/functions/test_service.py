"""Functions in real processes: what AWS documents of them, seen from the outside."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import AwsError
from labkit.functions.pool import CORES
from labkit.trace import Trace
from tests.fidelity.plugin import Values
from tests.functions.conftest import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
ECHO = "def handler(event, context):\n    return event\n"


def switches(pid: int) -> str:
    """How often a process has run, as Linux counts it."""
    return Path(f"/proc/{pid}/schedstat").read_text()


# -- the handler ------------------------------------------------------------------------------


async def test_handler_gets_the_event_and_its_value_is_the_answer(account: Any) -> None:
    event = {"a": [1, 2.5, None, True], "ü": "☃"}
    assert await account.value(account.deploy(ECHO), event) == event


async def test_empty_payload_is_an_empty_object(account: Any) -> None:
    result = await account.functions.invoke(account.deploy(ECHO), b"")
    assert json.loads(result.payload) == {}


@pytest.mark.behaviour("lambda.invocations.warm")
async def test_module_state_stays_between_invocations(account: Any) -> None:
    name = account.deploy(
        """
        calls = []
        def handler(event, context):
            calls.append(event)
            return calls
        """
    )
    await account.value(name, 1)
    assert await account.value(name, 2) == [1, 2]
    assert [e["cold"] for e in account.events("function.invoked", name)] == [True, False]
    assert len(account.pids(name)) == 1


async def test_handler_may_lie_in_a_package(account: Any) -> None:
    files = {"shop/__init__.py": "", "shop/orders.py": ECHO}
    assert await account.value(account.deploy(files=files, handler="shop.orders.handler"), 7) == 7
    assert await account.value(account.deploy(files=files, handler="shop/orders.handler"), 8) == 8


async def test_context_describes_the_invocation(account: Any) -> None:
    name = account.deploy(
        """
        def handler(event, context):
            names = (
                "function_name", "function_version", "invoked_function_arn",
                "memory_limit_in_mb", "aws_request_id", "log_group_name", "log_stream_name",
            )
            left = context.get_remaining_time_in_millis()
            return {**{name: getattr(context, name) for name in names}, "left": left}
        """,
        memory=256,
        timeout=9,
    )
    result = await account.invoke(f"{name}:$LATEST")
    context = json.loads(result.payload)
    assert re.fullmatch(UUID, context["aws_request_id"])
    assert context["aws_request_id"] == result.request_id
    assert context["function_name"] == name
    assert context["function_version"] == "$LATEST"
    assert context["invoked_function_arn"].endswith(f":function:{name}:$LATEST")
    assert context["memory_limit_in_mb"] == "256"
    assert context["log_group_name"] == f"/aws/lambda/{name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context["log_stream_name"])
    assert 8_000 < context["left"] <= 9_000


async def test_client_context_reaches_the_handler(account: Any) -> None:
    name = account.deploy(
        """
        def handler(event, context):
            return [context.client_context.custom, context.client_context.client.app_title]
        """
    )
    sent = json.dumps({"custom": {"ü": 1}, "client": {"app_title": "shop"}})
    encoded = base64.b64encode(sent.encode()).decode()
    assert await account.value(name, client_context=encoded) == [{"ü": 1}, "shop"]


async def test_what_a_function_does_is_caused_by_its_invocation(account: Any) -> None:
    name = account.deploy(
        "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n"
    )
    trace = Trace.new()
    header = await account.value(name, trace=trace)
    invoked = account.events("function.invoked", name)[0]
    assert Trace.parse(header) == Trace(trace.root, invoked.seq)
    assert account.events("function.returned", name)[0].cause == invoked.seq


async def test_environment_is_the_functions_and_lambdas_alone(
    account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-students")
    monkeypatch.setenv("STUDENTS_OWN", "secret")
    name = account.deploy(
        "import os\ndef handler(event, context):\n    return dict(os.environ)\n",
        environment={"TABLE": "orders", "AWS_REGION": "not-allowed", "LANG": "de_DE.UTF-8"},
        role="arn:aws:iam::123456789012:role/r",
    )
    environment = await account.value(name)
    # "Defined runtime environment variables"; the last lines are what keeps the student's out.
    assert set(environment) == {
        *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION"),
        *("AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        *("AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE"),
        *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY_ID"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API"),
        *("LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "LANG", "PATH", "PYTHONPATH", "TZ"),
        *("AWS_XRAY_CONTEXT_MISSING", "TABLE"),
        *("HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"),
    }
    assert environment["TABLE"] == "orders"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["LANG"] == "de_DE.UTF-8"
    assert environment["AWS_SESSION_TOKEN"] == "arn:aws:iam::123456789012:role/r"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["HOME"] != os.environ["HOME"]


async def test_function_runs_in_its_packages_folder(account: Any) -> None:
    name = account.deploy(
        """
        import os, sys
        def handler(event, context):
            here = os.path.realpath(os.path.dirname(__file__))
            roots = os.getcwd(), os.environ["LAMBDA_TASK_ROOT"], sys.path[0]
            return [os.path.realpath(root) == here for root in roots], open("data.txt").read()
        """,
        files={"data.txt": "prices"},
    )
    assert await account.value(name) == [[True, True, True], "prices"]


@pytest.mark.parametrize("module", ["bootstrap", "redirect", "fork_server", "queue", "secrets"])
async def test_own_module_wins_over_one_that_the_runtime_has_loaded(
    account: Any, module: str
) -> None:
    code = f"import {module}\ndef handler(event, context):\n    return {module}.MINE\n"
    name = account.deploy(code, files={f"{module}.py": "MINE = 'mine'"})
    assert await account.value(name) == "mine"


async def test_only_what_aws_has_can_be_imported(account: Any) -> None:
    sdk = "import boto3, botocore, dateutil, jmespath, s3transfer, urllib3, six\n"
    assert await account.value(account.deploy(sdk + ECHO), 1) == 1
    error = await account.error(account.deploy("import pytest\n" + ECHO))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'app': No module named 'pytest'"


# -- answers ----------------------------------------------------------------------------------


async def test_decimal_is_a_number_digit_by_digit(account: Any) -> None:
    name = account.deploy(
        """
        from decimal import Decimal
        def handler(event, context):
            return {"price": Decimal("19.90"), "count": Decimal(3), "text": "decimal-1:2"}
        """
    )
    result = await account.invoke(name)
    assert result.payload == b'{"price": 19.90, "count": 3, "text": "decimal-1:2"}'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("datetime.datetime.now()", "Object of type datetime is not JSON serializable"),
        ("{1, 2}", "Object of type set is not JSON serializable"),
        ("circular", "Circular reference detected"),
    ],
)
async def test_answer_that_is_no_json_is_a_marshal_error(
    account: Any, value: str, message: str
) -> None:
    name = account.deploy(
        f"""
        import datetime
        circular = []
        circular.append(circular)
        def handler(event, context):
            return {value}
        """
    )
    error = await account.error(name)
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"] == f"Unable to marshal response: {message}"
    assert error["stackTrace"] == []


@pytest.mark.behaviour("lambda.invocations.response-size")
async def test_answer_over_6_mb_is_refused_and_the_function_goes_on(
    account: Any, expected: Values
) -> None:
    name = account.deploy("def handler(event, context):\n    return 'x' * event\n")
    error = await account.error(name, 7_000_000)
    assert error == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        f"({expected.largest} bytes).",
        "errorType": expected.error,
    }
    assert len(await account.value(name, 6_000_000)) == 6_000_000


# -- errors -----------------------------------------------------------------------------------


@pytest.mark.behaviour("lambda.invocations.exception")
async def test_exception_is_answered_with_the_functions_own_stack(
    account: Any, expected: Values
) -> None:
    name = account.deploy(
        """
        class OutOfStock(Exception):
            pass

        def reserve(item):
            raise OutOfStock(f"no {item}")

        def handler(event, context):
            reserve("tea")
        """
    )
    result = await account.invoke(name)
    error = json.loads(result.payload)
    assert result.status == 200
    assert result.function_error == expected.error
    assert list(error) == expected.members
    assert error["errorMessage"] == "no tea"
    assert error["errorType"] == "OutOfStock"
    assert error["requestId"] == result.request_id
    assert len(error["stackTrace"]) == 2
    assert re.match(
        r'  File "/var/task/app\.py", line 9, in handler\n    reserve\("tea"\)',
        error["stackTrace"][0],
    )
    assert error["stackTrace"][1].startswith('  File "/var/task/app.py", line 6, in reserve\n')
    (line,) = account.lines(name)
    assert line.startswith("[ERROR] OutOfStock: no tea\nTraceback (most recent call last):\n")


@pytest.mark.behaviour("lambda.invocations.initialisation")
@pytest.mark.parametrize(
    ("code", "handler", "kind", "message"),
    [
        (
            "import nowhere",
            "app.handler",
            "module",
            "Unable to import module 'app': No module named 'nowhere'",
        ),
        (
            ECHO,
            "other.handler",
            "module",
            "Unable to import module 'other': No module named 'other'",
        ),
        (
            ECHO,
            "app.handle",
            "handler",
            "Handler 'handle' missing on module 'app'",
        ),
        (
            "def handler(event context):",
            "app.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': ",
        ),
        (ECHO, "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': "),
        ("raise KeyError('TABLE')", "app.handler", "KeyError", "'TABLE'"),
    ],
)
async def test_function_that_cannot_be_initialised_says_why(
    account: Any, code: str, handler: str, kind: str, message: str, expected: Values
) -> None:
    kind = {"module": expected.module, "handler": expected.handler}.get(kind, kind)
    name = account.deploy(code, handler=handler)
    result = await account.invoke(name, log_type="Tail")
    error = json.loads(result.payload)
    assert result.function_error == "Unhandled"
    assert error["errorType"] == kind
    assert error["errorMessage"].startswith(message)
    assert f"[ERROR] {kind}: {message}" in result.log_tail.decode()
    assert f"Status: error\tError Type: {kind}" in result.log_tail.decode()
    assert account.events("function.returned", name)[0]["error"] == kind


@pytest.mark.behaviour("lambda.invocations.exit")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sys.exit(1)", "Runtime exited with error: exit status 1"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", None),
        ("ctypes.string_at(0)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
async def test_process_that_ends_is_an_exit_error(
    account: Any, code: str, reason: str, expected: Values
) -> None:
    name = account.deploy(
        f"""
        import ctypes, os, signal, sys
        def handler(event, context):
            if event == "die":
                print("last words", end="")
                {code}
            return event
        """
    )
    result = await account.invoke(name, "die", log_type="Tail")
    message = f"RequestId: {result.request_id} Error: {reason or expected.killed}"
    assert json.loads(result.payload) == {
        "errorType": expected.error,
        "errorMessage": message,
    }
    tail = result.log_tail.decode()
    assert f"last words\n{message}\nRuntime.ExitError\nEND RequestId" in tail
    assert "Status: error\tError Type: Runtime.ExitError" in tail
    assert await account.value(name, "again") == "again"
    assert len(account.pids(name)) == 2


async def test_exit_at_import_is_an_exit_error(account: Any) -> None:
    error = await account.error(account.deploy("import sys\nsys.exit(4)\n"))
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 4")


@pytest.mark.behaviour("lambda.invocations.time-out")
@pytest.mark.parametrize("code", ["while True: pass", "time.sleep(60)"])
async def test_function_that_takes_too_long_is_killed(
    account: Any, code: str, expected: Values
) -> None:
    name = account.deploy(
        f"""
        import time
        def handler(event, context):
            if event:
                {code}
            return "done"
        """,
        timeout=0.4,
    )
    result = await account.invoke(name, True, log_type="Tail")
    assert json.loads(result.payload) == {
        "errorType": expected.error,
        "errorMessage": f"RequestId: {result.request_id} Error: {expected.words}",
    }
    tail = result.log_tail.decode()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.search(f"{stamp} {result.request_id} Task timed out after 0.40 seconds\n", tail)
    assert "Status: timeout" in tail
    ended = await account.event("function.ended", name)
    assert ended["reason"] == "timeout"
    assert await account.value(name, False) == "done"


async def test_initialisation_has_a_limit_of_its_own_and_a_second_try(account: Any) -> None:
    # The account's limit is half a second here; on AWS it is ten.
    name = account.deploy("import time\ntime.sleep(60)\n", timeout=0.3)
    result = await account.invoke(name, log_type="Tail")
    assert json.loads(result.payload)["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 0.30 seconds" in json.loads(result.payload)["errorMessage"]
    assert result.log_tail.decode().count("Phase: init\tStatus: timeout") == 1
    assert len(account.pids(name)) == 2


@pytest.mark.behaviour("lambda.invocations.memory")
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA holds on Linux only")
async def test_function_that_needs_too_much_memory_is_killed(
    account: Any, expected: Values
) -> None:
    name = account.deploy(
        "def handler(event, context):\n    return len(bytearray(event * 1_000_000))\n", memory=128
    )
    assert await account.value(name, 60) == 60_000_000
    error = await account.error(name, 300)
    assert error["errorType"] == expected.error
    assert error["errorMessage"].endswith("signal: killed")
    assert await account.value(account.deploy(ECHO, memory=512, name=name), 1) == 1


# -- the log ----------------------------------------------------------------------------------


async def test_log_has_everything_in_order_between_start_and_end(account: Any) -> None:
    name = account.deploy(
        """
        import logging, os, subprocess, sys
        def handler(event, context):
            print("one")
            sys.stderr.write("two\\n")
            logging.getLogger().warning("three\\nlines")
            logging.getLogger().info("not shown")
            os.write(1, b"four\\n")
            subprocess.run([sys.executable, "-S", "-c", "print('five')"])
            print("six", end="")
        """
    )
    result = await account.invoke(name, log_type="Tail")
    number = result.request_id
    *before, report = result.log_tail.decode().rstrip("\n").split("\n")
    assert [re.sub(r"\t[\dT:.-]+Z\t", "\tTIME\t", line) for line in before] == [
        f"START RequestId: {number} Version: $LATEST",
        "one",
        "two",
        f"[WARNING]\tTIME\t{number}\tthree",
        "lines",
        "four",
        "five",
        "six",
        f"END RequestId: {number}",
    ]
    assert re.fullmatch(
        rf"REPORT RequestId: {number}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: [1-9]\d* MB\tInit Duration: \d+\.\d\d ms\t",
        report,
    )
    warm = await account.invoke(name, log_type="Tail")
    assert "Init Duration" not in warm.log_tail.decode()


async def test_log_reaches_cloudwatch_as_events_of_one_stream(account: Any) -> None:
    name = account.deploy("print('init')\ndef handler(event, context):\n    print(event)\n")
    await account.invoke(name, "first")
    await account.invoke(name, "second")
    await account.functions._writer.flush()
    batches = [batch for batch in account.written if batch[2] == f"/aws/lambda/{name}"]
    assert {batch[:2] for batch in batches} == {("123456789012", "us-east-1")}
    assert len({batch[3] for batch in batches}) == 1
    messages = [message for batch in batches for _, message in batch[4]]
    assert all(message.endswith("\n") for message in messages)
    assert [message.split()[0] for message in messages] == [
        *("init", "START", "first", "END", "REPORT"),
        *("START", "second", "END", "REPORT"),
    ]


async def test_tail_holds_the_last_4_kb(account: Any) -> None:
    name = account.deploy("def handler(event, context):\n    print('x' * 9_000)\n")
    result = await account.invoke(name, log_type="Tail")
    assert len(result.log_tail) == 4096
    assert b"REPORT RequestId" in result.log_tail
    assert (await account.invoke(name)).log_tail == b""


async def test_output_larger_than_a_pipe_is_kept_whole(account: Any) -> None:
    name = account.deploy(
        "def handler(event, context):\n    for n in range(4_000):\n        print(n, 'x' * 60)\n"
    )
    await account.value(name)
    assert [line.split(" ")[0] for line in account.lines(name)] == [str(n) for n in range(4_000)]


# -- processes --------------------------------------------------------------------------------


@pytest.mark.behaviour("lambda.invocations.frozen")
async def test_process_is_frozen_between_invocations(account: Any, state_of: Any) -> None:
    name = account.deploy(
        """
        import threading, time
        ticks = 0
        def tick():
            global ticks
            while True:
                time.sleep(0.001)
                ticks += 1
        def handler(event, context):
            if event == "begin":
                threading.Thread(target=tick, daemon=True).start()
            return ticks
        """
    )
    await account.value(name, "begin")
    (pid,) = account.pids(name)
    await state_of(pid, "T")
    stopped = switches(pid)
    other = account.deploy("import time\ndef handler(event, context):\n    time.sleep(0.2)\n")
    await account.value(other)
    assert switches(pid) == stopped


@pytest.mark.behaviour("lambda.invocations.side-by-side")
async def test_invocations_that_wait_for_each_other_run_side_by_side(
    account: Any, tmp_path: Path
) -> None:
    name = account.deploy(
        """
        import os, pathlib, time
        def handler(event, context):
            folder = pathlib.Path(event)
            (folder / context.aws_request_id).touch()
            while len(list(folder.iterdir())) < 5:
                time.sleep(0.01)
            return os.getpid()
        """,
        timeout=10,
    )
    pids = await asyncio.gather(*(account.value(name, str(tmp_path)) for _ in range(5)))
    assert len(set(pids)) == 5


async def test_burst_of_short_invocations_needs_few_processes(account: Any) -> None:
    name = account.deploy(ECHO)
    await asyncio.gather(*(account.value(name, n) for n in range(300)))
    assert len(account.pids(name)) <= max(4, 2 * (os.cpu_count() or 1))


async def test_new_code_runs_at_once_and_the_old_finishes(account: Any, tmp_path: Path) -> None:
    wait = """
        import os, time
        def handler(event, context):
            while not os.path.exists(event):
                time.sleep(0.005)
            return "old"
        """
    name = account.deploy(wait)
    old = asyncio.create_task(account.value(name, str(tmp_path / "go")))
    await account.event("function.invoked", name)
    account.deploy("def handler(event, context):\n    return 'new'\n", name=name)
    assert await account.value(name) == "new"
    (tmp_path / "go").touch()
    assert await old == "old"
    ended = await account.event("function.ended", name)
    assert (ended["pid"], ended["reason"]) == (account.pids(name)[0], "replaced")


async def test_process_stays_when_only_other_things_changed(account: Any) -> None:
    name = account.deploy(ECHO)
    await account.value(name)
    account.functions.changed(account.deployed[name].arn)
    await account.value(name)
    assert len(account.pids(name)) == 1


async def test_deleted_function_leaves_no_process(account: Any) -> None:
    name = account.deploy(ECHO)
    await account.value(name)
    arn = account.deployed.pop(name).arn
    account.functions.changed(arn)
    assert (await account.event("function.ended", name))["pid"] == account.pids(name)[0]
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        await account.invoke(name)


async def test_package_with_its_own_sdk_gets_an_interpreter_of_its_own(account: Any) -> None:
    name = account.deploy(
        "import boto3\ndef handler(event, context):\n    return boto3.__version__, event\n",
        files={"boto3/__init__.py": "__version__ = '0.0.1-own'"},
    )
    assert await account.value(name, 5) == ["0.0.1-own", 5]


async def test_what_a_function_started_ends_with_it(account: Any, state_of: Any) -> None:
    name = account.deploy(
        """
        import os, subprocess, sys
        def handler(event, context):
            code = "import time; time.sleep(600)"
            options = {"start_new_session": event == "own session"}
            pid = subprocess.Popen([sys.executable, "-S", "-c", code], **options).pid
            if event != "stay":
                print(pid)
                os._exit(1)
            return pid
        """
    )
    for how in ("own group", "own session"):
        await account.error(name, how)
        await state_of(int(account.lines(name)[-2]), "")
    pid = await account.value(name, "stay")
    await state_of(pid, "T")
    account.functions.changed(account.deployed.pop(name).arn)
    await state_of(pid, "")


# -- Invoke -----------------------------------------------------------------------------------


@pytest.mark.behaviour("lambda.invocations.unknown")
async def test_unknown_function_is_not_found(account: Any, expected: Values) -> None:
    with pytest.raises(AwsError) as caught:
        await account.invoke("nobody")
    assert (caught.value.code, caught.value.status) == (expected.error, expected.status)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:nobody"
    assert caught.value.message == f"Function not found: {arn}"


@pytest.mark.behaviour("lambda.invocations.request-size")
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
async def test_too_large_an_event_is_refused(account: Any, kind: str, expected: Values) -> None:
    name = account.deploy("def handler(event, context):\n    return len(event)\n")
    limit = expected.asynchronous if kind == "Event" else expected.largest
    payload = b'"' + b"x" * (limit - 2) + b'"'
    result = await account.functions.invoke(name, payload, invocation_type=kind)
    assert result.status == (200 if kind == "RequestResponse" else 202)
    with pytest.raises(AwsError, match=f"{limit + 1} byte payload is too large") as caught:
        await account.functions.invoke(name, payload + b" ", invocation_type=kind)
    assert (caught.value.code, caught.value.status) == (expected.error, expected.status)


async def test_event_that_is_no_json_is_refused(account: Any) -> None:
    with pytest.raises(AwsError, match="Could not parse request body into json") as caught:
        await account.functions.invoke(account.deploy(ECHO), b"{")
    assert (caught.value.code, caught.value.status) == ("InvalidRequestContentException", 400)


async def test_dry_run_runs_nothing(account: Any) -> None:
    name = account.deploy(ECHO)
    assert (await account.invoke(name, invocation_type="DryRun")).status == 204
    assert account.pids(name) == []


async def test_unknown_invocation_type_is_refused(account: Any) -> None:
    with pytest.raises(AwsError, match="InvalidParameterValueException"):
        await account.invoke(account.deploy(ECHO), invocation_type="Later")


@pytest.mark.behaviour("lambda.invocations.asynchronous")
async def test_asynchronous_invocation_is_answered_at_once_and_retried_twice(
    account: Any, expected: Values
) -> None:
    name = account.deploy("def handler(event, context):\n    raise ValueError(event)\n")
    result = await account.invoke(name, "no", invocation_type="Event")
    assert (result.status, result.payload) == (expected.status, b"")
    await account.event("function.returned", name, count=expected.tries)
    assert (await account.invoke(name, "no")).function_error == "Unhandled"
    *requests, _ = [e["request"] for e in account.events("function.invoked", name)]
    assert requests == [result.request_id] * expected.tries


async def test_asynchronous_invocation_that_succeeds_runs_once(account: Any) -> None:
    name = account.deploy(ECHO)
    await account.invoke(name, invocation_type="Event")
    await account.event("function.returned", name)
    await account.value(name)
    assert len(account.events("function.invoked", name)) == 2


@pytest.mark.behaviour("lambda.invocations.concurrency")
async def test_reserved_concurrency_throttles_what_is_over_it(
    account: Any, tmp_path: Path, expected: Values
) -> None:
    code = """
        import os, time
        def handler(event, context):
            while not os.path.exists(event):
                time.sleep(0.005)
        """
    name = account.deploy(code, reserved_concurrency=1)
    first = asyncio.create_task(account.value(name, str(tmp_path / "go")))
    await account.event("function.invoked", name)
    with pytest.raises(AwsError) as caught:
        await account.invoke(name, str(tmp_path / "go"))
    assert (caught.value.code, caught.value.status) == (expected.error, expected.status)
    assert caught.value.extra["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    (tmp_path / "go").touch()
    await first
    await account.value(name, str(tmp_path / "go"))
    with pytest.raises(AwsError, match="TooManyRequestsException"):
        await account.invoke(account.deploy(ECHO, reserved_concurrency=0))


async def test_throttled_asynchronous_invocation_is_tried_again(account: Any) -> None:
    name = account.deploy(ECHO, reserved_concurrency=0)
    assert (await account.invoke(name, invocation_type="Event")).status == 202
    assert account.events("function.invoked", name) == []
    account.deployed[name] = replace(account.deployed[name], reserved_concurrency=None)
    account.functions.changed(account.deployed[name].arn)
    await account.event("function.returned", name)


@pytest.mark.behaviour("lambda.invocations.goes-on")
async def test_function_runs_on_when_its_caller_has_gone(account: Any, tmp_path: Path) -> None:
    name = account.deploy(
        """
        import os, time
        def handler(event, context):
            while not os.path.exists(event):
                time.sleep(0.005)
        """
    )
    call = asyncio.create_task(account.invoke(name, str(tmp_path / "go")))
    await account.event("function.invoked", name)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    (tmp_path / "go").touch()
    assert (await account.event("function.returned", name))["error"] is None


async def test_invocation_that_waits_for_a_process_never_begins_if_its_caller_goes(
    tmp_path: Path,
) -> None:
    code = """
        import os, time
        def handler(event, context):
            while not os.path.exists(event["until"]):
                time.sleep(0.005)
            return event["name"]
        """
    go = {"until": str(tmp_path / "go")}
    async with running(max_processes=1) as account:
        name = account.deploy(code)
        first = asyncio.create_task(account.value(name, {"name": "first", **go}))
        await account.event("function.invoked", name)
        second, third = (
            asyncio.create_task(account.value(name, {"name": which, **go}))
            for which in ("second", "third")
        )
        await asyncio.sleep(0)  # both are asked for
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        (tmp_path / "go").touch()
        assert [await first, await third] == ["first", "third"]
        assert len(account.events("function.invoked", name)) == 2


# -- faults -----------------------------------------------------------------------------------


async def test_fault_kills_the_process_in_the_middle_of_an_invocation(account: Any) -> None:
    name = account.deploy("import time\ndef handler(event, context):\n    time.sleep(event)\n")
    account.faults.add("function.invoke", "kill", function=name)
    error = await account.error(name, 5)
    assert error["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert (await account.event("function.ended", name))["reason"] == "fault"
    await account.value(name, 0)


async def test_fault_throttles_or_fails_or_delays_an_invocation(account: Any) -> None:
    name = account.deploy(ECHO)
    account.faults.add("function.invoke", "throttle", function=name)
    with pytest.raises(AwsError, match="TooManyRequestsException"):
        await account.invoke(name)
    account.faults.add(
        "function.invoke", "error", function=name, status=500, code="ServiceException"
    )
    with pytest.raises(AwsError, match="ServiceException"):
        await account.invoke(name)
    fault = account.faults.add("function.invoke", "delay", function=name, seconds=0.05)
    began = asyncio.get_running_loop().time()
    assert await account.value(name, 1) == 1
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert fault.times == 0


async def test_fault_runs_an_invocation_twice(account: Any) -> None:
    name = account.deploy(ECHO)
    account.faults.add("function.invoke", "duplicate", function=name)
    result = await account.invoke(name, 1)
    await account.event("function.returned", name, count=2)
    requests = [e["request"] for e in account.events("function.invoked", name)]
    assert requests == [result.request_id] * 2


async def test_processes_that_answer_and_never_come_back_hold_up_nobody(account: Any) -> None:
    name = account.deploy(
        """
        import http.client, os, threading

        def handler(event, context):
            if event == "stay":
                api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
                path = f"/2018-06-01/runtime/invocation/{context.aws_request_id}/response"
                api.request("POST", path, b'"gone"')
                threading.Event().wait()
            return "here"
        """
    )
    for _ in range(CORES):
        assert await account.value(name, "stay") == "gone"
    assert await account.value(name, "come back") == "here"
