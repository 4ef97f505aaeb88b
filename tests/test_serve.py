"""``labkit serve``, and what is left of a cloud after each way to end it: nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest

from labkit import Lab, package
from labkit.attached import AttachedCloud
from labkit.errors import EnvironmentProblem

DEADLINE = 40.0
ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ECHO = b"def handler(event, context):\n    return event\n"
BUSY = b"import time\ndef handler(event, context):\n    time.sleep(600)\n"


# -- processes ------------------------------------------------------------------------------------


def state(pid: int) -> str:
    """A process's state as Linux shows it: R, S, T (stopped), Z …; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descendants(pid: int) -> set[int]:
    """A process's children, theirs, and so on."""
    try:
        files = list(Path(f"/proc/{pid}/task").glob("*/children"))
        children = {int(child) for file in files for child in file.read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return children.union(*(descendants(child) for child in children))


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something that no event tells of."""
    deadline = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)
    return value


def are_gone(pids: set[int]) -> bool:
    return all(state(pid) in ("", "Z", "X") for pid in pids)


class Served:
    """A program that runs a cloud, in a process group of its own as a kernel has it.

    Attributes:
        endpoint: where its cloud answers.
    """

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.first = self.line()
        self.endpoint: str = json.loads(self.first)["endpoint"]

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return line

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )

    def log(self) -> list[dict[str, Any]]:
        """All events so far."""
        with urlopen(f"{self.endpoint}/_labkit/events?after=0&follow=0", timeout=DEADLINE) as lines:
            return [json.loads(line) for line in lines]

    def pids(self, kind: str, function: str) -> list[int]:
        events = [e for e in self.log() if e["kind"] == kind]
        return [e["data"].get("pid") for e in events if e["data"]["function"] == function]

    def fill(self) -> set[int]:
        """Have one function frozen and one that runs; every process that there is then."""
        functions = self.client("lambda")
        trust = '{"Version": "2012-10-17", "Statement": []}'
        role = self.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=trust)
        for name, code in (("frozen", ECHO), ("busy", BUSY)):
            functions.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=role["Role"]["Arn"],
                Handler="app.handler",
                Timeout=600,
                Code={"ZipFile": package({"app.py": code})},
            )
        functions.invoke(FunctionName="frozen")
        functions.invoke(FunctionName="busy", InvocationType="Event")
        until(lambda: self.pids("function.invoked", "busy"), "the busy function runs")
        (frozen,), (busy,) = (self.pids("function.started", name) for name in ("frozen", "busy"))
        until(lambda: state(frozen) == "T", "the other one is frozen")
        found = descendants(self.process.pid)
        assert {frozen, busy} < found, "the fork server is one more"
        return found

    def end(self) -> None:
        """Kill it if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@contextmanager
def served(*command: str) -> Iterator[Served]:
    cloud = Served(*command)
    try:
        yield cloud
    finally:
        cloud.end()


def refused(endpoint: str) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(endpoint.rpartition(":")[2]))) != 0


# -- labkit serve ---------------------------------------------------------------------------------

SERVE = ("-m", "labkit", "serve")


def test_one_line_of_json_says_that_the_port_answers() -> None:
    with served(*SERVE) as cloud:
        assert json.loads(cloud.first).keys() == {"endpoint"}
        assert cloud.endpoint.startswith("http://127.0.0.1:")
        with urlopen(f"{cloud.endpoint}/_labkit", timeout=DEADLINE) as answer:
            assert json.load(answer)["pid"] == cloud.process.pid
        cloud.process.send_signal(signal.SIGINT)
        rest, errors = cloud.process.communicate(timeout=DEADLINE)
        assert (rest, errors) == ("", "")
        assert cloud.process.returncode == 0


@linux
@pytest.mark.parametrize("ending", ENDINGS)
def test_no_process_is_left_of_it(ending: signal.Signals) -> None:
    with served(*SERVE) as cloud:
        pids = cloud.fill()
        cloud.process.send_signal(ending)
        _, errors = cloud.process.communicate(timeout=DEADLINE)
        until(lambda: are_gone(pids), f"{pids} have ended")
        assert cloud.process.returncode == (-ending if ending == signal.SIGKILL else 0)
        assert errors == ""
        assert refused(cloud.endpoint)


