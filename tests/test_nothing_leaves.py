"""Nothing leaves the machine: seen by watching the sockets, in the kernel and in a function."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("watch_sockets.py")


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, timeout=50, check=False
    )
    assert run.returncode == 0, run.stderr
    seen: dict[str, Any] = json.loads(run.stdout)
    return seen


def addresses(spoken: list[str]) -> set[str]:
    """The hosts in what was spoken to; the paths of Unix sockets do not leave a machine."""
    hosts = set()
    for entry in spoken:
        if entry.startswith("("):
            hosts.add(str(ast.literal_eval(entry)[0]))
        elif not entry.startswith("/"):
            hosts.add(entry)
    return hosts


def test_the_kernel_speaks_to_the_local_cloud_only(seen: dict[str, Any]) -> None:
    spoken = seen["spoken"][len(seen["spoken_before"]) :]
    assert addresses(spoken) == {"127.0.0.1"}


def test_every_kind_of_client_is_answered(seen: dict[str, Any]) -> None:
    account = seen["answers"].pop("account")
    assert account == "123456789012"
    assert len(seen["answers"]) == 12
    assert all(tables == [] for tables in seen["answers"].values())


def test_no_credentials_are_looked_up(seen: dict[str, Any]) -> None:
    assert seen["process_ran"] is False


def test_a_function_speaks_to_the_local_cloud_only(seen: dict[str, Any]) -> None:
    assert addresses(seen["function"]["spoken"]) <= {"127.0.0.1"}


def test_a_function_sees_nothing_of_the_students_environment(seen: dict[str, Any]) -> None:
    environment = seen["function"]["environment"]
    assert not {"HTTPS_PROXY", "HTTP_PROXY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} & set(
        environment
    )
    assert "AKIAIOSFODNN7EXAMPLE" not in json.dumps(environment)
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "speaks"


def test_stopping_gives_the_environment_back(seen: dict[str, Any]) -> None:
    assert seen["leftovers"] == {}
