"""Deployment packages: what lies where in the archive, and that it is the same each time."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

import labkit
from labkit.deployment_package import UPLOAD_LIMIT, package
from labkit.errors import PackageProblem


def opened(content: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content))


def test_file_lies_at_the_top_under_its_own_name(tmp_path: Path) -> None:
    handler = tmp_path / "deep" / "orders.py"
    handler.parent.mkdir()
    handler.write_text("def handler(event, context): ...\n")
    with opened(package(handler)) as archive:
        assert archive.namelist() == ["orders.py"]
        assert archive.read("orders.py") == b"def handler(event, context): ...\n"


def test_contents_of_a_folder_lie_at_the_top(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("1")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "prices.json").write_text("{}")
    with opened(package(tmp_path)) as archive:
        assert archive.namelist() == ["app.py", "lib/prices.json"]


def test_mapping_takes_text_and_bytes() -> None:
    with opened(package({"app.py": "é", "data.bin": b"\x00\xff"})) as archive:
        assert archive.read("app.py") == "é".encode()
        assert archive.read("data.bin") == b"\x00\xff"


def test_caches_and_checkpoints_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("1")
    for name in ("__pycache__", ".ipynb_checkpoints", "lib/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.pyc").write_bytes(b"")
        (tmp_path / name / "x.py").write_bytes(b"")
    with opened(package(tmp_path)) as archive:
        assert archive.namelist() == ["app.py"]


def test_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, names in ((one, "abc"), (other, "cba")):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.py").write_text(name)
    os.utime(one / "a.py", (1, 1))
    (one / "b.py").chmod(0o600)
    same = {"c.py": "c", "a.py": "a", "b.py": "b"}
    assert package(one) == package(other) == package(same)


def test_any_user_may_read_and_run_the_files(tmp_path: Path) -> None:
    secret = tmp_path / "app.py"
    secret.write_text("1")
    secret.chmod(0o600)
    with opened(package(secret)) as archive:
        assert archive.getinfo("app.py").external_attr >> 16 == 0o100755


def test_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageProblem, match=r"no file or folder '.*gone\.py'"):
        package(tmp_path / "gone.py")


@pytest.mark.parametrize("empty", ["folder", "mapping"])
def test_nothing_to_deploy_is_refused(tmp_path: Path, empty: str) -> None:
    with pytest.raises(PackageProblem, match="holds no file"):
        package(tmp_path if empty == "folder" else {})


@pytest.mark.parametrize("name", ["/app.py", "../app.py", "a\\b.py", "", "a//b.py", "./a.py", "a/"])
def test_name_that_leaves_the_archive_is_refused(name: str) -> None:
    with pytest.raises(PackageProblem, match="cannot be a name inside a package"):
        package({name: "1"})


def test_content_of_another_type_is_refused() -> None:
    with pytest.raises(PackageProblem, match=r"'app\.py' is of type dict"):
        package({"app.py": {}})  # type: ignore[dict-item]


def test_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    with pytest.raises(PackageProblem, match="is a link to a folder"):
        package(tmp_path)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").symlink_to(tmp_path / "gone")
    with pytest.raises(PackageProblem, match=r"app\.py' cannot be read"):
        package(tmp_path)


def test_package_too_large_for_the_call_names_its_largest_file() -> None:
    with pytest.raises(PackageProblem, match=r"at most 1 MB .*largest file is 'noise\.bin'"):
        package({"app.py": "1", "noise.bin": os.urandom(2**20)}, limit=2**20)


def test_limit_is_that_of_a_package_sent_with_the_call() -> None:
    # "50 MB (zipped, when uploaded through the Lambda API or SDKs)"
    assert UPLOAD_LIMIT == 50 * 1024 * 1024


def test_package_can_be_called_as_labkits_own() -> None:
    # A module of the function's name would take its place as soon as it is imported.
    for _ in range(2):
        assert labkit.package({"app.py": "1"}) == package({"app.py": "1"})
