"""What docs/security.md promises, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from labkit import Lab, package
from labkit.errors import AwsError
from labkit.functions.log_stream import LogStream
from labkit.functions.package import unpack
from labkit.functions.process import Process
from labkit.resources import integration, permission, role
from tests.fidelity.plugin import Values

EVIL = "https://evil.example"
DEADLINE = 10.0
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HANDLER = b"""
import json, os
def handler(event, context):
    print('ran with', json.dumps(dict(os.environ)))
    home = {}
    for folder, _, files in os.walk(os.environ['HOME']):
        for name in files:
            with open(os.path.join(folder, name), errors='replace') as file:
                home[name] = file.read()
    return {'statusCode': 200, 'body': 'done', 'environment': dict(os.environ), 'home': home}
"""


def make_function(name: str, **options: object) -> str:
    made = boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=role(),
        Timeout=20,
        Code={"ZipFile": package({"app.py": HANDLER})},
        **options,
    )
    return str(made["FunctionArn"])


def make_api(protocol: str, key: str, function: str) -> str:
    apis = boto3.client("apigatewayv2")
    api = str(
        apis.create_api(
            Name="a", ProtocolType=protocol, RouteSelectionExpression="$request.body.action"
        )["ApiId"]
    )
    apis.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration(api, function)}")
    permission(function, api)
    apis.create_stage(ApiId=api, StageName="prod", AutoDeploy=True)
    return api


def ask(
    endpoint: str, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Send a request with exactly these headers, as a browser would."""
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=DEADLINE)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": parts.netloc, **headers}.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


# -- pages that were named (first, because a lab that runs is the one that is started) ----------------


@pytest.mark.behaviour("cloud.pages.named")
def test_origin_that_was_named_is_let_in_and_no_other() -> None:
    with Lab.start(allow_origins=["https://hub.example.com"]) as lab:
        hub = {"Host": "hub.example.com", "Origin": "https://hub.example.com"}
        assert ask(lab.endpoint, "GET", "/_labkit", hub)[0] == 200
        assert ask(lab.endpoint, "GET", "/_labkit", {"Origin": EVIL})[0] == 403
        api = make_api("WEBSOCKET", "$connect", make_function("g"))
        url = lab.endpoint.replace("http://", "ws://") + f"/execute-api/{api}/prod"
        with connect(url, origin=Origin("https://hub.example.com")):
            pass
        with pytest.raises(InvalidStatus, match="403"):
            connect(url, origin=Origin(EVIL))


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "labkit", "serve", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["endpoint"]
        finally:
            process.terminate()
            process.wait(DEADLINE)


def test_serve_lets_named_origins_in() -> None:
    names = ("https://a.example", "https://b.example")
    with served("--allow-origin", names[0], "--allow-origin", names[1]) as endpoint:
        asked = [ask(endpoint, "GET", "/_labkit", {"Origin": name})[0] for name in (*names, EVIL)]
    assert asked == [200, 200, 403]


