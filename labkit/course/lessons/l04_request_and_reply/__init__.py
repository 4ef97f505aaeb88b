"""Lesson 04: the synchronous request, its idempotency key, and the URL with its ticket."""
