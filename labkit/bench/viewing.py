"""A lab in the process of whoever looks at it, as in a notebook, with a live view that comes and goes.

    python -m labkit.bench.viewing

prints ``{"url": …}`` of a WebSocket API that sends each message back.  For each line that it reads it
opens the live view, or closes it, and prints ``{"frames": …}``: how many it has shown, 0 when it opens.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from labkit import Lab
from labkit.bench.deployed import Deployed
from labkit.views.live import Live
from labkit.views.logs import logs

ECHO = "bench-echo-1"
"""The function that sends each message back, as :class:`Deployed` names its first."""


class _Frontend:
    """Stands for the notebook: what is shown becomes a message, and goes nowhere."""

    def display(self, obj: Any, **_: Any) -> None:
        """Show it for the first time."""
        json.dumps(obj).encode()

    update = display


def main() -> None:
    """Start the lab, deploy the API, and do what the lines say until there are no more."""
    view: Live | None = None
    with Lab.start() as lab, tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
        _tell(url=Deployed(os.getpid(), Path(folder)).deploy_echo())
        for _ in sys.stdin:
            if view is None:
                view = Live(lab.log, lambda: logs(lab.log.after(0), ECHO), _Frontend())
                _tell(frames=0)
            else:
                view.close()
                _tell(frames=view.frames)
                view = None


def _tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
