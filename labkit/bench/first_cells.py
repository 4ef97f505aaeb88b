"""Does what the first cells of the first notebook do, in a fresh Python process.

    python -m labkit.bench.first_cells

prints ``{"status": …}`` of the order as soon as its result is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ORDER = Path(__file__).parent.parent / "pattern" / "order.json"


def main() -> None:
    """Start the lab, build the pattern, place an order and wait for its result."""
    from labkit import Lab

    lab = Lab.start()

    from labkit.pattern.build import build

    system = build()

    from labkit.pattern.client import OrderClient

    order = json.loads(ORDER.read_text("utf-8"))
    client = OrderClient(system.orders_url)
    client.place_order(order)
    result = client.result()
    client.close()
    print(json.dumps({"status": result["status"]}), flush=True)
    lab.stop()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
