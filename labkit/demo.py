"""``labkit demo``: build the pattern, place an order, and show what really happened."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from labkit.errors import EnvironmentProblem, OrderProblem
from labkit.lab import Lab, running
from labkit.timeline import timeline

ORDER = Path(__file__).parent / "pattern" / "order.json"
PRODUCTS = ORDER.with_name("products.json")
WORK = 0.5
"""Seconds.  Pricing three articles takes a moment, and the work in such a system takes longer."""


def main(arguments: Sequence[str]) -> int:
    """Run the pattern once.

    Returns:
        0 when the result arrived; 1, through the command, for an order that is none.

    Raises:
        OrderProblem: the order's file is missing, is no JSON, or is no order.
    """
    parser = argparse.ArgumentParser(
        prog="labkit demo", description="Run the whole pattern once and show what happens."
    )
    parser.add_argument(
        "--order",
        type=Path,
        default=ORDER,
        metavar="FILE",
        help=f"a JSON file with your own order, such as {_shown(ORDER)}; the articles that there "
        f"are stand in {_shown(PRODUCTS)}",
    )
    parser.add_argument(
        "--work",
        type=_seconds,
        default=WORK,
        metavar="SECONDS",
        help=f"how long the work waits before it begins, so that the client listens when it is "
        f"done ({WORK} if not given); with 0 the two race, and the result arrives all the same",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    from botocore.exceptions import BotoCoreError

    order = read_order(options.order)
    try:
        report = run(order, options.work)
    except OrderProblem as error:
        raise OrderProblem(f"{options.order}: {error} {_example()}") from error
    except (BotoCoreError, TimeoutError) as error:
        # In this process it cannot go away; another's can, with LABKIT_ENDPOINT.
        raise EnvironmentProblem(
            f"The local cloud does not answer any more ({error}). Start it again and try once more."
        ) from error
    if options.json:
        shown = dict(report, events=[event.to_dict() for event in report["events"]])
        print(json.dumps(shown))
        return 0
    print(timeline(report["events"]))
    print()
    print(f"Result after {report['elapsedMs']:.0f} ms, over the WebSocket:")
    print(json.dumps(report["result"], indent=2))
    return 0


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 60:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 60")


def _shown(path: Path) -> str:
    """A path as short as it can be from where the user is."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _example() -> str:
    return f"An order that is right: {_shown(ORDER)}"


def read_order(path: Path) -> Any:
    """The order in a file.

    Raises:
        OrderProblem: the file cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OrderProblem(f"{path} cannot be read ({error.strerror}). {_example()}") from error
    except json.JSONDecodeError as error:
        raise OrderProblem(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}. {_example()}"
        ) from error
    except UnicodeDecodeError as error:
        raise OrderProblem(f"{path} is not UTF-8 text: {error.reason}.") from error


def run(order: Any, work: float = 0.0) -> dict[str, Any]:
    """Build the pattern on the local cloud and send one order through it.

    Args:
        order: JSON data.
        work: seconds that ``DoWork`` waits before it begins.

    Returns:
        ``orderId``, ``executionArn``, ``websocketUrl``, ``connectionId``, ``result``, ``events``
        (of this order, oldest first) and ``elapsedMs`` from the request to the result.

    Raises:
        OrderProblem: the order is malformed; the message names the field.
    """
    with running() as lab:
        from labkit.pattern.build import build
        from labkit.pattern.client import OrderClient, OrderRefused

        system = build()
        client = OrderClient(system.orders_url)
        before = lab.log.last
        with _slow_work(lab, system.functions["do_work"], work):
            started = time.perf_counter()
            try:
                placed = client.place_order(order)
            except OrderRefused as error:
                raise OrderProblem(str(error)) from error
            result = client.result()
            elapsed = (time.perf_counter() - started) * 1000
        name = placed.execution_arn.rpartition(":")[2]
        lab.log.wait(
            lambda event: (
                event.kind == "execution.ended" and event["execution"] == placed.execution_arn
            ),
            after=before,
            timeout=30,
        )
        client.close()
        events = [event for event in lab.log.of(name) if event.seq > before]
        sent = [event["connection"] for event in events if event.kind == "frame.out"]
        return {
            "orderId": placed.order_id,
            "executionArn": placed.execution_arn,
            "websocketUrl": placed.websocket_url,
            "connectionId": sent[-1] if sent else None,
            "result": result,
            "events": events,
            "elapsedMs": round(elapsed, 3),
        }


@contextlib.contextmanager
def _slow_work(lab: Lab, function: str, seconds: float) -> Iterator[None]:
    if not seconds:
        yield
        return
    fault = lab.faults.add("function.invoke", "delay", seconds=seconds, function=function)
    try:
        yield
    finally:
        lab.faults.clear(fault)
