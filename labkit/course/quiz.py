"""What a lesson's ``quiz.py`` imports: ``blanks``, ``choice`` and ``choices``.

Python makes a module an attribute of its package, where this one would hide the function ``quiz``
that students import from ``labkit.course``.  So the module can be called, and is that function too.
"""

from __future__ import annotations

import sys
from types import ModuleType

from labkit.course.asking import quiz
from labkit.course.question import Question, blanks, choice, choices

__all__ = ["Question", "blanks", "choice", "choices", "quiz"]


class _Quiz(ModuleType):
    def __call__(self, number: str) -> None:
        quiz(number)


sys.modules[__name__].__class__ = _Quiz
