"""The Lambda runtime: asks for an invocation, calls the handler, sends its answer, and again.

It does what AWS's runtime for Python does, over the documented Runtime API, and is pure Python from
the standard library, so that it works on every platform and starts at once.  It never imports
labkit: a function must not see more than it would see on AWS.

Sources: "Using the Lambda runtime API for custom runtimes", "Define Lambda function handler in
Python", "Using the Lambda context object to retrieve Python function information" and "Log and
monitor Python Lambda functions" in the AWS Lambda developer guide; the names of errors and their
messages are those of AWS's runtime interface client for Python.

Not emulated: a named tuple is encoded as an array (AWS: as an object), SnapStart's hooks, the JSON
log format, response streaming.  A traceback that a function formats itself, with the module
traceback, names the folders of this machine.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Any, NoReturn

Handler = Callable[[Any, "Context"], Any]

API = "/2018-06-01/runtime"
NEXT = f"GET {API}/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n".encode()
NO_BREAK_SPACE = "\u00a0"
TASK_ROOT = "/var/task"
RUNTIME = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.dirname(os.path.abspath(os.__file__))
OLDER = frozenset({"AWS_Lambda_python3.9", "AWS_Lambda_python3.10", "AWS_Lambda_python3.11"})
"""Runtimes that answer in ASCII (later ones leave Unicode characters as they are), and that have
the SDK in a folder beside the runtime."""


class Fault(Exception):
    """The function cannot be called, or its answer cannot be sent.

    Args:
        kind: AWS's error type, such as ``Runtime.ImportModuleError``.
        message: the error message.
        frames: formatted stack frames.
    """

    def __init__(self, kind: str, message: str, frames: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.frames = frames or []


# -- the context object -----------------------------------------------------------------------


class Members:
    """An object whose members are all there, ``None`` if the caller did not send them."""

    names: tuple[str, ...] = ()

    def __init__(self, values: dict[str, Any]) -> None:
        for name in self.names:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        shown = ",".join(f"{name}={getattr(self, name)}" for name in self.names)
        return f"{type(self).__name__}([{shown}])"


class CognitoIdentity(Members):
    """Who called by way of the AWS Mobile SDK."""

    names = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(Members):
    """The app that called by way of the AWS Mobile SDK."""

    names = (
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )


class ClientContext(Members):
    """What the caller sent as ``ClientContext``."""

    names = ("custom", "env", "client")

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        client = values.get("client")
        self.client = Client(client) if isinstance(client, dict) else None


class Context:
    """The second argument of a handler.

    Source: "Using the Lambda context object to retrieve Python function information".

    Args:
        headers: the headers of the invocation, names in lower case.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        environment = os.environ.get
        self.function_name = environment("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = environment("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = environment("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment("AWS_LAMBDA_LOG_STREAM_NAME")
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        client_context = _json_header(headers, "lambda-runtime-client-context", "Client Context")
        identity = _json_header(headers, "lambda-runtime-cognito-identity", "Cognito Identity")
        self.client_context = None if client_context is None else ClientContext(client_context)
        self.identity = CognitoIdentity(
            {
                "cognito_identity_id": (identity or {}).get("cognitoIdentityId"),
                "cognito_identity_pool_id": (identity or {}).get("cognitoIdentityPoolId"),
            }
        )
        self._deadline = int(headers.get("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out; never below 0."""
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, message: object) -> None:
        """Write to the function's log, as the older runtimes did."""
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        shown = ",".join(f"{name}={value}" for name, value in vars(self).items() if name[0] != "_")
        return f"LambdaContext([{shown}])"


def _json_header(headers: dict[str, str], name: str, what: str) -> dict[str, Any] | None:
    text = headers.get(name)
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        message = f"Unable to parse {what} JSON: {error}"
        raise Fault("Runtime.LambdaContextUnmarshalError", message) from error
    return value if isinstance(value, dict) else {}


# -- JSON -------------------------------------------------------------------------------------


class Encoder:
    """Answers as JSON, the way AWS's runtime writes them: a ``Decimal`` is a number, digit by digit.

    Args:
        ascii_only: write characters beyond ASCII as escapes (runtimes before python3.12).
    """

    def __init__(self, ascii_only: bool = False) -> None:
        self._mark = ""
        self._encoder = json.JSONEncoder(ensure_ascii=ascii_only, default=self._other)

    def encode(self, value: Any) -> bytes:
        """JSON as UTF-8.

        Raises:
            Fault: the value cannot be encoded (``Runtime.MarshalError``).
        """
        self._mark = ""
        try:
            text = self._encoder.encode(value)
            if self._mark:
                text = re.sub(f'"{self._mark}([^"]*)"', r"\1", text)
            return text.encode()
        except Exception as error:
            message = f"Unable to marshal response: {error}"
            raise Fault("Runtime.MarshalError", message) from error

    def _other(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            if value.is_nan():
                return float("nan")
            # json has no hook that writes a bare number, so the digits travel in a marked string;
            # the mark is random, so that no text of the student's is taken for a number.
            self._mark = self._mark or f"decimal-{os.urandom(12).hex()}:"
            return f"{self._mark}{value}"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


# -- the log ----------------------------------------------------------------------------------


class Stream(io.TextIOWrapper):
    """Standard output that keeps nothing back, so that a killed function loses no line."""

    def write(self, text: str) -> int:
        """Write, and flush at once."""
        count = super().write(text)
        self.flush()
        return count


class LogFormatter(logging.Formatter):
    """Writes the traceback of a logged exception with the paths that it has on AWS."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 (logging's own name)
        """The traceback as Python shows it, with its causes."""
        told: traceback.TracebackException | None = traceback.TracebackException(*ei)
        _move_to_aws(told)
        return "".join(told.format()).removesuffix("\n") if told else ""


def _move_to_aws(told: traceback.TracebackException | None) -> None:
    if told is None:
        return
    told.stack[:] = [frame for frame in told.stack if not _is_runtime(frame.filename)]
    for frame in told.stack:
        frame.filename = on_aws(frame.filename)
    _move_to_aws(told.__cause__)
    _move_to_aws(told.__context__)


class LogHandler(logging.Handler):
    """The root logger's handler: ``[LEVEL]<tab>time<tab>request id<tab>message``."""

    request_id = ""

    def __init__(self) -> None:
        super().__init__()
        formatter = LogFormatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as one line; line breaks within it stay within one log event."""
        record.aws_request_id = LogHandler.request_id
        try:
            sys.stdout.write(one_event(self.format(record)) + "\n")
        except Exception:
            self.handleError(record)


def one_event(text: str) -> str:
    """Text whose lines are to stay together: a carriage return is a line break within an event."""
    return text.replace("\r\n", "\n").replace("\n", "\r")


def log_error(error: dict[str, Any]) -> None:
    """Write an error to the log the way AWS's runtime does, with its stack."""
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    lines.append("Traceback (most recent call last):")
    for frame in error["stackTrace"]:
        for line in frame.splitlines():
            text = line.lstrip(" ")
            lines.append(NO_BREAK_SPACE * (len(line) - len(text)) + text)
    sys.stdout.write(one_event("\n".join(lines)) + "\n")


# -- errors -----------------------------------------------------------------------------------


def describe(error: BaseException, request_id: str = "") -> dict[str, Any]:
    """The error object that the caller of the function gets.

    ``stackTrace`` is without the frames of the runtime itself.
    """
    if isinstance(error, Fault):
        kind, frames = error.kind, error.frames
    else:
        kind, frames = type(error).__name__, own_frames(error.__traceback__)
    return {
        "errorMessage": str(error),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": frames,
    }


def own_frames(trace: TracebackType | None) -> list[str]:
    """Formatted frames with the paths that they have on AWS, without those of the runtime's files.

    As AWS's runtime formats them: without marks below the line.
    """
    return traceback.format_list(
        [
            (on_aws(frame.filename), frame.lineno or 0, frame.name, frame.line)
            for frame in traceback.extract_tb(trace)
            if not _is_runtime(frame.filename)
        ]
    )


def on_aws(filename: str) -> str:
    """Where a file lies on AWS: one of the function's package, the SDK, or Python's own library.

    A log shows where, and no document of AWS's says it: the SDK is in ``/var/runtime`` up to
    python3.11, and among Python's packages from python3.12 on.

    Args:
        filename: its path on this machine; one that is none of these stays as it is.
    """
    runtime = os.environ.get("AWS_EXECUTION_ENV", "")
    library = f"/var/lang/lib/{runtime.removeprefix('AWS_Lambda_') or 'python'}"
    packages = "/var/runtime" if runtime in OLDER else f"{library}/site-packages"
    task_root = os.environ.get("LAMBDA_TASK_ROOT", TASK_ROOT)
    for here, there in ((task_root, TASK_ROOT), (_sdk(), packages), (LIBRARY, library)):
        if here and filename.startswith(os.path.join(here, "")):
            return there + filename[len(here.rstrip(os.sep)) :].replace(os.sep, "/")
    return filename


def _sdk() -> str:
    """The folder that botocore and boto3 are in; empty if the function has imported neither."""
    sdk = getattr(sys.modules.get("botocore"), "__file__", None)
    return os.path.dirname(os.path.dirname(sdk)) if sdk else ""


def _is_runtime(filename: str) -> bool:
    return os.path.dirname(filename) == RUNTIME


# -- the handler ------------------------------------------------------------------------------


def load(name: str) -> Handler:
    """Import the module of a handler and return the handler.

    Args:
        name: ``module.function``; the module may have dots or slashes.

    Raises:
        Fault: with AWS's error type: ``Runtime.MalformedHandlerName``,
            ``Runtime.ImportModuleError``, ``Runtime.UserCodeSyntaxError``,
            ``Runtime.HandlerNotFound`` or ``Runtime.BuiltInModuleConflict``.
        Exception: whatever the module raises when it is imported.
    """
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        message = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", message)
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise Fault("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        file = on_aws(error.filename or "")
        frame = f'  File "{file}" Line {error.lineno}\n    {error.text}'
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, [frame]) from error
    try:
        handler: Handler = getattr(module, function_name)
    except AttributeError as error:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from error
    return handler


# -- the Runtime API --------------------------------------------------------------------------


class RuntimeApi:
    """One kept-alive connection to the Runtime API.

    Args:
        address: ``host:port``, the value of ``AWS_LAMBDA_RUNTIME_API``.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        # Not create_connection: its look-up of names takes 3 ms the first time, even of a number.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def ask(self) -> None:
        """Ask for the next invocation; :meth:`receive` waits for it."""
        self._socket.sendall(NEXT)

    def receive(self) -> tuple[dict[str, str], bytes]:
        """Wait for the invocation that was asked for: its headers (lower case) and its event."""
        status, headers, body = self._read()
        if status != 200:
            raise SystemExit(f"The Runtime API answered {status} instead of an invocation.")
        return headers, body

    def answer(self, path: str, body: bytes, content_type: str = "application/json") -> None:
        """Send the answer to an invocation and, in the same breath, ask for the next one.

        Both requests leave in one segment (HTTP pipelining): one round trip less an invocation.

        Raises:
            SystemExit: the answer was refused, for instance because it is over 6 MB.  AWS's runtime
                ends here too.
        """
        self._socket.sendall(self._post(path, body, content_type) + NEXT)
        status, _, text = self._read()
        if status != 202:
            print(
                "LAMBDA_RUNTIME Failed to post handler success response. "
                f"Http response code: {status}. {text.decode(errors='replace')}"
            )
            raise SystemExit(1)

    def fail_init(self, body: bytes, kind: str) -> None:
        """Report that the function could not be initialised."""
        extra = f"Lambda-Runtime-Function-Error-Type: {kind}\r\n"
        self._socket.sendall(self._post("/init/error", body, "application/json", extra))
        self._read()

    def _post(self, path: str, body: bytes, content_type: str, extra: str = "") -> bytes:
        head = (
            f"POST {API}{path} HTTP/1.1\r\nHost: runtime\r\nContent-Type: {content_type}\r\n"
            f"{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _read(self) -> tuple[int, dict[str, str], bytes]:
        buffer = self._buffer
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            buffer += self._more()
        first, *lines = buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        start = end + 4
        stop = start + int(headers.get("content-length", 0))
        if len(buffer) < stop:
            parts, size = [buffer], len(buffer)
            while size < stop:
                parts.append(self._more())
                size += len(parts[-1])
            buffer = b"".join(parts)
        self._buffer = buffer[stop:]
        return int(first.split(" ", 2)[1]), headers, buffer[start:stop]

    def _more(self) -> bytes:
        data = self._socket.recv(262_144)
        if not data:
            # The cloud is gone, and so is the reason to live.
            os._exit(0)
        return data


# -- the loop ---------------------------------------------------------------------------------


def invoke(handler: Handler, headers: dict[str, str], event: bytes, encoder: Encoder) -> bytes:
    """Call the handler with one event and encode what it returns.

    Raises:
        Fault: the event, the context or the answer cannot be decoded or encoded.
        Exception: whatever the handler raises.
    """
    try:
        value = json.loads(event)
    except ValueError as error:
        message = f"Unable to unmarshal input: {error}"
        raise Fault("Runtime.UnmarshalError", message) from error
    result = handler(value, Context(headers))
    return result if isinstance(result, bytes) else encoder.encode(result)


def run() -> NoReturn:
    """Be the runtime of the function that the environment describes.  Does not return."""
    environment = os.environ
    sys.stdout = Stream(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), "utf-8", "replace")
    sys.stderr = Stream(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)), "utf-8", "backslashreplace"
    )
    logging.getLogger().addHandler(LogHandler())
    encoder = Encoder(environment.get("AWS_EXECUTION_ENV") in OLDER)
    api = RuntimeApi(environment["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(environment["_HANDLER"])
    except MemoryError:
        out_of_memory()
    except Exception as error:
        description = describe(error)
        log_error(description)
        api.fail_init(encoder.encode(description), description["errorType"])
        sys.exit(1)
    api.ask()
    while True:
        headers, event = api.receive()
        request_id = LogHandler.request_id = headers["lambda-runtime-aws-request-id"]
        if trace := headers.get("lambda-runtime-trace-id"):
            environment["_X_AMZN_TRACE_ID"] = trace
        else:
            environment.pop("_X_AMZN_TRACE_ID", None)
        path = f"/invocation/{request_id}/response"
        try:
            body = invoke(handler, headers, event, encoder)
        except MemoryError:
            out_of_memory()
        except Exception as error:
            description = describe(error, request_id)
            log_error(description)
            path = f"/invocation/{request_id}/error"
            body = encoder.encode(description)
        api.answer(path, body)
        del event, body


def out_of_memory() -> NoReturn:
    """End as AWS ends a function that needs more memory than it has: killed, without a word."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    os._exit(137)


def prepare(task_root: str, runtime: str) -> None:
    """Show the function what it would see on AWS: its package, the standard library, the SDK.

    Other installed packages are not importable, just as on AWS, where a package that is not in the
    zip file gives ``Runtime.ImportModuleError``.  The SDK stays: it is imported already, and its
    submodules are found through its packages' own paths.

    Args:
        task_root: the folder of the unpacked package.
        runtime: the folder of this file.
    """
    hidden = {runtime, os.path.join(runtime, "")}
    sys.path[:] = [task_root] + [
        entry
        for entry in sys.path
        if entry
        and entry != task_root
        and entry not in hidden
        and os.path.basename(os.path.normpath(entry)) not in ("site-packages", "dist-packages")
    ]
    importlib.invalidate_caches()


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    prepare(os.environ["LAMBDA_TASK_ROOT"], here)
    run()
