"""``labkit serve`` as a peer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.bench.child import Child
from labkit.bench.deployed import Deployed
from labkit.bench.measurement import LAB
from labkit.runtime import redirect

QUOTA = "1000000"
"""New connections a second: no bare server has AWS's quota of 500, so here nothing comes near it."""


class LocalCloud:
    """The local cloud, as ``labkit serve`` runs it."""

    name = LAB

    @contextmanager
    def serve(self) -> Iterator[Deployed]:
        """Start a fresh cloud, which has ended when the block ends.

        Every AWS call of this process goes to it meanwhile, as in a notebook.
        """
        with (
            tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder,
            Child("labkit", "serve", "--new-connections", QUOTA) as child,
        ):
            redirect.install(child.line()["endpoint"])
            try:
                yield Deployed(child.pid, Path(folder))
            finally:
                redirect.uninstall()
