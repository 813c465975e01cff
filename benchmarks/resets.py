"""Streams by the hundred thousand that are opened and reset, on one connection that may: nothing of them is kept.

    python benchmarks/resets.py [--count 1000000] [--engine ngh2|h2]

Every other one is a whole call, whose handler might just have begun.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from attack_floods import CANCEL, call, opened_and_reset
from attacks import BYSTANDERS_OWN, MB, settled
from raw_http2 import RST_STREAM, RawClient, frame
from victim import HOST, Victim, victim

AT_ONCE = 500
PATIENCE = 60.0
MOST_OBJECTS, MOST_BYTES = 500, 12 * MB
NO_LIMITS = {
    f"{kind}_{rate}": 2**31 - 1 for kind in ("resets", "glitches", "controls", "offences") for rate in ("burst", "per_second")
}


def called_and_reset(stream: int) -> bytes:
    """A whole call, and its cancellation."""
    return call(stream) + frame(RST_STREAM, 0, stream, CANCEL)


def block(start: int) -> bytes:
    """Some streams from ``start`` on."""
    numbers = range(start, start + 4 * AT_ONCE, 4)
    return b"".join(opened_and_reset(number) + called_and_reset(number + 2) for number in numbers)


async def reset_streams(port: int, count: int) -> None:
    """Opens and resets so many streams; raises when the server gives up, or takes too long for a part of them."""
    client = await RawClient.connect(HOST, port)
    client.preface()
    try:
        for start in range(1, 2 * count, 4 * AT_ONCE):
            client.write(block(start))
            if not (await client.flush(PATIENCE) and await client.ping(PATIENCE)):
                raise RuntimeError(f"no answer after {start // 2} streams; GOAWAYs: {client.goaways}")
    finally:
        await client.close()


async def growth(found: Victim, count: int) -> dict[str, Any]:
    """What the server has more than before: objects and bytes; and what it has now of what it counts."""
    await reset_streams(found.port, 4 * AT_ONCE)  # so that what is made once is made
    before = await settled(found, PATIENCE)
    await reset_streams(found.port, count)
    after = await settled(found, PATIENCE)
    return {"objects": after["objects"] - before["objects"], "bytes": after["rss"] - before["rss"], "now": after["now"]}


def is_nothing(grown: dict[str, Any]) -> bool:
    """Whether nothing worth mentioning is left."""
    return grown["objects"] <= MOST_OBJECTS and grown["bytes"] <= MOST_BYTES and grown["now"] == BYSTANDERS_OWN


async def main() -> int:
    """Takes the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=["ngh2", "h2"], default="ngh2")
    options = parser.parse_args()
    with victim(options.engine, limits=NO_LIMITS) as found:
        clock = asyncio.get_running_loop().time
        began = clock()
        grown = await growth(found, options.count)
        print(f"{options.count} streams opened and reset in {clock() - began:.1f} s: {grown}; the bystander: {found.seen()}")
        log = found.log()
    print(log)
    return 0 if is_nothing(grown) and "Traceback" not in log else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
