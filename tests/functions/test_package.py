"""Deployment packages: unpacked whole and inside their folder, or refused."""

from __future__ import annotations

import contextlib
import io
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labkit.errors import AwsError
from labkit.functions.package import brings_sdk, check_package, unpack


def entry(name: str, mode: int = 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def archive(*entries: tuple[zipfile.ZipInfo | str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for info, content in entries:
            file.writestr(info, content)
    return buffer.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, str]:
    return entry(name, stat.S_IFLNK | 0o777), target


def test_files_are_unpacked_with_their_modes(tmp_path: Path) -> None:
    package = archive(
        ("app.py", "x = 1"),
        (entry("bin/tool", 0o755), "#!/bin/sh"),
        (entry("data/secret", 0o640), "s"),
        ("empty/", ""),
    )
    unpack(package, tmp_path / "f")
    assert (tmp_path / "f/app.py").read_text() == "x = 1"
    assert stat.S_IMODE((tmp_path / "f/bin/tool").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "f/data/secret").stat().st_mode) == 0o640
    assert (tmp_path / "f/empty").is_dir()


def test_links_inside_the_package_are_made(tmp_path: Path) -> None:
    package = archive(link("lib/now", "v1/code.py"), ("lib/v1/code.py", "x"), link("up", "lib/v1"))
    unpack(package, tmp_path / "f")
    assert (tmp_path / "f/lib/now").read_text() == "x"
    assert (tmp_path / "f/up/code.py").read_text() == "x"


@pytest.mark.parametrize(
    "package",
    [
        archive(("../evil.py", "x")),
        archive(("a/../../evil.py", "x")),
        archive(("/etc/evil", "x")),
        archive(("..\\evil.py", "x")),
        archive(("C:\\evil.py", "x")),
        archive(link("out", "/etc")),
        archive(link("out", "../..")),
        archive(link("a/out", "../../x")),
        archive(link("a", "b"), ("a/evil.py", "x")),
        archive(link("d/e/x", "../../s"), link("y", "d/e/x/../..")),
    ],
)
def test_package_that_leads_out_is_refused(tmp_path: Path, package: bytes) -> None:
    for refuse in (check_package, lambda package: unpack(package, tmp_path / "f")):
        with pytest.raises(AwsError, match="leads out of the package") as caught:
            refuse(package)
        assert caught.value.code == "InvalidParameterValueException"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "package",
    [b"", b"no zip", archive(("a.py", "x"))[:-10]],
    # A zip file holds the time at which it was made, and workers must collect the same names.
    ids=["empty", "no zip", "cut off"],
)
def test_what_is_no_zip_file_is_refused(package: bytes) -> None:
    with pytest.raises(AwsError) as caught:
        check_package(package)
    assert caught.value.code == "InvalidParameterValueException"
    assert caught.value.message == (
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    )


def test_damaged_entry_leaves_nothing_behind(tmp_path: Path) -> None:
    package = bytearray(archive(("a.py", "x" * 100)))
    package[50] ^= 0xFF
    with pytest.raises(AwsError, match="Could not unzip"):
        unpack(bytes(package), tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_package_over_250_mb_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(11):
            file.writestr(f"{number}.bin", bytes(24_000_000))
    with pytest.raises(AwsError, match="Unzipped size must be smaller than 262144000 bytes"):
        check_package(buffer.getvalue())


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("boto3/__init__.py", True),
        ("botocore/session.py", True),
        ("six.py", True),
        ("app.py", False),
        ("lib/boto3/__init__.py", False),
        ("boto3_helpers.py", False),
    ],
)
def test_own_sdk_is_recognised(name: str, own: bool) -> None:
    assert brings_sdk(archive((name, ""))) is own


@given(
    st.lists(
        st.lists(st.sampled_from(["..", ".", "a", "b", "/", "c:"]), min_size=1, max_size=4).map(
            "/".join
        ),
        min_size=1,
        max_size=3,
        unique=True,
    )
)
def test_no_name_leads_out(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    root = tmp_path_factory.mktemp("root")
    folder = root / "one" / "two" / "three" / "f"
    with contextlib.suppress(AwsError, OSError):
        unpack(archive(*((name, "x") for name in names)), folder)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(folder) for path in files)


def deflated(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("app.py", content)
    return buffer.getvalue()


WHOLE = [
    deflated(b"x = 1\n" * 50),
    archive(("app.py", "x"), ("lib/a.py", "y"), link("lib/now", "a.py"), ("empty/", "")),
]


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
@example(deflated(b"x" * 500), [(40, 0xFF)])  # a stream that zlib cannot read
@example(WHOLE[1], [(8, 99), (WHOLE[1].index(b"PK\x01\x02") + 10, 99)])  # packed as nobody does
def test_damaged_package_is_refused_or_unpacked_inside(
    tmp_path_factory: pytest.TempPathFactory, package: bytes, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(package)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    root = tmp_path_factory.mktemp("root")
    folder = root / "f"
    refused = ""
    try:
        check_package(bytes(damaged))
        unpack(bytes(damaged), folder)
    except AwsError as error:
        refused = error.code
    assert refused in ("", "InvalidParameterValueException")
    assert list(root.iterdir()) == ([] if refused else [folder])
    assert all(path.resolve().is_relative_to(root) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "package",
    [
        archive(("a", "x"), ("a/b", "y")),
        archive(("a/b", "x"), ("a", "y")),
        archive(link("a1", "b"), ("b", "x"), link("a2", "b")).replace(b"a2", b"a1"),
        archive(("a" * 300, "x")),
    ],
    ids=["file and folder", "folder and file", "two links", "long name"],
)
def test_names_that_cannot_be_are_refused(tmp_path: Path, package: bytes) -> None:
    with pytest.raises(AwsError, match="Could not unzip"):
        unpack(package, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_target_of_a_link_is_not_read_however_long_it_is(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(*link("now", "a" * 50_000_000), zipfile.ZIP_DEFLATED)
    for refuse in (check_package, lambda package: unpack(package, tmp_path / "f")):
        tracemalloc.start()
        try:
            with pytest.raises(AwsError, match="leads out of the package"):
                refuse(buffer.getvalue())
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()
    assert list(tmp_path.iterdir()) == []
