"""AWS's control planes and data stores, by moto: the only package that touches moto.

moto keeps the state of DynamoDB, Lambda, API Gateway, IAM, Logs and a hundred other services in the
process, and answers their wire formats.  :class:`Backend` calls moto's own request handlers
directly: botocore is not patched, the ``responses`` library stays off, and no credentials are
touched.

moto is not thread-safe: two of four writers can win the same ``attribute_not_exists``.  One lock
serialises every call.  One for all services rather than one for each, because moto's services call
each other behind our back (Lambda asks IAM, Logs calls Lambda, S3 calls SNS), and because moto is
pure Python: the interpreter runs one call at a time in any case.  A function that runs, and a
state machine that waits, holds no lock.

Step Functions is moto's interpreter of the States Language with other parts in it.  What is put in
the place of which part of moto, and why, stands at the end of each module; ``replacements`` puts it
together.

``services`` is :class:`Backend`; ``loading`` and ``records`` are what it reads moto with.  ``seam``
and ``here`` are what the replaced parts know: the cloud, and the thread at work.

Not emulated here: what moto itself lacks.  It is answered with ``NotImplemented`` (501) and a
sentence that says so.
"""

from labkit.backend.services import Backend

__all__ = ["Backend"]
