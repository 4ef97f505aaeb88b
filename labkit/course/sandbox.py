"""An AWS account of a check's own."""


class Sandbox:
    """An account."""
