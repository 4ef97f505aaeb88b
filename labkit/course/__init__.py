"""The course: what a student's notebook calls, and the lessons.

Read ``exercise`` (what an exercise is), then ``verdict`` (what a check says), and any lesson's
``exercises.md`` beside its ``checks.py``.
"""
