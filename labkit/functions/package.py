"""Deployment packages: zip files that become the folder a function runs in.

Sources: ``CreateFunction`` in the AWS Lambda API reference and "Lambda quotas" in the developer guide
(250 MB unzipped); the message about a file that is no zip is AWS's own.
"""

from __future__ import annotations

import errno
import io
import lzma
import posixpath
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from labkit.errors import AwsError

MAX_UNZIPPED = 262_144_000
"""Bytes of a package's files, unzipped, at most."""

SDK = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"})
"""Packages that AWS's Python runtime has; a function whose zip has one of them gets its own."""

LONGEST_LINK = 4_096
"""Bytes of a symbolic link's target at most, as in Linux's ``PATH_MAX``."""

_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError)
"""What reading an archive raises that is none, is damaged, or is packed in a way that nobody reads."""

_NO_NAMES = (
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EILSEQ,
)
"""What a file system says of names that are none, or that stand in each other's way."""

NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


def check_package(package: bytes) -> None:
    """Refuse a package that Lambda could not unpack; for ``CreateFunction`` and its like.

    Raises:
        AwsError: ``InvalidParameterValueException``: no zip file, too large, or a name in it leads
            out of the folder.
    """
    with _open(package) as archive:
        _check(archive)


def brings_sdk(package: bytes) -> bool:
    """Whether a package has an SDK of its own, so that the loaded one must not be used."""
    with _open(package) as archive:
        for name in archive.namelist():
            top = name.split("/", 1)[0]
            if top in SDK or top.removesuffix(".py") in SDK:
                return True
    return False


def unpack(package: bytes, folder: Path) -> None:
    """Unpack a package into a folder, all of it or nothing.

    Files keep their permission bits, as on AWS.  Symbolic links are made if they stay inside.

    Args:
        package: a zip file's bytes.
        folder: made here; it must not exist yet.

    Raises:
        AwsError: see :func:`check_package`.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with _open(package) as archive:
        entries = _check(archive)
        partial.mkdir(parents=True)
        try:
            # Links come last: until all files are written there is none to write through.
            for entry in sorted(entries, key=_is_link):
                _write(archive, entry, partial)
            partial.rename(folder)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, _DAMAGED) or getattr(error, "errno", 0) in _NO_NAMES:
                raise AwsError("InvalidParameterValueException", NOT_A_ZIP) from error
            raise


def _open(package: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(package))
    except (*_DAMAGED, OSError) as error:
        raise AwsError("InvalidParameterValueException", NOT_A_ZIP) from error


def _check(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > MAX_UNZIPPED:
        message = f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes"
        raise AwsError("InvalidParameterValueException", message)
    links = {entry.filename for entry in entries if _is_link(entry)}
    for entry in entries:
        if not _stays_inside(entry.filename):
            raise _leads_out(entry.filename)
        if entry.flag_bits & 0x1:
            raise AwsError("InvalidParameterValueException", NOT_A_ZIP)
        if any(entry.filename.startswith(f"{link}/") for link in links):
            raise _leads_out(entry.filename)
        if _is_link(entry):
            target = _target(archive, entry)
            # A target with ".." behind a name could climb through another link.
            if posixpath.normpath(target) != target or not _stays_inside(
                posixpath.join(posixpath.dirname(entry.filename), target)
            ):
                raise _leads_out(entry.filename)
    return entries


def _leads_out(name: str) -> AwsError:
    message = f"{NOT_A_ZIP} The entry {name!r} leads out of the package."
    return AwsError("InvalidParameterValueException", message)


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)


def _stays_inside(name: str) -> bool:
    path = posixpath.normpath(name.replace("\\", "/"))
    drive = len(path) > 1 and path[1] == ":"
    return not (path.startswith(("/", "../")) or path == ".." or drive or "\0" in name)


def _target(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """Where a link leads to."""
    if entry.file_size > LONGEST_LINK:
        raise _leads_out(entry.filename)
    try:
        return archive.read(entry).decode()
    except _DAMAGED as error:
        raise AwsError("InvalidParameterValueException", NOT_A_ZIP) from error


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / entry.filename
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_link(entry):
        target.symlink_to(_target(archive, entry))
        return
    with archive.open(entry) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    if mode := (entry.external_attr >> 16) & 0o777:
        target.chmod(mode | stat.S_IRUSR)
