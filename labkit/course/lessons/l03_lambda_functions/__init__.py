"""Lesson 03: functions for the three events of a connection, how they are deployed, and how they fail."""
