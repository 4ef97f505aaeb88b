"""Which stage and which route of an HTTP API serve a request, as pure rules.

Source: "Create routes for HTTP APIs" in the Amazon API Gateway developer guide:

- "If the request explicitly matches a stage, API Gateway sends the request to that stage. If no stage
  fully matches the request, API Gateway sends the request to the ``$default`` stage."
- "API Gateway selects the route with the most-specific match, using the following priorities: 1. Full
  match for a route and method. 2. Match for a route and method with a greedy path variable
  ({proxy+}). 3. The ``$default`` route."
- "The ANY method matches all methods that you haven't defined for a route."
- "API Gateway decodes URL-encoded request parameters."

AWS's own test tool for Lambda, which its authors compared with the service, adds: a trailing slash
counts (``/pets/`` is not ``/pets``), ``{id}`` needs a value, and ``{proxy+}`` takes what follows its
slash, even nothing.

Our choices, where AWS is silent: between two routes that match equally well, the one that is literal
further to the left is the more specific; a path is split before it is decoded, so that ``%2F`` stays
within its segment; names are matched with their case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from labkit.apigateway.model import Route, Stage

DEFAULT = "$default"
"""The stage, and the route, that take what nothing else takes."""

ANY = "ANY"

_LITERAL, _VARIABLE, _GREEDY = range(3)


@dataclass(frozen=True, slots=True)
class Match:
    """A route that serves a request, and the decoded values of its path's variables."""

    route: Route
    parameters: Mapping[str, str]


def locate(path: str, stage: Callable[[str], Stage | None]) -> tuple[Stage, str] | None:
    """The stage that serves a path, and the path within it.

    Args:
        path: percent-encoded, beginning with ``/``.
        stage: the stage of a name, or ``None`` if none of that name serves.

    Returns:
        The stage and the rest of the path, beginning with ``/``; ``None`` if no stage serves.
    """
    first, _, rest = path.removeprefix("/").partition("/")
    name = unquote(first)
    if name not in ("", DEFAULT) and (named := stage(name)) is not None:
        return named, f"/{rest}"
    default = stage(DEFAULT)
    return None if default is None else (default, path)


def select(routes: Mapping[str, Route], method: str, path: str) -> Match | None:
    """The route that serves a request.

    Args:
        routes: the API's routes by their keys, such as ``GET /pets/{petId}`` or ``$default``.
        method: the request's method.
        path: the path within the stage, percent-encoded, beginning with ``/``.
    """
    segments = [unquote(segment) for segment in path.removeprefix("/").split("/")]
    best: tuple[_Rank, Match] | None = None
    for key, route in routes.items():
        parsed = _parse(key)
        if parsed is None or parsed.method not in (method, ANY):
            continue
        parameters = _parameters(parsed, segments)
        if parameters is not None and (best is None or parsed.rank < best[0]):
            best = parsed.rank, Match(route, parameters)
    if best is not None:
        return best[1]
    default = routes.get(DEFAULT)
    return None if default is None else Match(default, {})


_Rank = tuple[bool, tuple[int, ...], bool]


@dataclass(frozen=True, slots=True)
class _RouteKey:
    method: str
    segments: tuple[str, ...]
    kinds: tuple[int, ...]

    @property
    def rank(self) -> _Rank:
        """How specific the route is; the least is the most specific."""
        return self.kinds[-1] == _GREEDY, self.kinds, self.method == ANY


@lru_cache(maxsize=4096)
def _parse(key: str) -> _RouteKey | None:
    method, _, path = key.partition(" ")
    if not path.startswith("/"):
        return None
    segments = tuple(path.removeprefix("/").split("/"))
    return _RouteKey(method, segments, tuple(map(_kind, segments)))


def _kind(segment: str) -> int:
    if not (segment.startswith("{") and segment.endswith("}")):
        return _LITERAL
    return _GREEDY if segment.endswith("+}") else _VARIABLE


def _parameters(key: _RouteKey, segments: list[str]) -> dict[str, str] | None:
    """The variables' values if the segments match, else ``None``."""
    greedy = key.kinds[-1] == _GREEDY
    if len(segments) < len(key.segments) or (len(segments) > len(key.segments) and not greedy):
        return None
    parameters: dict[str, str] = {}
    for position, (expected, kind) in enumerate(zip(key.segments, key.kinds, strict=True)):
        segment = segments[position]
        if kind == _LITERAL:
            if segment != expected:
                return None
        elif kind == _VARIABLE:
            if not segment:
                return None
            parameters[expected[1:-1]] = segment
        else:
            parameters[expected[1:-2]] = "/".join(segments[position:])
    return parameters
