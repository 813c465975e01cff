"""Flips one byte of a store's file in many places: no read ever gives a wrong document, and what one copy still has is mended.

Usage: python torture/rot.py [PLACES [SEED]]; 1,000 unless told otherwise. Exits with 1 when a read was wrong, damage that did
harm was not found by a check, or something that is said to be mended is wrong. A damaged index may lead to nothing, so that a
session is not found: that is counted, and named by a check.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Literal, TypeAlias

from stigmer.errors import ConfigurationError, DataLoss, StigmerError
from stigmer.session.kind import SESSION
from stigmer.store import Query, Store
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.stored import ACME, KINDS, make_stored_session

SESSIONS = 120
Truth: TypeAlias = dict[str, tuple[int, bytes]]
End: TypeAlias = Literal["no harm", "refused at the start", "mended", "not found, then mended", "named, not mended", "WRONG"]


async def make(path: Path) -> Truth:
    """A store with sessions of all sizes, some of them changed or removed; what is in it."""
    store = await open_sqlite(path, KINDS)
    truth: Truth = {}
    for number in range(SESSIONS):
        id_ = f"ses-{number}"
        more = {"tags": ["red", "blau"], "labels": {"team": "süd"}, "version": f"v{number}-1"}
        stored = await store.insert(SESSION, make_stored_session(id_, subject="ä" * (number * 20), **more))
        if number % 3 == 0:
            changed = make_stored_session(id_, subject=f"changed {number}", version=f"v{number}-2")
            stored = await store.update(SESSION, changed, stored.revision)
        if number % 10 == 9:
            await store.delete(SESSION, id_, stored.revision)
        else:
            truth[id_] = stored.revision, stored.wire
    await store.close()
    return truth


async def read(store: Store, truth: Truth) -> tuple[list[str], bool]:
    """Which reads were wrong, and whether any was refused."""
    wrong: list[str] = []
    refused = False
    for number in range(SESSIONS):
        id_ = f"ses-{number}"
        for what, ask in (("get", store.get(SESSION, id_)), ("find", store.find(SESSION, ACME, f"slug-of-{id_}"))):
            try:
                stored = await ask
            except DataLoss:
                refused = True
                continue
            if (None if stored is None else (stored.revision, stored.wire)) != truth.get(id_):
                wrong.append(f"{what} {id_}: {stored}")
    try:
        entries = [entry.wire for entry in (await store.page(SESSION, Query(limit=1000))).entries]
    except DataLoss:
        return wrong, True
    if entries != [wire for _, wire in truth.values()]:
        wrong.append("the list is another one")
    return wrong, refused


async def flip(sound: bytes, truth: Truth, place: int, bit: int, home: Path) -> tuple[End, list[str]]:
    """What becomes of a store in which one byte is another one."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        path = Path(folder) / "stigmer.db"
        damaged = bytearray(sound)
        damaged[place] ^= bit
        path.write_bytes(damaged)
        try:
            store = await open_sqlite(path, KINDS)
        except (ConfigurationError, StigmerError) as error:
            return ("WRONG", [str(error)]) if "\n" in str(error) else ("refused at the start", [])
        try:
            return await _look(store, truth)
        finally:
            await store.close()


async def _look(store: Store, truth: Truth) -> tuple[End, list[str]]:
    wrong, refused = await read(store, truth)
    found = await store.check()
    if wrong and not found:
        return "WRONG", wrong
    lies = [line for line in wrong if not line.endswith(": None") and "list" not in line]
    if lies or (refused and not found):
        return "WRONG", [*lies, "what is refused was not found"]
    if not found:
        return "no harm", []
    repairs = await store.repair()
    still, refused = await read(store, truth)
    if not repairs.left:
        if still or refused:
            return "WRONG", [*still, "it is said to be mended"]
        return ("not found, then mended" if wrong else "mended"), []
    return "named, not mended", list(repairs.left)


async def flips(places: int, seed: int) -> tuple[Counter[End], list[str]]:
    """Flips so many bytes, one at a time; how it ended, and what was wrong."""
    chance, ends, wrong = random.Random(seed), Counter[End](), list[str]()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
        path = Path(folder) / "stigmer.db"
        truth = await make(path)
        sound = path.read_bytes()
        for _ in range(places):
            place, bit = chance.randrange(len(sound)), 1 << chance.randrange(8)
            end, lines = await flip(sound, truth, place, bit, Path(home))
            ends[end] += 1
            if end == "WRONG":
                wrong += [f"byte {place} ^ {bit}: {line}" for line in lines[:3]]
    return ends, wrong


if __name__ == "__main__":
    PLACES = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"seed {SEED}", flush=True)
    ENDS, WRONG = asyncio.run(flips(PLACES, SEED))
    print(f"{PLACES} places: {dict(ENDS)}", *WRONG, sep="\n")
    sys.exit(bool(WRONG))
