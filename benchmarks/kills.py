"""Kills a process that writes to an SQLite store, again and again: nothing acknowledged is lost, and totals stay exact.

Usage: ``python benchmarks/kills.py [KILLS [SEED]]``; 100 kills unless told otherwise.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from stigmer.session.kind import SESSION
from stigmer.store import Query, Store
from stigmer.store.selection import Tag, Word
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.stored import KINDS

WRITE = """
import asyncio, pathlib, sys
from stigmer.session.kind import SESSION
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.stored import KINDS, make_stored_session

async def main():
    store = await open_sqlite(pathlib.Path(sys.argv[1]), KINDS)

    async def write(worker):
        for number in range(1_000_000):
            id_ = f"ses-{sys.argv[2]}-{worker}-{number}"
            stored = await store.insert(SESSION, make_stored_session(id_, tags=["t"], labels={"a": "b"}, subject="before"))
            print("inserted", id_, stored.revision, flush=True)
            if number % 3 == 0:
                stored = await store.update(SESSION, make_stored_session(id_, tags=["u"], subject="after"), stored.revision)
                print("inserted", id_, stored.revision, flush=True)
            elif number % 3 == 1:
                await store.delete(SESSION, id_, stored.revision)
                print("deleted", id_, 0, flush=True)

    await asyncio.gather(*(write(worker) for worker in range(16)))

asyncio.run(main())
"""


class Told(NamedTuple):
    """What the writer has told of a resource: it was ``inserted`` or ``deleted``, and its revision."""

    what: str
    revision: int


async def kill_one(path: Path, round_: int, chance: random.Random, told: dict[str, Told]) -> None:
    """Lets a process write for a while, kills it, and adds to ``told`` what it said it had done."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE, path, str(round_), stdout=subprocess.PIPE, limit=2**24
    )
    assert child.stdout is not None
    for _ in range(chance.randint(1, 1000)):
        _note(told, await asyncio.wait_for(child.stdout.readline(), 60))
    child.kill()
    for line in (await child.stdout.read()).splitlines(keepends=True):
        _note(told, line)
    assert await child.wait() == -signal.SIGKILL


def _note(told: dict[str, Told], line: bytes) -> None:
    if line.endswith(b"\n"):
        what, id_, revision = line.decode().split()
        told[id_] = Told(what, int(revision))


async def wrong(store: Store, told: dict[str, Told]) -> list[str]:
    """What is not as it was told, or does not add up."""
    found = [f"check: {line}" for line in await store.check()]
    for id_, (what, revision) in told.items():
        stored, used = await store.get(SESSION, id_), await store.id_used(SESSION, id_)
        # A write that was under way when its process died may have come to be, or not.
        kept = stored is None if what == "deleted" else stored is None or stored.revision in (revision, revision + 1)
        if not (kept and used):
            found.append(f"{id_} was {what} at revision {revision}: {stored}")
    for query in (Query(), Query(tags=("t",)), Query(condition=Tag("u")), Query(words=(Word("after"),))):
        page = await store.page(SESSION, dataclasses.replace(query, limit=10**6))
        first = await store.page(SESSION, dataclasses.replace(query, limit=1))
        if not len(page.entries) == page.total == first.total:
            found.append(f"{query}: {len(page.entries)} entries, totals {page.total} and {first.total}")
    return found


async def main(kills: int = 100, seed: int | None = None) -> int:
    """Kills so often; the number of rounds after which something was wrong."""
    seed = random.randrange(2**32) if seed is None else seed
    print(f"seed {seed}")
    chance, told, bad = random.Random(seed), dict[str, Told](), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stigmer.db"
        for round_ in range(kills):
            await kill_one(path, round_, chance, told)
            store = await open_sqlite(path, KINDS)
            found = await wrong(store, told)
            await store.close()
            bad += bool(found)
            print("\n".join([f"kill {round_ + 1}: {len(told)} resources told", *found]), flush=True)
    print(f"{kills} kills: {bad} times something was wrong")
    return bad


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main(*map(int, sys.argv[1:])))))
