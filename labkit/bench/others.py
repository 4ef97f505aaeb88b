"""Which other emulators are installed, to be measured and compared with."""

from __future__ import annotations

from pathlib import Path

from labkit.bench.ministack import Ministack
from labkit.bench.peer import Peer
from labkit.bench.serverless_offline import ServerlessOffline

FOLDER = "LABKIT_PEERS"
"""The environment variable that names the folder that ``bench/peers/install.py`` filled."""


def installed(folder: Path) -> list[Peer]:
    """Those that are in the folder."""
    others = (
        Ministack(folder),
        ServerlessOffline(folder, in_process=True),
        ServerlessOffline(folder),
    )
    return [other for other in others if other.is_installed]
