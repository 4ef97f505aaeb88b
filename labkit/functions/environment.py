"""The environment variables of a function's process: Lambda's, the function's own, and no others.

Source: "Defined runtime environment variables" in the AWS Lambda developer guide.  Reserved ones
cannot be set by a function's configuration; the others can.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from labkit.functions.model import FunctionConfiguration

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"
"""The folder of the runtime's modules, ``/var/runtime`` on AWS."""


def variables(
    function: FunctionConfiguration,
    *,
    task_root: str,
    home: str,
    runtime_api: str,
    log_stream: str,
    credentials: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of a function's process.

    Args:
        function: the function.
        task_root: the folder of the unpacked package, ``/var/task`` on AWS.
        home: a folder that holds nothing of the student's.
        runtime_api: ``host:port`` of the process's Runtime API.
        log_stream: the process's log stream.
        credentials: the execution role's ``AWS_ACCESS_KEY_ID`` and so on.
    """
    configuration = os.path.join(home, ".aws")
    unreserved = {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.defpath)),
        "PYTHONPATH": str(RUNTIME),
        "HOME": home,
        "AWS_CONFIG_FILE": os.path.join(configuration, "config"),
        "AWS_SHARED_CREDENTIALS_FILE": os.path.join(configuration, "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    }
    reserved = {
        "_HANDLER": function.handler,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group(function),
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": str(RUNTIME),
        **credentials,
    }
    if not function.brings_runtime:
        reserved["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{function.runtime}"
    if sys.platform == "darwin":
        # Asking macOS for its proxies crashes a forked process; botocore asks unless told not to.
        unreserved["no_proxy"] = "*"
    if sys.platform == "win32":
        # A process on Windows does not start without these.
        for name in ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP"):
            if name in os.environ:
                unreserved[name] = os.environ[name]
    return {**unreserved, **function.environment, **reserved}


def log_group(function: FunctionConfiguration) -> str:
    """The function's log group; ``/aws/lambda/NAME`` unless it has another."""
    return function.log_group or f"/aws/lambda/{function.name}"
