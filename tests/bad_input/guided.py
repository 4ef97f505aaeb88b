"""Coverage-guided fuzzing of the pure readers: what atheris finds out by watching which lines run.

    python -m pip install atheris        # not in requirements/: it has wheels for few systems
    python -m tests.bad_input.guided frames -max_total_time=60

It runs until it finds something, or as long as libFuzzer's own options say.  Each target takes bytes and
raises only if something is wrong.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["labkit", "websockets"]):
    from websockets.protocol import OPEN, SERVER, Protocol

    from labkit.address import addressee
    from labkit.apigateway import selection
    from labkit.apigateway.http_events import MalformedAnswer, response_of
    from labkit.apigateway.integrations import OutOfForm, ProxyAnswer
    from labkit.apigateway.routes import select
    from labkit.errors import AwsError
    from labkit.functions.package import check_package
    from labkit.functions.runtime_api import BadRequest, Parser
    from labkit.pattern.functions.order import Malformed, Order
    from labkit.states.definition import problems
    from labkit.trace import Trace


def frames(data: bytes) -> None:
    """The reader of WebSocket frames."""
    protocol = Protocol(SERVER, state=OPEN, max_size=(131_072, 32_768))
    protocol.receive_data(data)
    protocol.events_received()
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None


def requests(data: bytes) -> None:
    """The reader of the Runtime API's requests."""
    with contextlib.suppress(BadRequest):
        Parser().feed(data)


def routes(data: bytes) -> None:
    """Route selection: the expression on the first line, the message behind it."""
    expression, _, message = data.decode("utf-8", "replace").partition("\n")
    keys = {"$connect", "$disconnect", "$default", "a"}
    assert select(expression, message, keys) in ("$default", "a")
    selection.parts(expression)


def answers(data: bytes) -> None:
    """What a function gave back."""
    with contextlib.suppress(OutOfForm):
        assert 200 <= ProxyAnswer.parse(data).status <= 599
    for version in ("1.0", "2.0"):
        with contextlib.suppress(MalformedAnswer):
            assert 200 <= response_of(data, version=version).status <= 599


def definitions(data: bytes) -> None:
    """State machines."""
    assert all(isinstance(found, str) for found in problems(data.decode("utf-8", "replace")))


def orders(data: bytes) -> None:
    """Orders that are JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        order = json.loads(data)
        with contextlib.suppress(Malformed):
            assert Order.parse(Order.parse(order).to_dict())


def packages(data: bytes) -> None:
    """Deployment packages."""
    with contextlib.suppress(AwsError):
        check_package(data)


def addresses(data: bytes) -> None:
    """Path, host, signature and trace, a line each."""
    path, host, signature, trace, *_ = [*data.decode("latin-1").split("\n"), "", "", "", ""]
    addressee(path, host, {"Authorization": signature})
    Trace.parse(trace)


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (frames, requests, routes, answers, definitions, orders, packages, addresses)
}


def main(name: str, *options: str) -> None:
    """Fuzz one target."""
    atheris.Setup([name, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(
            f"python -m tests.bad_input.guided TARGET [OPTION…]; targets: {', '.join(TARGETS)}"
        )
    main(*sys.argv[1:])