@linux
def test_ctrl_c_in_its_terminal_ends_it_as_well() -> None:
    """A terminal sends the signal to everybody in the group, not to the server alone."""
    with served(*SERVE) as cloud:
        pids = cloud.fill()
        os.killpg(cloud.process.pid, signal.SIGINT)
        _, errors = cloud.process.communicate(timeout=DEADLINE)
        until(lambda: are_gone(pids), f"{pids} have ended")
        assert (cloud.process.returncode, errors) == (0, "")


def test_an_address_that_nobody_reads_ends_it_without_a_word() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "labkit", "serve"],
            stdout=writable,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE,
        )
    finally:
        os.close(writable)
    assert (ended.stderr, ended.returncode) == ("", 128 + 13)


def complaint(*options: str) -> str:
    run = subprocess.run(
        [sys.executable, *SERVE, *options], capture_output=True, text=True, timeout=DEADLINE
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    return run.stderr


def test_a_port_that_is_taken_is_said_with_the_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = complaint("--port", str(port))
    assert f"port {port} cannot be had (Address already in use)" in said
    assert "Choose another with --port, or leave it out for any free one." in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--port", "70000"), "'70000' is no port; ports are 0 (any) to 65535"),
        (("--speed", "0"), "'0' is no number above 0"),
    ],
)
def test_an_option_out_of_range_is_said(options: tuple[str, str], said: str) -> None:
    assert said in complaint(*options)


# -- attached -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cloud() -> Iterator[Served]:
    with served(*SERVE) as cloud:
        yield cloud


