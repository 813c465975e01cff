"""Kill -9 of a writing process loses nothing that was acknowledged."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

from stigmer.session.kind import SESSION

WRITE = """
import asyncio, pathlib, sys
from stigmer.session.kind import SESSION
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import make_stored_session

async def main():
    store = await open_sqlite(pathlib.Path(sys.argv[1]), [SESSION])

    async def write(worker):
        for number in range(1_000_000):
            id_ = f"ses-{sys.argv[2]}-{worker}-{number}"
            stored = await store.insert(SESSION, make_stored_session(id_, tags=["t"], labels={"a": "b"}))
            print("inserted", id_, stored.revision, flush=True)
            if number % 3 == 0:
                stored = await store.update(SESSION, make_stored_session(id_, tags=["u"]), stored.revision)
                print("inserted", id_, stored.revision, flush=True)
            elif number % 3 == 1:
                await store.delete(SESSION, id_, stored.revision)
                print("deleted", id_, 0, flush=True)

    await asyncio.gather(*(write(worker) for worker in range(16)))

asyncio.run(main())
"""


async def test_nothing_acknowledged_is_lost(path, opened):
    """After each kill the file is sound, holds what was acknowledged and does not hold what was deleted."""
    told: dict[str, tuple[str, int]] = {}
    for round_ in range(4):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITE, path, str(round_), stdout=subprocess.PIPE, limit=2**24
        )
        for _ in range(300 + 211 * round_):
            note(told, await asyncio.wait_for(child.stdout.readline(), 30))
        child.kill()
        for line in (await child.stdout.read()).splitlines(keepends=True):
            note(told, line)
        assert await child.wait() == -signal.SIGKILL
        store = await opened()
        assert list(await store.check()) == []
        for id_, (what, revision) in told.items():
            stored = await store.get(SESSION, id_)
            if what == "deleted":
                assert stored is None
                assert await store.id_used(SESSION, id_)
            else:
                # A write that was under way when its process died may have come to be, or not.
                assert stored.revision in (revision, revision + 1) if stored else await store.id_used(SESSION, id_)
        await store.close()


def note(told, line):
    if line.endswith(b"\n"):
        what, id_, revision = line.decode().split()
        told[id_] = (what, int(revision))
