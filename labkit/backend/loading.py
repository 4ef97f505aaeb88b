"""moto's services: imported, changed and found when they are first used."""

from __future__ import annotations

import importlib
import inspect
import logging
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import moto.backend_index
import moto.backends
from moto.core.request import Request

from labkit.backend import interpreter
from labkit.backend.replacements import REPLACEMENTS
from labkit.wire import LOCAL_ACCOUNT

logging.getLogger("moto").addHandler(logging.NullHandler())  # what went wrong is in the event log

PACKAGES = {"lambda": "awslambda"}
"""moto's packages that are not called as their service."""

ready: set[str] = set()
"""Packages that are imported and have their replacements."""

_loading = threading.RLock()

_done: set[str] = set()
"""Packages of moto's whose replacements are in force."""


def backends_of(service: str) -> Any:
    """All of a service's state: by account, then by region (``aws`` for services without one)."""
    package = PACKAGES.get(service, service)
    if package not in ready:
        with _loading:
            if package == "stepfunctions":
                interpreter.load_interpreter()
            moto.backends.get_backend(service)  # type: ignore[call-overload]
            replace(f"moto.{package}")
            ready.add(package)
    return moto.backends.get_backend(service)  # type: ignore[call-overload]


def handlers(host: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
    """Find moto's handlers for a host, by URL pattern."""
    base = f"https://{host}"
    found: list[tuple[re.Pattern[str], Callable[..., Any]]] = []
    for name, pattern in moto.backend_index.backend_url_patterns:
        if not pattern.match(base):
            continue
        if name == "apigateway":
            # Version 2 has the same host.  Importing version 1 takes two seconds, for an OpenAPI
            # validator, so it waits until something asks for it.
            found += _urls("apigatewayv2")
            found.append((re.compile(r"https://[^/]+/(?!v2/)"), _later(name)))
        else:
            found += _urls(name)
    return found


def _later(name: str) -> Callable[..., Any]:
    """A handler that loads a service when it is first called."""
    loaded: list[tuple[re.Pattern[str], Callable[..., Any]]] = []

    def handle(request: Request, url: str, headers: Any) -> Any:
        if not loaded:
            loaded.extend(_urls(name))
        clean = url.partition("?")[0]
        for pattern, handler in loaded:
            if pattern.match(clean):
                return handler(request, url, headers)
        raise NotImplementedError(f"no handler for {clean}")

    return handle


def _urls(name: str) -> list[tuple[re.Pattern[str], Callable[..., Any]]]:
    backends = backends_of(name)[LOCAL_ACCOUNT]
    backend = backends["us-east-1" if "us-east-1" in backends else "aws"]
    return [(re.compile(url), handler) for url, handler in backend.urls.items()]


def every(name: str) -> Iterable[Any]:
    """All of a service's backends, of every account and region."""
    return [backend for _, _, backend in backends_of(name).iter_backends()]


def replace(package: str) -> None:
    """Apply the replacements in a package of moto's."""
    if package in _done:
        return
    _done.add(package)
    for one in REPLACEMENTS:
        if not one.module.startswith(package + "."):
            continue
        holder: Any = importlib.import_module(one.module)
        *path, name = one.name.split(".")
        for part in path:
            holder = getattr(holder, part)
        static = isinstance(inspect.getattr_static(holder, name, None), staticmethod)
        made = one.by(getattr(holder, name, None))
        if static and not isinstance(made, staticmethod):
            made = staticmethod(made)
        setattr(holder, name, made)
