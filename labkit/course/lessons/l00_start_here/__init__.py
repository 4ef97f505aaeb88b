"""Lesson 00: the finished system, and how the lab works."""
