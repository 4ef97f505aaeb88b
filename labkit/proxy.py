"""How a browser reaches the cloud's port where JupyterLab runs on another machine: through its proxy.

jupyter-server-proxy, an extension of JupyterLab's server, passes ``{base}/proxy/{port}/…`` on to a port
of its machine, WebSockets too, for whoever is logged in.  It keeps the browser's ``Host`` and
``Origin``, which are then those of the machine that JupyterLab is reached at; so the cloud has to know
that origin (:mod:`labkit.origin`).

Sources: jupyter-server-proxy's "Accessing Arbitrary Ports or Hosts"; JupyterHub's "Technical reference"
of the variables that it gives to single-user servers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

ORIGINS_VARIABLE = "LABKIT_ALLOW_ORIGINS"
"""Origins that may use the cloud, with commas between; ``labkit lab`` sets it for the kernels."""

_HUB_URL = "JUPYTERHUB_PUBLIC_URL"
_HUB_PATH = "JUPYTERHUB_SERVICE_PREFIX"


def origins(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The origins that the environment names: those that were set, and that of a JupyterHub.

    A hub names itself if it is configured with its ``public_url``.
    """
    named = environment.get(ORIGINS_VARIABLE, "").split(",")
    return [*filter(None, map(str.strip, named)), *origin_of(environment.get(_HUB_URL, ""))]


def origin_of(url: str) -> list[str]:
    """The origin of a web address; none of what is no such address."""
    parts = urlsplit(url)
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return [f"{parts.scheme}://{parts.netloc}"] if is_web else []


def base_path(environment: Mapping[str, str] = os.environ, parent: int | None = None) -> str | None:
    """The path at which the Jupyter server of this kernel serves, such as ``/`` or ``/user/ada/``.

    Args:
        environment: the kernel's.
        parent: the process that started the kernel; this process's own parent if ``None``.

    Returns:
        ``None`` if no Jupyter server started this process.
    """
    if path := environment.get(_HUB_PATH):
        return path
    from jupyter_core.paths import jupyter_runtime_dir

    told = Path(jupyter_runtime_dir()) / f"jpserver-{parent or os.getppid()}.json"
    try:
        return str(json.loads(told.read_text("utf-8"))["base_url"])
    except (OSError, ValueError, KeyError):
        return None
