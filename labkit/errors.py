"""Every error that labkit raises on purpose.

    LabError
    ├── LabNotRunning        a call that needs the local cloud came before ``Lab.start()``
    ├── EnvironmentProblem   the machine lacks something (port, package, disk)
    ├── OrderProblem         an order file or order object is not an order
    ├── HandlerProblem       a cell cannot become a function
    ├── PackageProblem       what is to be deployed cannot be packaged
    └── AwsError             what AWS would answer: a code, a message and an HTTP status

An error says what happened, why, and what to do next.  ``AwsError`` is the one that stays inside
the local cloud: it is turned into AWS's wire format at the edge and reaches a student as the
``botocore`` exception that AWS itself would cause.
"""

from __future__ import annotations


class LabError(Exception):
    """Base of everything that labkit raises on purpose."""


class LabNotRunning(LabError):
    """The local cloud is needed and is not running."""


class EnvironmentProblem(LabError):
    """Something about this machine keeps the lab from working."""


class OrderProblem(LabError, ValueError):
    """An order is malformed; the message names the field."""


class HandlerProblem(LabError):
    """A cell cannot become a function; the message points at the line."""

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of the frames of its own machinery, which say nothing here.
        return [f"{type(self).__name__}: {self}"]


class PackageProblem(LabError, ValueError):
    """What is to be deployed cannot be packaged; the message says which file and what to do."""


class AwsError(LabError):
    """An error as AWS answers it.

    Args:
        code: AWS's error code, such as ``GoneException``; sent as ``x-amzn-ErrorType``.
        message: AWS's message, shown to the caller.
        status: the HTTP status.
        extra: further members of the JSON body, such as ``Reason``.
    """

    def __init__(self, code: str, message: str, status: int = 400, **extra: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra
