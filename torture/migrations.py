"""Kills migrations, and cuts their power: a file is of one version or of another, never half, and nothing in it is lost.

Usage: python torture/migrations.py [KILLS [SEED]]; 500 unless told otherwise.

A file of the first version is opened on a layer that writes down what happens to files; then that is gone through again, and
broken off: by a kill, after which everything that was written is there, or by a power cut. Exits with 1 when something is
wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path

from disk import Acknowledged, Begun, Disk, Recorder
from old_files import SESSIONS, make_first_version
from sqlite_vfs import watching

from stigmer.errors import ConfigurationError
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.sqlite import open_sqlite, schema
from stigmer.testing.stored import KINDS


async def migrated(folder: Path) -> tuple[Disk, Recorder]:
    """A migration, recorded: the disk before, and what has happened then."""
    path = folder / "stigmer.db"
    await make_first_version(path)
    disk, recorder = Disk({path: path.read_bytes()}), Recorder()
    with watching(recorder):
        await (await open_sqlite(path, KINDS)).close()
    return disk, recorder


async def broken_off(files: dict[Path, bytes], home: Path) -> tuple[int, list[str]]:
    """The version of what a kill has left, and what is wrong with it, before the next start and after."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        path = Path(folder) / "stigmer.db"
        for file, content in files.items():
            (Path(folder) / file.name).write_bytes(content)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = schema.version(connection)
            count = connection.execute("SELECT COUNT(*) FROM session").fetchone()[0]
            wrong = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
        if count != SESSIONS:
            wrong.append(f"{count} sessions are there")
        try:
            store = await open_sqlite(path, KINDS)
        except ConfigurationError as error:
            return found, [*wrong, str(error)]
        wrong += await store.check()
        if (total := (await store.page(SESSION, Query())).total) != SESSIONS:
            wrong.append(f"{total} sessions are told")
        await store.close()
        return found, wrong


async def kills(count: int, seed: int) -> tuple[Counter[int], list[str]]:
    """Breaks one migration off so often; how often each version was left, and what was wrong."""
    chance, versions, wrong = random.Random(seed), Counter[int](), list[str]()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
        disk, recorder = await migrated(Path(folder))
        moments = sorted(chance.randrange(len(recorder.events) + 1) for _ in range(count))
        for number, event in enumerate([*recorder.events, None]):
            while moments and moments[0] == number:
                moments.pop(0)
                files = disk.killed() if chance.random() < 0.5 else disk.cut(chance)
                version, found = await broken_off(files, Path(home))
                versions[version] += 1
                wrong += [f"broken off at {number}: {line}" for line in found]
            if event is not None and not isinstance(event, Begun | Acknowledged):
                disk.happen(event)
    return versions, wrong


if __name__ == "__main__":
    KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"seed {SEED}")
    VERSIONS, WRONG = asyncio.run(kills(KILLS, SEED))
    print(f"{KILLS} kills; versions that were left: {dict(sorted(VERSIONS.items()))}", *WRONG, sep="\n")
    sys.exit(bool(WRONG))
