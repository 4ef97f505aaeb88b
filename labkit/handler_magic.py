"""``%%handler NAME``: how a cell becomes a function.

The whole cell is written as ``NAME.py`` into a folder that holds no notebooks; packaging and
deploying it stay visible calls::

    %%handler place_order
    def handler(event, context):
        return {"statusCode": 202}

    lambda_.create_function(..., Handler="place_order.handler",
                            Code={"ZipFile": package(handler_file("place_order"))})

A comment stands in the file where the magic stood in the cell, so both have the same line numbers: a
traceback from the function's process points at the line that the notebook shows.  The cell is
compiled, not run; a cell with a syntax error leaves the file as it was.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.deployment_package import handler_name
from labkit.errors import EnvironmentProblem, HandlerProblem
from labkit.jupyter import project_root, work_folder

_TAKEN = frozenset(sys.stdlib_module_names) | {"boto3", "botocore", "bootstrap", "labkit"}
"""Modules that a file of the same name would hide from every import in the function."""

_MAGIC = ("%", "!", "?")

_refused: set[Path] = set()
"""Files that are not what their cell says: it was run last with a text that is no Python."""

_written: dict[Path, str] = {}
"""What the cells of this kernel have written."""


def register(ipython: Any, folder: Callable[[], Path] | None = None) -> None:
    """Make ``%%handler`` known to a notebook.

    Args:
        ipython: the notebook's shell.
        folder: where the files go; :func:`handlers_folder` by default, asked at each cell.
    """

    def handler(line: str, cell: str) -> None:
        """Write this cell as NAME.py, ready to be packaged: %%handler NAME."""
        print(write(line, cell, (folder or handlers_folder)()))

    ipython.register_magic_function(handler, "cell", "handler")


def write(line: str, cell: str, folder: Path) -> str:
    """Check a cell and write it as a module.

    Args:
        line: what follows ``%%handler`` in its line.
        cell: the lines below it.
        folder: where the file goes; made if need be.

    Returns:
        A line that names the file and, where it is plain, the handler.

    Raises:
        HandlerProblem: the name cannot be a module's, or the cell is not Python; nothing is written.
    """
    name = _name(line)
    source = f"# %%handler {name}\n{cell.rstrip()}\n"
    path = folder / f"{name}.py"
    _refused.add(path)
    _compile(name, source)
    _refused.discard(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(source, encoding="utf-8", newline="\n")
        new.replace(path)
    except OSError as error:
        raise HandlerProblem(
            f"{path} cannot be written: {error.strerror}. Make its folder writable, or free room."
        ) from error
    _written[path] = source
    handler = handler_name(source)
    shown = _shown(path)
    return f'{shown}, Handler="{name}.{handler}"' if handler else shown


def handler_file(name: str, folder: Path | None = None) -> Path:
    """The file that ``%%handler`` wrote.

    Args:
        name: as it was given to ``%%handler``.
        folder: where to look; :func:`handlers_folder` by default.

    Raises:
        HandlerProblem: there is none yet, and the message names those that there are; or its cell was
            run last with a text that is no Python, so that the file holds an older one.
    """
    folder = folder or handlers_folder()
    path = folder / f"{name}.py"
    if path in _refused:
        raise HandlerProblem(
            f"The cell that begins with '%%handler {name}' is not Python as it stands, so {name}.py is "
            "not what you see. Mend the cell, run it, then run this one again."
        )
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.py"))) or "none yet"
        raise HandlerProblem(
            f"No cell was written as {name}.py. Run the cell that begins with '%%handler {name}' "
            f"first. Handlers that are there: {there}."
        )
    return path


def is_ours(path: Path) -> bool:
    """Whether a file is what a cell of this kernel wrote last.

    The files of all notebooks lie in one folder, and two notebooks may each have a cell of one name.

    Args:
        path: as :func:`handler_file` gives it.
    """
    return path in _written and path.read_text(encoding="utf-8") == _written[path]


def handlers_folder(root: Callable[[], Path] = project_root) -> Path:
    """``work/handlers`` in the lab's folder, which git ignores; without one, in the user's cache.

    Args:
        root: finds the lab's folder, or raises ``EnvironmentProblem``.
    """
    return work_folder(root) / "handlers"


def _name(line: str) -> str:
    words = line.split()
    if len(words) != 1:
        raise HandlerProblem(
            "The cell's first line is '%%handler NAME', with one name: NAME.py is the file that the "
            f"cell becomes. It says {'no name' if not words else ' '.join(words)!r} now."
        )
    name = words[0].removesuffix(".py")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise HandlerProblem(
            f"{name!r} cannot be the name of a module. Use letters, digits and '_', such as "
            "'place_order'."
        )
    if name in _TAKEN:
        raise HandlerProblem(
            f"A file called {name}.py would hide the module {name!r} from the function's imports. "
            f"Choose another name, such as '{name}_handler'."
        )
    return name


def _compile(name: str, source: str) -> None:
    try:
        compile(source, f"{name}.py", "exec", dont_inherit=True)  # `return` outside a function, …
    except SyntaxError as error:
        raise HandlerProblem(_pointing(error, source)) from None
    except ValueError as error:  # a null byte
        raise HandlerProblem(f"This cell is not Python: {error}.") from None


def _pointing(error: SyntaxError, source: str) -> str:
    """What is wrong, with the line in the cell and the one before it."""
    lines = source.splitlines()
    number = min(max(error.lineno or 1, 1), len(lines))
    line = lines[number - 1]
    said = f"line {number} of this cell is not Python: {error.msg}"
    if line.lstrip().startswith(_MAGIC):
        said += ". Lines that begin with %, ! or ? are for the notebook; a function runs without it"
    width = len(str(number))
    shown = [said, ""]
    if number > 2:
        shown.append(f"    {number - 1:{width}} | {lines[number - 2]}")
    shown.append(f"  > {number:{width}} | {line}")
    if error.offset:
        column = min(error.offset, len(line) + 1) - 1
        # Tabs stay tabs, so that the mark stands below its character.
        before = "".join("\t" if character == "\t" else " " for character in line[:column])
        shown.append(f"    {'':{width}} | {before}^")
    return "\n".join(shown)


def _shown(path: Path) -> str:
    """The path from the lab's folder on, so that a notebook's output is the same on each machine."""
    try:
        return path.relative_to(project_root()).as_posix()
    except (EnvironmentProblem, ValueError):
        return str(path)
