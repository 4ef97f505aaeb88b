"""A course of one lesson whose checks are proven: code, a handler and a state machine."""
