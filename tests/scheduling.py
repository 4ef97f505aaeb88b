"""How pytest-xdist spreads the tests: a pytest plugin."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

BROWSER = "tests/browser/"


class OneBrowser(LoadScopeScheduling):
    """A file's tests go to one process, or a class's; and all in a browser, so that one runs at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneBrowser | None:
    """Take it in the place of ``--dist loadscope``."""
    return OneBrowser(config, log) if config.getoption("dist") == "loadscope" else None
