"""Sends every odd request to a server, and prints what it answers; exits with 1 where that is not what may be answered.

Usage: python benchmarks/probes.py HOST:PORT [--only TEXT]
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from probe import Probe, run
from probe_calls import CONTENT_TYPES, METADATA, PATHS, TIMEOUTS
from probe_connections import CONNECTIONS
from probe_frames import BLOCKS, KINDS, LENGTHS
from probe_heads import AUTHORITIES, METHODS, NAMES, PSEUDO, TOO_MANY
from probe_messages import COMPRESSED, COUNTS, FLAGS, SOUND, TOO_LARGE
from probe_states import GOODBYES, SETTINGS_FRAMES, STREAMS
from probe_streams import HALF_STREAMING, STREAMING

PROBES = (
    *(*SOUND, *COUNTS, *FLAGS, *COMPRESSED, *TOO_LARGE, *STREAMING, *HALF_STREAMING),
    *(*PSEUDO, *AUTHORITIES, *METHODS, *NAMES, *TOO_MANY),
    *(*PATHS, *CONTENT_TYPES, *TIMEOUTS, *METADATA),
    *(*LENGTHS, *KINDS, *BLOCKS, *STREAMS, *GOODBYES, *SETTINGS_FRAMES, *CONNECTIONS),
)


async def show(probe: Probe, host: str, port: int) -> bool:
    """Prints a line about a probe; whether all is as it must be."""
    result = await run(probe, host, port)
    print(
        f"{'!' if result.faults else ' '} {probe.name}: {result.found} {result.text[:60]}",
        *result.faults,
        sep="\n      ",
        flush=True,
    )
    return not result.faults


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("--only", default="", help="of the names")
    return parser.parse_args()


async def main() -> int:
    """One after the other, if the server answers ordinary calls."""
    options = arguments()
    host, _, port = options.address.rpartition(":")
    if not await show(PROBES[0], host, int(port)):
        return 1
    results = [await show(probe, host, int(port)) for probe in PROBES[1:] if options.only in probe.name]
    print(f"{sum(results)} of {len(results)} odd requests are answered as they must be")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
