"""The course: what a student's notebook calls, and the lessons.

    from labkit.course import check, progress

Read ``exercise`` (what an exercise is), then ``verdict`` (what a check says), ``sandbox`` (where a
check tries out what the student wrote), and any lesson's ``exercises.md`` beside its ``checks.py``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "answer",
    "arrange",
    "certificate",
    "check",
    "hint",
    "progress",
    "quiz",
    "restore",
    "resume",
    "reveal",
]

if TYPE_CHECKING:
    from labkit.course.arranging import arrange
    from labkit.course.asking import answer, quiz
    from labkit.course.certifying import certificate
    from labkit.course.checking import check
    from labkit.course.hinting import hint
    from labkit.course.restoring import restore
    from labkit.course.resuming import resume
    from labkit.course.revealing import reveal
    from labkit.course.standings import progress

_HOMES = {
    "answer": "asking",
    "arrange": "arranging",
    "certificate": "certifying",
    "check": "checking",
    "hint": "hinting",
    "progress": "standings",
    "quiz": "asking",
    "restore": "restoring",
    "resume": "resuming",
    "reveal": "revealing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit.course' has no attribute {name!r}")
    return getattr(import_module(f"labkit.course.{_HOMES[name]}"), name)