def test_serve_refuses_what_is_no_origin() -> None:
    command = [sys.executable, "-m", "labkit", "serve", "--allow-origin", "b.example"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 2
    assert "'b.example' is no origin" in done.stderr


# -- web pages of others ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start() as lab:
        yield lab


@pytest.fixture(scope="module")
def function(lab: Lab) -> str:
    return make_function("f")


@pytest.fixture(scope="module")
def http_api(function: str) -> str:
    return make_api("HTTP", "ANY /{proxy+}", function)


@pytest.fixture(scope="module")
def websocket_api(function: str) -> str:
    return make_api("WEBSOCKET", "$connect", function)


SIGNED = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/dynamodb/aws4_request"
DYNAMODB = {
    "Authorization": SIGNED,
    "X-Amz-Target": "DynamoDB_20120810.ListTables",
    "Content-Type": "application/x-amz-json-1.0",
}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
Request = tuple[str, str, dict[str, str], bytes, int]
"""Method, path, headers, body, and the status that it has without a page."""

Ask = Callable[[str], Request]

REQUESTS: dict[str, Request] = {
    "AWS's APIs": ("POST", "/", DYNAMODB, b"{}", 200),
    "Lambda's REST": (
        "GET",
        "/2015-03-31/functions",
        {"Authorization": SIGNED.replace("dynamodb", "lambda")},
        b"",
        200,
    ),
    "an HTTP API": ("GET", "/execute-api/{http}/prod/x", {}, b"", 200),
    "an HTTP API's preflight": (
        "OPTIONS",
        "/execute-api/{http}/prod/x",
        {"Access-Control-Request-Method": "POST"},
        b"",
        200,
    ),
    "a handshake": ("GET", "/execute-api/{websocket}/prod", UPGRADE, b"", 101),
    "@connections": (
        "POST",
        "/execute-api/{websocket}/prod/@connections/L0SM9cOFvHcCIhw=",
        {"Authorization": SIGNED},
        b"x",
        410,
    ),
    "the lab": ("GET", "/_labkit", {}, b"", 200),
    "the browser client": ("GET", "/_labkit/client/", {}, b"", 200),
    "events": ("GET", "/_labkit/events?after=0&follow=0", {}, b"", 200),
    "faults": (
        "POST",
        "/_labkit/faults",
        {},
        b'{"step": "aws.call", "action": "delay", "seconds": 0.001}',
        201,
    ),
    "accounts": ("DELETE", "/_labkit/accounts/210987654321", {}, b"", 200),
    "nothing": ("GET", "/favicon.ico", {}, b"", 404),
}
PAGES = {
    "another origin": {"Origin": EVIL},
    "a page without a name": {"Origin": "null"},
    "a name that begins like this machine's": {"Origin": "http://localhost.evil.example"},
    "an image or a link": {"Sec-Fetch-Site": "cross-site", "Referer": f"{EVIL}/"},
    "an image, nameless": {"Sec-Fetch-Site": "cross-site"},
    "a page that was rebound": {"Host": "evil.example:4000", "Origin": "http://evil.example:4000"},
    "a rebound page's GET": {"Host": "evil.example"},
    "a page stored at AWS": {"Origin": "http://evil.s3-website-us-east-1.amazonaws.com"},
}


@pytest.fixture
def request_of(http_api: str, websocket_api: str) -> Ask:
    def request_of(name: str) -> Request:
        method, path, headers, body, status = REQUESTS[name]
        path = path.replace("{http}", http_api).replace("{websocket}", websocket_api)
        return method, path, headers, body, status

    return request_of


@pytest.mark.behaviour("cloud.pages.programs")
@pytest.mark.parametrize("name", REQUESTS)
def test_program_without_a_browser_is_answered(lab: Lab, request_of: Ask, name: str) -> None:
    # Without this, the refusals below would prove nothing.
    method, path, headers, body, status = request_of(name)
    for page in ({}, {"Origin": "http://localhost:8888"}):
        assert ask(lab.endpoint, method, path, {**headers, **page}, body)[0] == status
    lab.faults.clear()


@pytest.mark.behaviour("cloud.pages.foreign")
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", REQUESTS)
def test_page_of_another_origin_is_refused_at_every_path(
    lab: Lab, request_of: Ask, name: str, page: str, expected: Values
) -> None:
    method, path, headers, body, _ = request_of(name)
    before = lab.log.last
    status, answered, said = ask(lab.endpoint, method, path, {**headers, **PAGES[page]}, body)
    assert status == expected.status
    assert "--allow-origin" in json.loads(said)["message"]
    assert "access-control-allow-origin" not in {name.lower() for name in answered}
    # Nothing has happened but the refusal.
    assert [event.kind for event in lab.log.after(before)] == ["cloud.warning"]
    assert list(lab.faults) == []


# -- the machine's other addresses ------------------------------------------------------------------


@pytest.mark.behaviour("cloud.pages.loopback")
@linux
def test_every_port_of_the_lab_is_on_loopback(lab: Lab, function: str) -> None:
    boto3.client("lambda").invoke(FunctionName=function)  # its Runtime API listens from then on
    ours = {os.readlink(entry.path) for entry in os.scandir("/proc/self/fd")
            if os.path.lexists(entry.path)}  # fmt: skip
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if state == "0A" and f"socket:[{inode}]" in ours:
                listening.append(local.partition(":")[0])
    assert len(listening) >= 2
    assert set(listening) == {"0100007F"}  # 127.0.0.1, as /proc writes it


# -- the Runtime API --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("call", ["GET /invocation/next", "POST /init/error"])
async def test_runtime_api_answers_no_page(call: str, page: str) -> None:
    stream = LogStream("1", "us-east-1", "g", "s")
    told: list[str] = []
    process = Process(
        stream,
        on_ready=lambda _: told.append("ready"),
        on_lines=lambda *_: told.append("lines"),
        on_outcome=lambda *_: told.append("outcome"),
        on_end=lambda *_: told.append("end"),
    )
    address = await process.listen()
    try:
        method, path = call.split()
        status, _, said = await asyncio.to_thread(
            ask, f"http://{address}", method, f"/2018-06-01/runtime{path}", PAGES[page]
        )
    finally:
        process.abandon()
    assert (status, json.loads(said)["errorType"]) == (403, "Forbidden")
    assert told == []


def test_no_function_is_told_the_runtime_api_of_another(lab: Lab) -> None:
    functions = boto3.client("lambda")
    seen = {}
    for name in ("own-1", "own-2"):
        make_function(name)
        answer = functions.invoke(FunctionName=name)
        seen[name] = json.load(answer["Payload"])
    first, second = (one["environment"]["AWS_LAMBDA_RUNTIME_API"] for one in seen.values())
    assert first != second
    assert first not in json.dumps(seen["own-2"])
    assert second not in json.dumps(seen["own-1"])
    told = json.dumps([event.to_dict() for event in lab.log if event.kind != "function.log"])
    assert first not in told
    assert second not in told


# -- packages ---------------------------------------------------------------------------------------


def zipped(*entries: tuple[str, int, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, mode, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, content)
    return buffer.getvalue()


def bomb() -> bytes:
    """A small file that says it is 300 MB long."""
    data = bytearray(zipped(("a", 0o644, "x")))
    record = data.index(b"PK\x01\x02")
    data[record + 24 : record + 28] = (300_000_000).to_bytes(4, "little")
    return bytes(data)


def understated() -> bytes:
    """A file of 300 MB, nearly all zeros, that says it is one byte long."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("app.py", HANDLER)
        file.writestr("a", bytes(300_000_000))
    data = bytearray(buffer.getvalue())
    record = data.rindex(b"PK\x01\x02")
    data[record + 24 : record + 28] = (1).to_bytes(4, "little")
    return bytes(data)


LINK = stat.S_IFLNK | 0o777
PACKAGES = {
    "a name that climbs": (lambda: zipped(("../evil.py", 0o644, "x")), "leads out"),
    "an absolute name": (lambda: zipped(("/tmp/evil.py", 0o644, "x")), "leads out"),
    "a link that leads out": (lambda: zipped(("out", LINK, "/etc/passwd")), "leads out"),
    "a file behind a link": (
        lambda: zipped(("a", LINK, "b"), ("a/evil.py", 0o644, "x")),
        "leads out",
    ),
    "a bomb": (bomb, "Unzipped size must be smaller than 262144000 bytes"),
}


@pytest.mark.parametrize("kind", PACKAGES)
def test_package_that_would_do_harm_is_refused(lab: Lab, kind: str) -> None:
    make, words = PACKAGES[kind]
    functions = boto3.client("lambda")
    with pytest.raises(functions.exceptions.InvalidParameterValueException, match=words):
        functions.create_function(
            FunctionName="harm",
            Runtime="python3.13",
            Handler="app.handler",
            Role=role(),
            Code={"ZipFile": make()},
        )
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function(FunctionName="harm")


def test_bomb_that_lies_about_its_size_fills_no_disk(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with pytest.raises(AwsError, match="Could not unzip"):
        unpack(understated(), folder)
    assert list(tmp_path.iterdir()) == []


# -- the student's credentials ------------------------------------------------------------------------

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASTUDENTSOWNKEY00",
    "AWS_SECRET_ACCESS_KEY": "students-own-secret",
    "AWS_SESSION_TOKEN": "students-own-token",
    "AWS_PROFILE": "students-own-profile",
    "GITHUB_TOKEN": "students-own-github",
    "JUPYTER_TOKEN": "students-own-jupyter",
}
PROGRAM = """
import json, sys
import boto3
from labkit import Lab, package
from labkit.resources import role
with Lab.start() as lab:
    functions = boto3.Session().client("lambda", region_name="us-east-1")
    functions.create_function(
        FunctionName="f", Runtime="python3.13", Handler="app.handler", Timeout=20,
        Role=role(), Code={"ZipFile": package({"app.py": sys.stdin.buffer.read()})},
    )
    answer = functions.invoke(FunctionName="f", LogType="Tail")
    json.dump({
        "answer": json.load(answer["Payload"]),
        "tail": answer["LogResult"],
        "events": [event.to_dict() for event in lab.log],
    }, sys.stdout)
"""


def test_nothing_of_the_students_secrets_reaches_a_function_or_a_log(tmp_path: Path) -> None:
    config = tmp_path / ".aws" / "credentials"
    config.parent.mkdir()
    config.write_text(
        "[students-own-profile]\naws_access_key_id = AKIASTUDENTSOWNFILE0\n"
        "aws_secret_access_key = students-own-file-secret\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=HANDLER,
        env={
            **os.environ,
            **SECRETS,
            "AWS_SHARED_CREDENTIALS_FILE": str(config),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        timeout=6 * DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    tail = base64.b64decode(seen.pop("tail")).decode()
    # The function did see its environment and print it, so it would have told.
    assert seen["answer"]["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert "ran with" in tail
    # Its home is the lab's, where only the lab's own address lies.
    assert seen["answer"]["environment"]["HOME"] != str(tmp_path)
    assert list(seen["answer"]["home"]) == ["endpoint"]
    everywhere = json.dumps(seen) + tail
    for secret in (*SECRETS.values(), "AKIASTUDENTSOWNFILE0", "students-own-file-secret"):
        assert secret not in everywhere
