"""What a student's notebook imports from ``labkit.course``."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import labkit.course


def test_no_module_hides_what_is_exported() -> None:
    """A submodule becomes an attribute of its package, and would be there instead of the function."""
    for module in pkgutil.iter_modules(labkit.course.__path__):
        importlib.import_module(f"labkit.course.{module.name}")
    uncalled = [
        name for name in labkit.course.__all__ if not callable(getattr(labkit.course, name))
    ]
    assert uncalled == []


def test_a_name_that_the_course_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'labkit\.course' has no attribute 'chekc'"):
        _ = labkit.course.chekc


def test_what_only_some_calls_need_is_not_loaded_before() -> None:
    source = (
        "import sys\n"
        "from labkit import Lab\n"
        f"from labkit.course import {', '.join(labkit.course.__all__)}\n"
        "Lab.start().stop()\n"
        "print(*{'IPython', 'ipywidgets', 'jupytext', 'pytest'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