@pytest.fixture(params=["in process", "attached"])
def lab(
    request: pytest.FixtureRequest, cloud: Served, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    """The lab in both forms, which are to be the same for whoever uses it."""
    if request.param == "attached":
        monkeypatch.setenv("LABKIT_ENDPOINT", cloud.endpoint)
    with Lab.start() as lab:
        assert (lab.endpoint == cloud.endpoint) == (request.param == "attached")
        yield lab
        lab.faults.clear()


def use(lab: Lab) -> None:
    """Do what causes events of several kinds, and one error."""
    table = boto3.resource("dynamodb").create_table(
        TableName="t",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    lab.faults.add("aws.call", "error", operation="PutItem", status=400, code="MyException")
    with pytest.raises(table.meta.client.exceptions.ClientError, match="MyException"):
        table.put_item(Item={"k": "ü"})
    table.put_item(Item={"k": "ü"})
    table.delete()


USED = [
    ("aws.call", "CreateTable", 200),
    ("fault.applied", "PutItem", None),
    ("aws.call", "PutItem", 400),
    ("item.changed", None, None),
    ("aws.call", "PutItem", 200),
    ("aws.call", "DeleteTable", 200),
]


def test_the_log_is_the_same_in_process_and_attached(lab: Lab) -> None:
    before = lab.log.last
    use(lab)
    lab.log.wait(lambda event: event.get("operation") == "DeleteTable", after=before)
    events = lab.log.after(before)
    assert [(e.kind, e.get("operation"), e.get("status")) for e in events] == USED
    assert [e.seq for e in events] == list(range(before + 1, before + 1 + len(USED)))
    assert sorted(e.time for e in events) == [e.time for e in events]
    assert {e.get("table") for e in events} == {"t"}
    (changed,) = (e for e in events if e.kind == "item.changed")
    assert changed["item"] == {"k": {"S": "ü"}}


def test_faults_are_the_same_in_process_and_attached(lab: Lab) -> None:
    first = lab.faults.add("frame.out", "drop", times=None, connection="c")
    second = lab.faults.add("function.invoke", "delay", seconds=0.25, function="f")
    assert second.id == first.id + 1
    assert [fault.to_dict() for fault in lab.faults] == [first.to_dict(), second.to_dict()]
    assert lab.faults.changes == 2
    assert (first.times, first.match, second.seconds) == (None, {"connection": "c"}, 0.25)
    lab.faults.clear(first)
    assert lab.faults.changes == 3
    assert [fault.id for fault in lab.faults] == [second.id]
    lab.faults.clear()
    assert list(lab.faults) == []


def test_a_wrong_fault_is_the_same_error_in_process_and_attached(lab: Lab) -> None:
    with pytest.raises(ValueError, match=r"No step is called 'fram.in'\. Steps: aws\.call, "):
        lab.faults.add("fram.in", "drop")
    with pytest.raises(ValueError, match=r"No action is called 'dorp'\. Actions: drop, "):
        lab.faults.add("frame.in", "dorp")
    assert list(lab.faults) == []


def test_stopping_an_attached_lab_leaves_the_cloud(
    cloud: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_ENDPOINT", cloud.endpoint)
    with Lab.start():
        boto3.client("sqs").create_queue(QueueName="stays")
    with Lab.start():
        assert boto3.client("sqs").get_queue_url(QueueName="stays")["QueueUrl"].endswith("stays")
        boto3.client("sqs").delete_queue(
            QueueUrl=boto3.client("sqs").get_queue_url(QueueName="stays")["QueueUrl"]
        )


def test_an_attached_lab_knows_what_happened_before(cloud: Served) -> None:
    cloud.client("sqs").list_queues()
    attached = AttachedCloud(cloud.endpoint)
    try:
        attached.log.wait(lambda event: event.get("operation") == "ListQueues")
        assert [event.to_dict() for event in attached.log] == cloud.log()
    finally:
        attached.close()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server of something else, which gives every request the same answer."""
    program = (
        "import http.server, json, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        f"        self.wfile.write({answer!r})\n"
        "    def log_message(self, *_): pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n"
        "print(json.dumps({'endpoint': f'http://127.0.0.1:{server.server_port}'}), flush=True)\n"
        "server.serve_forever()\n"
    )
    with served("-c", program) as other:
        yield other.endpoint


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b'HTTP/1.0 200 OK\r\n\r\n{"name": "something"}',
        b'HTTP/1.0 404 Not Found\r\n\r\n{"message": "Not Found"}',
        b"HTTP/1.0 500 Oh\r\n\r\n[]",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ],
)
def test_something_else_at_the_endpoint_is_said(answer: bytes) -> None:
    with answering(answer) as endpoint, pytest.raises(EnvironmentProblem) as caught:
        AttachedCloud(endpoint)
    assert f"No local cloud answers at {endpoint}" in str(caught.value)
    assert "Start one with `labkit serve`" in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    ["4566", "https://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:port", "a b:c"],
)
def test_an_endpoint_that_is_none_is_said(endpoint: str) -> None:
    with pytest.raises(EnvironmentProblem, match=r"it must look like http://127.0.0.1:4566"):
        AttachedCloud(endpoint)


# -- labkit demo ----------------------------------------------------------------------------------


@linux
def test_ctrl_c_ends_the_demo_without_a_word_and_leaves_nothing() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "labkit", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids = until(lambda: descendants(demo.pid), "it has a process of its own")
    os.killpg(demo.pid, signal.SIGINT)
    said = demo.communicate(timeout=DEADLINE)
    until(lambda: are_gone(pids), f"{pids} have ended")
    assert (demo.returncode, said) == (130, ("", ""))


# -- in a kernel ----------------------------------------------------------------------------------

KERNEL = """
import json, time
from labkit import Lab
lab = Lab.start()
print(json.dumps({"endpoint": lab.endpoint}), flush=True)
time.sleep(600)
"""


@linux
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_of_a_kernel_that_was_killed(ending: signal.Signals) -> None:
    with served("-c", KERNEL) as kernel:
        pids = kernel.fill()
        kernel.process.send_signal(ending)
        kernel.process.communicate(timeout=DEADLINE)
        assert kernel.process.returncode == -ending
        until(lambda: are_gone(pids), f"{pids} have ended")


CELLS = """
import json
from labkit import Lab
lab = Lab.start()
from labkit.pattern.build import build
from labkit.pattern.client import OrderClient
from labkit.demo import ORDER
system = build()
client = OrderClient(system.orders_url)
lab.faults.add("state.enter", "delay", state="GetConn", seconds=1.0)
placed = client.place_order(json.loads(ORDER.read_text()))
print(json.dumps({"endpoint": lab.endpoint}), flush=True)
try:
    client.result()
    print("not interrupted")
except KeyboardInterrupt:
    running = [e.kind for e in lab.log].count("execution.ended") == 0
    print("interrupted while the order runs" if running else "too late", flush=True)
assert Lab.start() is lab
ended = lab.log.wait(lambda event: event.kind == "execution.ended")
print(json.dumps([ended["execution"] == placed.execution_arn, ended["status"],
                  client.result()["status"]]), flush=True)
"""


@linux
def test_interrupting_a_cell_stops_the_cell_and_not_the_order() -> None:
    """Jupyter sends SIGINT to the kernel's whole group."""
    with served("-c", CELLS) as kernel:
        until(lambda: "GetConn" in json.dumps(kernel.log()), "the order is at GetConn")
        os.killpg(kernel.process.pid, signal.SIGINT)
        assert kernel.line() == "interrupted while the order runs\n"
        assert json.loads(kernel.line()) == [True, "SUCCEEDED", "accepted"]
        rest, errors = kernel.process.communicate(timeout=DEADLINE)
        assert (rest, errors, kernel.process.returncode) == ("", "", 0)


CALLS = """
import json, os, signal
import boto3
from labkit import Lab, package
lab = Lab.start()
trust = json.dumps({"Version": "2012-10-17", "Statement": []})
role = boto3.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument=trust)
lambda_ = boto3.client("lambda")
code = b"import time\\ndef handler(event, context):\\n    time.sleep(event / 10)\\n    return event\\n"
lambda_.create_function(FunctionName="echo", Runtime="python3.13", Handler="app.handler",
    Role=role["Role"]["Arn"], Code={"ZipFile": package({"app.py": code})})
def call(number):
    return json.load(lambda_.invoke(FunctionName="echo", Payload=str(number))["Payload"])
print(json.dumps({"endpoint": lab.endpoint}), flush=True)
try:
    call(5)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(json.dumps([call(0), call(1), call(0)]), flush=True)
lab.log.wait(lambda event: event.kind == "function.returned" and event["durationMs"] >= 500)
print([e.get("error") for e in lab.log if e.kind == "function.returned"], flush=True)
"""


@linux
def test_interrupting_a_call_leaves_the_function_running_and_the_next_answer_right() -> None:
    """The unread answer of the interrupted call must not be taken for the next one's."""
    with served("-c", CALLS) as kernel:
        until(lambda: kernel.pids("function.invoked", "echo"), "the function runs")
        os.killpg(kernel.process.pid, signal.SIGINT)
        assert kernel.line() == "interrupted\n"
        assert json.loads(kernel.line()) == [0, 1, 0]
        assert kernel.line() == "[None, None, None, None]\n"
        _, errors = kernel.process.communicate(timeout=DEADLINE)
        assert (errors, kernel.process.returncode) == ("", 0)


FREEZES = """
import atexit, gc, sys
from labkit.serve import main
atexit.register(lambda: print(gc.get_freeze_count()))
sys.exit(main([]))
"""


@pytest.mark.skipif(os.name != "posix", reason="a signal ends it in order")
def test_what_is_loaded_once_is_no_work_for_the_collector() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FREEZES], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "endpoint" in process.stdout.readline()
        process.send_signal(signal.SIGINT)  # it ends once everything is loaded
        frozen = int(process.communicate(timeout=DEADLINE)[0])
    assert process.returncode == 0
    assert frozen > 50_000
