"""The SQLite store alone: durable inserts and gets with 64 in flight, against one at a time and against one transaction each.

    python benchmarks/store.py [--rounds 5] [--inserts 4000] [--folder /where/the/disk/is]

Rounds are interleaved, and each figure is the median of its rounds; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiosqlite

from stigmer.session.kind import SESSION
from stigmer.store import Document, Query
from stigmer.store.selection import Position
from stigmer.store.sqlite import checksum, open_sqlite
from stigmer.testing.store import make_stored_session

IN_FLIGHT = 64
GOAL_NAIVE, GOAL_ALONE = 10.0, 5.0


async def rate(items: Sequence[Document], call: Callable[[Document], Awaitable[object]], in_flight: int) -> float:
    """Calls a second, with so many under way at any time."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await call(item)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return len(items) / (time.perf_counter() - began)


async def together(folder: Path, documents: Sequence[Document]) -> dict[str, float]:
    """The store as it is used."""
    store = await open_sqlite(folder / "together.db", [SESSION])
    figures = {
        "insert": await rate(documents, lambda each: store.insert(SESSION, each), IN_FLIGHT),
        "get": await rate(documents, lambda each: store.get(SESSION, each.id), IN_FLIGHT),
        "page": await rate(
            documents[: len(documents) // 4], lambda _: store.page(SESSION, Query(limit=50, after=Position(99))), IN_FLIGHT
        ),
    }
    await store.close()
    return figures


async def alone(folder: Path, documents: Sequence[Document]) -> dict[str, float]:
    """The same store, when nobody comes before the one before is answered."""
    store = await open_sqlite(folder / "alone.db", [SESSION])
    figures = {"insert alone": await rate(documents[: len(documents) // 4], lambda each: store.insert(SESSION, each), 1)}
    await store.close()
    return figures


async def naive(folder: Path, documents: Sequence[Document]) -> dict[str, float]:
    """One transaction an insert, on the same schema, with aiosqlite as its documentation shows it."""
    path = folder / "naive.db"
    await (await open_sqlite(path, [SESSION])).close()
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA synchronous = FULL")
        one_at_a_time = asyncio.Lock()

        async def insert(document: Document) -> None:
            async with one_at_a_time:
                cursor = await connection.execute(
                    "INSERT INTO session (id, scope, owner, slug, org, revision, wire_checksum, key_checksum, "
                    "document_checksum, agent_instance_id, wire, document) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
                    (
                        document.id,
                        int(document.owner.scope),
                        document.owner.id,
                        document.slug,
                        document.org,
                        checksum.of_wire(document.id, document.wire),
                        checksum.of_key(document.id, document.owner, document.slug, 1),
                        checksum.of_document(document.id, document.json),
                        document.indexed["agent_instance_id"],
                        document.wire,
                        document.json,
                    ),
                )
                sequence = cursor.lastrowid
                await connection.executemany(
                    "INSERT INTO session_tag VALUES (?, ?)", [(tag, sequence) for tag in document.tags]
                )
                labels = [(name, value, sequence) for name, value in document.labels.items()]
                await connection.executemany("INSERT INTO session_label VALUES (?, ?, ?)", labels)
                await connection.commit()

        return {"insert naive": await rate(documents[: len(documents) // 4], insert, IN_FLIGHT)}


async def measure(rounds: int, inserts: int, folder: str | None) -> dict[str, float]:
    """The median of each figure."""
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            documents = [
                make_stored_session(
                    f"ses-{number:026}", agent=f"ain-{number % 100}", tags=["a", "b"], labels={"k": "v"}, subject="x" * 200
                )
                for number in range(inserts)
            ]
            for run in (together, alone, naive):
                for name, figure in (await run(Path(fresh), documents)).items():
                    figures.setdefault(name, []).append(figure)
    return {name: statistics.median(all_) for name, all_ in figures.items()}


def main() -> int:
    """Prints figures and ratios; 1 when a goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inserts", type=int, default=4000)
    parser.add_argument("--folder")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.rounds, arguments.inserts, arguments.folder))
    for name, figure in figures.items():
        print(f"{name:14} {figure:10,.0f} /s")
    to_naive, to_alone = figures["insert"] / figures["insert naive"], figures["insert"] / figures["insert alone"]
    print(f"insert against naive {to_naive:6.1f} x (goal {GOAL_NAIVE:.0f})")
    print(f"insert against alone {to_alone:6.1f} x (goal {GOAL_ALONE:.0f})")
    return 0 if to_naive >= GOAL_NAIVE and to_alone >= GOAL_ALONE else 1


if __name__ == "__main__":
    sys.exit(main())
