"""What the environment says of how a browser reaches this machine's JupyterLab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.proxy import base_path, origin_of, origins


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, []),
        ({"LABKIT_ALLOW_ORIGINS": ""}, []),
        (
            {"LABKIT_ALLOW_ORIGINS": "https://a.example, https://b.example:8443"},
            ["https://a.example", "https://b.example:8443"],
        ),
        ({"JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/"}, ["https://hub.example"]),
        (
            {
                "LABKIT_ALLOW_ORIGINS": "https://a.example",
                "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/",
            },
            ["https://a.example", "https://hub.example"],
        ),
    ],
)
def test_the_environment_names_origins(environment: dict[str, str], named: list[str]) -> None:
    assert origins(environment) == named


@pytest.mark.parametrize("address", ["", "*", "hub.example", "file:///x", "https://"])
def test_what_is_no_web_address_has_no_origin(address: str) -> None:
    assert origin_of(address) == []


def test_a_hub_says_where_the_server_is() -> None:
    assert base_path({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}) == "/user/ada/"


def test_a_jupyter_server_is_found_by_the_process_that_started_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "jpserver-77.json").write_text(json.dumps({"base_url": "/lab-of-ada/"}), "utf-8")
    (tmp_path / "jpserver-78.json").write_text("{", "utf-8")
    assert base_path({}, parent=77) == "/lab-of-ada/"
    assert base_path({}, parent=78) is None
    assert base_path({}, parent=79) is None
    assert base_path({}) is None, "pytest did not start this process as a kernel"
