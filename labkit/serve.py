"""``labkit serve``: the local cloud in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence

from labkit import proxy
from labkit.apigateway.limits import AWS
from labkit.clock import Clock
from labkit.cloud import Cloud
from labkit.origin import Origins
from labkit.runtime import redirect
from labkit.server import LAST_PORT


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM.

    One line of JSON on standard output says when the port answers: ``{"endpoint": …}``.

    Returns:
        0 after a regular end, 2 if the port cannot be had or the command line is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="labkit serve", description="Run the local cloud in a process of its own."
    )
    parser.add_argument("--port", type=_port, default=0, help="loopback port; 0 (default) is any")
    parser.add_argument("--speed", type=_speed, default=1.0, help="AWS seconds in a real second")
    parser.add_argument("--seed", type=int, help="make AWS's ids the same in each run")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web page that may use the cloud, beside those of this machine; may be repeated",
    )
    parser.add_argument(
        "--new-connections",
        type=_count,
        default=AWS.new_connections,
        metavar="N",
        help="WebSocket connections that an account may open in a second (default: AWS's quota, "
        f"{AWS.new_connections})",
    )
    options = parser.parse_args(arguments)
    try:
        origins = Origins([*options.allow_origin, *proxy.origins()])
    except ValueError as error:
        parser.error(f"argument --allow-origin: {error}")
    try:
        asyncio.run(
            _serve(
                Cloud(
                    port=options.port,
                    speed=options.speed,
                    seed=options.seed,
                    origins=origins,
                    new_connections=options.new_connections,
                    # Python's collector stops everything for a tenth of a second and more when it
                    # goes through all that moto and botocore have loaded, and none of it ever goes.
                    loaded=gc.freeze,
                )
            )
        )
    except BrokenPipeError:
        raise  # nobody reads the address
    except OSError as error:
        print(
            f"labkit serve: port {options.port} cannot be had ({os.strerror(error.errno or 0)}). "
            "Choose another with --port, or leave it out for any free one.",
            file=sys.stderr,
        )
        return 2
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; ports are 0 (any) to {LAST_PORT}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of connections, from 1 on")
    return int(text)


def _speed(text: str) -> float:
    try:
        return Clock(float(text)).speed
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0") from None


async def _serve(cloud: Cloud) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        loop.call_soon_threadsafe(ended.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, end)
        except NotImplementedError:  # Windows
            signal.signal(number, end)
    await cloud.start()
    redirect.install(cloud.endpoint)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    try:
        print(json.dumps({"endpoint": cloud.endpoint}), flush=True)
        await ended.wait()
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(cloud.stop(), 15)
