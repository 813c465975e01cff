"""What the change feed costs a durable create: the same inserts with it and without, in turns.

Usage: python benchmarks/feed.py [ROUNDS]

Sessions of realistic size, FULL synchronous, transactions as the store makes them with 64 and with one insert in flight. Each
round is a pair on two fresh files; the median of the ratios counts.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

from load import realistic

from stigmer.session.kind import SESSION
from stigmer.store import Document, Owner
from stigmer.store.document import make_document
from stigmer.store.sqlite import open_sqlite, rows
from stigmer.testing.stored import KINDS

TOLD = rows._log  # noqa: SLF001 - what is measured
INSERTS = {64: 6000, 1: 400}
"""In flight → inserts of a round."""
_numbers = itertools.count()


def document() -> Document:
    """A session that is not there yet."""
    number = next(_numbers)
    session = realistic(number)
    session.metadata.id, session.metadata.slug = f"ses-{number:026}", f"s-{number}"
    return make_document(SESSION, session, Owner(2, session.metadata.org))


async def measure(path: Path, in_flight: int, *, told: bool) -> float:
    """Inserts a second."""
    rows._log = TOLD if told else lambda *_: None  # noqa: SLF001 - what is measured
    store = await open_sqlite(path, KINDS)
    waiting = [document() for _ in range(INSERTS[in_flight])]

    async def insert() -> None:
        while waiting:
            await store.insert(SESSION, waiting.pop())

    began = time.perf_counter()
    await asyncio.gather(*(insert() for _ in range(in_flight)))
    seconds = time.perf_counter() - began
    await store.close()
    return INSERTS[in_flight] / seconds


def main(rounds: int) -> None:
    """Measures and prints."""
    for in_flight in INSERTS:
        ratios: list[float] = []
        for number in range(rounds):
            rates = {}
            for told in (True, False) if number % 2 else (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    rates[told] = asyncio.run(measure(Path(folder) / "feed.db", in_flight, told=told))
            ratios.append(rates[True] / rates[False])
            print(f"{in_flight} in flight: {rates[True]:.0f}/s with the feed, {rates[False]:.0f}/s without", flush=True)
        print(f"{in_flight} in flight: {1 - statistics.median(ratios):.1%} slower with the feed (median of {rounds})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
