"""Lesson 02: the tables, designed from the questions that they must answer."""
