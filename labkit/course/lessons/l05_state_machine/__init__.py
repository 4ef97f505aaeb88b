"""Lesson 05: the state machine, grown state by state."""
