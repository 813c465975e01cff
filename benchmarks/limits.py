"""Prints what the plugin limits costs: µs that it adds to a get, and µs of an insert by owners that have little and much.

Usage: ``python benchmarks/limits.py [SESSIONS]``; the large owner has so many, 100,000 unless told otherwise.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from stigmer_limits import Limits, Settings

from stigmer.session.kind import SESSION
from stigmer.store import Owner
from stigmer.store.sqlite import SqliteStore, open_sqlite
from stigmer.testing import make_context, make_services, serving
from stigmer.testing.stored import ACME, make_stored_session

CALLS, ROUNDS, IN_FLIGHT = 2000, 9, 64
NONE = {}
CALLER = {"caller_rate": 1e9}
BOTH = {"caller_rate": 1e9, "organization_rate": 1e9}


async def get(limits: dict[str, float]) -> float:
    """Microseconds of a get through its pipeline, from memory."""
    plugins = {"limits": Limits(Settings(**limits))} if limits else {}
    async with serving(plugins) as app:
        await app.store.insert(SESSION, make_stored_session("ses-1"))
        (handle,) = (handle for operation, handle in app.assembly.handles() if operation.name == "session.get")
        pipeline = app.assembly.pipelines["session.get"].operation
        services, request = make_services(store=app.store), pipeline.request(value="ses-1")
        began = time.perf_counter()
        for _ in range(CALLS):
            await handle(make_context(pipeline, request, services=services))
        return (time.perf_counter() - began) / CALLS * 1e6


async def insert(store: SqliteStore, owner: Owner, most: int | None, name: str) -> float:
    """Microseconds of a durable insert, many in flight."""
    documents = [make_stored_session(f"ses-{name}-{number}", owner=owner) for number in range(CALLS)]
    began = time.perf_counter()
    for start in range(0, CALLS, IN_FLIGHT):
        await asyncio.gather(*(store.insert(SESSION, each, most=most) for each in documents[start : start + IN_FLIGHT]))
    return (time.perf_counter() - began) / CALLS * 1e6


async def main(sessions: int) -> None:
    """Medians of rounds in which everything takes turns."""
    gets = [[await get(limits) for limits in (NONE, CALLER, BOTH)] for _ in range(ROUNDS)]
    plain, caller, both = map(statistics.median, zip(*gets, strict=True))
    print(f"get                 {plain:7.1f} us; callers limited +{caller - plain:.1f}, organizations too +{both - plain:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        store = await open_sqlite(Path(folder) / "stigmer.db", [SESSION])
        for start in range(0, sessions, 500):
            some = (make_stored_session(f"ses-{n}") for n in range(start, min(start + 500, sessions)))
            await asyncio.gather(*(store.insert(SESSION, each) for each in some))
        for owner in (ACME, ACME._replace(id="small")):
            rounds = [
                [await insert(store, owner, most, f"{owner.id}-{most}-{number}") for most in (None, 10 * sessions)]
                for number in range(ROUNDS)
            ]
            free, limited = map(statistics.median, zip(*rounds, strict=True))
            print(f"insert of {owner.id:<9} {free:7.1f} us; with a limit {limited:.1f} us")
        print(f"insert, counted anew {await edge_insert(store, sessions):7.0f} us")
        await store.close()


async def edge_insert(store: SqliteStore, sessions: int) -> float:
    """Microseconds of a single insert when the limit is another one each time, so that nothing can be relied on."""
    took = []
    for number in range(50):
        began = time.perf_counter()
        await store.insert(SESSION, make_stored_session(f"ses-edge-{number}"), most=10 * sessions + number)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
