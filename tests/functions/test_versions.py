"""Versions and aliases of functions: what each of them runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from labkit import package
from labkit.lab import Lab, running
from labkit.resources import role

CODE = """import os

def handler(event, context):
    arn = context.invoked_function_arn.partition(":function:")[2]
    return [{number}, os.environ["COLOUR"], context.function_version, arn]
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running() as lab:
        yield lab


class Deployed:
    """A function, of which the code says a number and the configuration a colour."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions = boto3.client("lambda")
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role(),
            Handler="app.handler",
            Code={"ZipFile": self.code(1)},
            Environment={"Variables": {"COLOUR": "red"}},
        )

    def code(self, number: int) -> bytes:
        return package({"app.py": CODE.replace("{number}", str(number))})

    def change(self, number: int, colour: str) -> None:
        self.functions.update_function_code(FunctionName=self.name, ZipFile=self.code(number))
        self.functions.update_function_configuration(
            FunctionName=self.name, Environment={"Variables": {"COLOUR": colour}}
        )

    def publish(self) -> str:
        return str(self.functions.publish_version(FunctionName=self.name)["Version"])

    def run(self, qualifier: str = "") -> list[Any]:
        """What ran, without the name in the ARN."""
        chosen = {"Qualifier": qualifier} if qualifier else {}
        answer = self.functions.invoke(FunctionName=self.name, **chosen)
        number, colour, version, arn = json.load(answer["Payload"])
        assert answer["ExecutedVersion"] == version
        assert arn == (f"{self.name}:{qualifier}" if qualifier else self.name)
        return [number, colour, version]


@pytest.mark.behaviour("lambda.invocations.versions")
def test_published_version_keeps_its_code_and_its_configuration(lab: Lab) -> None:
    made = Deployed("versions")
    assert made.publish() == "1"
    made.change(2, "blue")
    assert made.run() == [2, "blue", "$LATEST"]
    assert made.run("1") == [1, "red", "1"]
    assert made.publish() == "2"
    assert made.publish() == "2"  # nothing has changed
    made.change(3, "green")
    assert [made.run(each) for each in ("1", "2", "$LATEST")] == [
        [1, "red", "1"],
        [2, "blue", "2"],
        [3, "green", "$LATEST"],
    ]
    with pytest.raises(made.functions.exceptions.ResourceNotFoundException):
        made.run("3")


@pytest.mark.behaviour("lambda.invocations.aliases")
def test_alias_runs_the_version_that_it_points_to(lab: Lab) -> None:
    made = Deployed("aliases")
    made.publish()
    made.functions.create_alias(FunctionName=made.name, Name="live", FunctionVersion="1")
    made.change(2, "blue")
    made.publish()
    assert made.run("live") == [1, "red", "1"]
    made.functions.update_alias(FunctionName=made.name, Name="live", FunctionVersion="2")
    assert made.run("live") == [2, "blue", "2"]
    made.functions.delete_alias(FunctionName=made.name, Name="live")
    with pytest.raises(made.functions.exceptions.ResourceNotFoundException):
        made.run("live")


@pytest.mark.behaviour("lambda.invocations.passed-over")
def test_alias_between_two_versions_runs_one_of_them_and_that_is_said(lab: Lab) -> None:
    made = Deployed("between")
    made.publish()
    made.change(2, "blue")
    made.publish()
    before = lab.log.last
    made.functions.create_alias(
        FunctionName=made.name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    (warning,) = [e["message"] for e in lab.log.after(before) if e.kind == "cloud.warning"]
    assert "RoutingConfig" in warning
    assert {made.run("live")[2] for _ in range(5)} == {"1"}
