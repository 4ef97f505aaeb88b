import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import boto3
import pytest

from labkit.attached import AttachedCloud
from labkit.errors import EnvironmentProblem, LabError
from labkit.lab import CloudThread, Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab.start()
    yield lab
    lab.stop()


def test_starting_twice_gives_the_same_lab(lab: Lab) -> None:
    assert Lab.start() is lab
    assert lab.is_running


def test_as_the_last_line_of_a_cell_it_says_where_it_is_and_whether_it_runs(lab: Lab) -> None:
    shown = lab._repr_mimebundle_()
    assert shown["text/plain"] == f"<Lab running at {lab.endpoint}>"
    assert lab.endpoint in shown["text/html"]
    lab.stop()
    assert "stopped; Lab.start() starts one" in lab._repr_mimebundle_()["text/html"]


def test_stopping_twice_is_safe_and_leaves_no_thread(lab: Lab) -> None:
    lab.stop()
    lab.stop()
    assert not lab.is_running
    names = [thread.name for thread in threading.enumerate()]
    assert [name for name in names if name.startswith(("labkit", "backend"))] == []


def test_a_client_of_a_stopped_lab_goes_on_with_the_next(lab: Lab) -> None:
    client = boto3.client("sqs")
    client.create_queue(QueueName="first")
    lab.stop()
    with Lab.start() as again:
        assert again.endpoint
        assert client.list_queues().get("QueueUrls", []) == []


def test_every_start_begins_with_an_empty_cloud(lab: Lab) -> None:
    boto3.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    lab.stop()
    with Lab.start():
        assert boto3.client("iam").list_roles()["Roles"] == []


def test_a_region_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    with Lab.start():
        assert boto3.session.Session().region_name == "eu-north-1"
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-north-1"


def test_a_taken_port_is_said_with_the_cure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EnvironmentProblem, match="Another program has it: choose another port"):
            CloudThread(port=taken.getsockname()[1])


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(LabError, match="not there yet"):
        Lab.start(target="aws")


def test_an_attached_lab_has_the_same_log_and_faults(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached = AttachedCloud(lab.endpoint)
    try:
        fault = attached.faults.add("aws.call", "throttle", service="dynamodb")
        assert [f.to_dict() for f in lab.faults] == [fault.to_dict()]
        dynamodb = boto3.client(
            "dynamodb", config=boto3.session.Config(retries={"total_max_attempts": 1})
        )
        with pytest.raises(dynamodb.exceptions.ProvisionedThroughputExceededException):
            dynamodb.list_tables()
        struck = attached.log.wait(lambda event: event.kind == "fault.applied", timeout=5)
        assert struck["action"] == "throttle"
        call = attached.log.wait(lambda event: event.kind == "aws.call", timeout=5)
        assert (call["operation"], call["status"]) == ("ListTables", 400)
        assert list(attached.faults) == []
    finally:
        attached.close()


def test_attaching_to_nobody_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EnvironmentProblem, match=r"Start one with `labkit serve`"):
        Lab.start()


def test_importing_labkit_loads_nothing_heavy() -> None:
    heavy = "'boto3', 'moto', 'aiohttp', 'ipywidgets', 'matplotlib'"
    program = f"import sys, labkit; print([m for m in ({heavy}) if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_starting_loads_no_widgets_no_plots_and_no_json_schemas() -> None:
    program = (
        "import sys; from labkit import Lab\n"
        "with Lab.start(): print([m for m in ('ipywidgets', 'matplotlib', 'IPython', 'jsonschema') "
        "if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
