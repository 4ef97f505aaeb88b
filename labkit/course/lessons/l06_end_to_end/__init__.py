"""Lesson 06: the whole system, early and late clients, progress, messages both ways, several tabs."""
