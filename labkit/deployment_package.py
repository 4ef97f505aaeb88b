"""A deployment package: the zip file that ``create_function`` takes as ``Code={"ZipFile": …}``.

AWS wants what the handler's name refers to at the top of the archive, readable by any user, at most
50 MB zipped when it is sent with the call.  Beyond that this module promises one thing: equal
sources give equal bytes, whatever the time, the file system or the order in which it lists files.
So deploying unchanged code is no change, and its ``CodeSha256`` tells that.

It does not install dependencies; give it a folder that holds them.

Source: "Working with .zip file archives for Python Lambda functions" and "Lambda quotas" in the AWS
Lambda developer guide.
"""

from __future__ import annotations

import ast
import io
import os
import re
import symtable
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from labkit.errors import PackageProblem

UPLOAD_LIMIT = 50 * 1024 * 1024
"""Bytes that a package may have when it is sent with the call."""

LEFT_OUT = frozenset(
    {
        "__pycache__",
        ".ipynb_checkpoints",
        ".git",
        ".venv",
        ".DS_Store",
        ".mypy_cache",
        ".ruff_cache",
    }
)
"""Files and folders that no function needs, wherever they lie."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
_MODE = 0o100755 << 16  # a plain file; 755 since Windows knows no executable bit to keep


def package(
    source: str | os.PathLike[str] | Mapping[str, str | bytes], *, limit: int = UPLOAD_LIMIT
) -> bytes:
    """The zip file's bytes.

    Args:
        source: a file, which lies at the top of the archive under its own name; or a folder, whose
            *contents* lie at the top; or a mapping from names inside the archive, such as
            ``"app.py"`` or ``"lib/prices.json"``, to text or bytes.
        limit: bytes that the archive may have.

    Returns:
        The archive.  Equal sources give equal bytes.

    Raises:
        PackageProblem: the source is not there, holds no file, has a name that cannot stand in an
            archive, or is too large to be sent with the call.
    """
    files = (
        {_checked(name): _bytes(name, content) for name, content in source.items()}
        if isinstance(source, Mapping)
        else dict(_read(Path(source)))
    )
    if not files:
        raise PackageProblem(
            f"{_named(source)} holds no file, so there is nothing to deploy. "
            "Put the handler's module into it."
        )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix: the mode below counts
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, files[name])
    if archive.tell() > limit:
        largest = max(files, key=lambda name: len(files[name]))
        raise PackageProblem(
            f"{_named(source)} is {archive.tell() / 2**20:.1f} MB zipped; AWS takes at most "
            f"{limit / 2**20:.0f} MB with the call. Its largest file is {largest!r} "
            f"({len(files[largest]) / 2**20:.1f} MB). Leave out what the function does not need."
        )
    return archive.getvalue()


def handler_name(source: str) -> str:
    """The name of the function in a module that Lambda is to call.

    ``handler`` and ``lambda_handler`` are taken by their names, any other if it is the only function
    at the top of the module that takes an event and a context.

    Args:
        source: the module's text; a first line ``%%handler NAME`` counts as a comment.

    Returns:
        The name, or an empty string where it is not plain.

    Raises:
        SyntaxError: the text is not Python.
    """
    source = re.sub(r"\A%%handler", "# %%handler", source)
    top = symtable.symtable(source, "handler.py", "exec")
    for usual in ("lambda_handler", "handler"):
        if usual in top.get_identifiers() and top.lookup(usual).is_assigned():
            return usual
    takes_two = [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        and len(node.args.posonlyargs) + len(node.args.args) == 2
        and not node.args.kwonlyargs
    ]
    return takes_two[0] if len(takes_two) == 1 else ""


def _read(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_file():
        yield source.name, source.read_bytes()
        return
    if not source.is_dir():
        raise PackageProblem(
            f"There is no file or folder {str(source)!r} (looked from {str(Path.cwd())!r}). "
            "Give the path of the handler's file, or of the folder that holds it."
        )
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in folders:
            if (Path(folder) / name).is_symlink():
                raise PackageProblem(
                    f"{str(Path(folder) / name)!r} is a link to a folder, which a package cannot "
                    "hold. Copy the folder's files to that place."
                )
        for name in names:
            if name in LEFT_OUT or name.endswith((".pyc", ".pyo")):
                continue
            path = Path(folder) / name
            try:
                content = path.read_bytes()
            except OSError as error:
                raise PackageProblem(
                    f"{str(path)!r} cannot be read: {error.strerror}. Make it readable, or take it "
                    "out of the folder."
                ) from error
            yield path.relative_to(source).as_posix(), content


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if "\\" in name or path.is_absolute() or ".." in path.parts or name != str(path) or not name:
        raise PackageProblem(
            f"{name!r} cannot be a name inside a package. Names are relative and use '/', such as "
            "'app.py' or 'lib/prices.json'."
        )
    return name


def _bytes(name: str, content: str | bytes) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, bytes):
        return content
    raise PackageProblem(
        f"The content of {name!r} is of type {type(content).__name__}; it must be str or bytes."
    )


def _named(source: object) -> str:
    return "The mapping" if isinstance(source, Mapping) else repr(str(source))
