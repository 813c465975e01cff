"""Cuts the power at random moments of a store's life: what was acknowledged is there, and nothing is damaged.

Usage: python torture/power.py [CUTS [SEED]]; 10,000 cuts unless told otherwise.

The store runs on a layer below SQLite that writes down every write, truncation, removal and sync. Then the same life is gone
through again, and cut: what was not synced is dropped, torn into sectors and reordered, and the store is opened on what is
left.
The same is done with SQLite's setting ``synchronous`` at NORMAL, which must lose something, and at OFF, which must also damage
something: else the cuts prove nothing. Exits with 1 when any of that is not so.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from disk import Acknowledged, Begun, Disk, Event, Recorder
from sqlite_vfs import watching

from stigmer.errors import ConfigurationError, StigmerError
from stigmer.session.kind import SESSION
from stigmer.store import Store
from stigmer.store.sqlite import checkpoints, connection, open_sqlite
from stigmer.testing.stored import KINDS, make_stored_session

CUTS_OF_A_LIFE = 500
_WORKERS = 8
_GONE = 0


class Losses(NamedTuple):
    """What cuts have done."""

    cuts: int = 0
    lost: int = 0
    damaged: int = 0

    def plus(self, other: Losses) -> Losses:
        """Both together."""
        return Losses(*(mine + others for mine, others in zip(self, other, strict=True)))


async def live(path: Path, recorder: Recorder, chance: random.Random, writes: int) -> None:
    """A life of a store: workers write, checkpoints are made; it may be closed and opened in between."""
    for part in range(chance.randint(1, 3)):
        store = await open_sqlite(path, KINDS)
        workers = (
            _write(store, recorder, random.Random(chance.random()), f"{part}-{worker}", writes) for worker in range(_WORKERS)
        )
        await asyncio.gather(*workers)
        await store.close()


async def _write(store: Store, recorder: Recorder, chance: random.Random, name: str, writes: int) -> None:
    for number in range(writes):
        id_ = f"ses-{name}-{number}"
        size = chance.choice((10, 300, 3000, 20_000))
        stored = await _told(recorder, id_, 1, store.insert(SESSION, make_stored_session(id_, subject="a" * size, tags=["t"])))
        while chance.random() < 0.5:
            session = make_stored_session(id_, subject="b" * size, labels={"a": "b"})
            stored = await _told(recorder, id_, stored.revision + 1, store.update(SESSION, session, stored.revision))
        if chance.random() < 0.4:
            await _told(recorder, id_, _GONE, store.delete(SESSION, id_, stored.revision))
        if chance.random() < 0.1:
            await asyncio.sleep(0.005)  # so that checkpoints get their turn


async def _told(recorder: Recorder, id_: str, revision: int, write):
    recorder.events.append(Begun(id_, revision))
    result = await write
    recorder.events.append(Acknowledged(id_, revision))
    return result


class Known:
    """What clients have asked for and been told."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}
        self._asked: dict[str, int] = {}

    def happen(self, event: Begun | Acknowledged) -> None:
        """Goes on by one event."""
        if isinstance(event, Begun):
            self._asked[event.id] = event.revision
        else:
            self._told[event.id] = event.revision

    async def lost(self, store: Store) -> list[str]:
        """Which acknowledged writes are not there."""
        found = []
        for id_, asked in self._asked.items():
            stored, used = await store.get(SESSION, id_), await store.id_used(SESSION, id_)
            told = self._told.get(id_)
            is_ = None if stored is None and not used else _GONE if stored is None else stored.revision
            if is_ not in (told, asked):
                found.append(f"{id_}: told {told}, asked {asked}, is {is_}")
        return found


async def cut(disk: Disk, known: Known, chance: random.Random, home: Path) -> Losses:
    """Opens the store on what a cut leaves."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        for path, content in disk.cut(chance).items():
            if content or not path.name.endswith("-wal"):
                (Path(folder) / path.name).write_bytes(content)
        try:
            store = await open_sqlite(Path(folder) / "stigmer.db", KINDS)
        except ConfigurationError as error:
            return _told_of([str(error)], damaged=1)
        try:
            if wrong := await store.check():
                return _told_of(wrong, damaged=1)
            lost = await known.lost(store)
            return _told_of(lost, lost=1) if lost else Losses(1)
        except StigmerError as error:
            return _told_of([error.text], damaged=1)
        finally:
            await store.close()


def _told_of(lines, **what: int) -> Losses:
    _LAST[:] = lines[:3]
    return Losses(1, **what)


_LAST: list[str] = []
"""What the last cut that did harm has done."""


@contextlib.contextmanager
def synchronous(mode: str) -> Iterator[None]:
    """Within it, stores are opened with another setting."""
    before = connection._ALWAYS
    connection._ALWAYS = tuple(each.replace("synchronous = FULL", f"synchronous = {mode}") for each in before)
    try:
        yield
    finally:
        connection._ALWAYS = before


async def one_life(seed: int, mode: str, cuts: int, writes: int = 12) -> Losses:
    """Lives once, and is cut so often."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
        path = Path(folder) / "stigmer.db"
        await (await open_sqlite(path, KINDS)).close()
        disk, recorder = Disk({path: path.read_bytes()}), Recorder()
        with synchronous(mode), watching(recorder):
            await live(path, recorder, chance, writes)
        return await _cut_often(disk, recorder.events, chance, cuts, Path(home))


async def _cut_often(disk: Disk, events: list[Event], chance: random.Random, cuts: int, home: Path) -> Losses:
    known, losses = Known(), Losses()
    moments = sorted(chance.randrange(len(events) + 1) for _ in range(cuts))
    for number, event in enumerate([*events, None]):
        while moments and moments[0] == number:
            moments.pop(0)
            losses = losses.plus(await cut(disk, known, chance, home))
        if isinstance(event, Begun | Acknowledged):
            known.happen(event)
        elif event is not None:
            disk.happen(event)
    return losses


async def lives(seed: int, mode: str, cuts: int) -> Losses:
    """So many cuts, in as many lives as that takes."""
    losses = Losses()
    while losses.cuts < cuts:
        number = min(cuts - losses.cuts, CUTS_OF_A_LIFE)
        losses = losses.plus(await one_life(seed + losses.cuts, mode, number))
        print(f"  {mode}: {losses}", *_LAST, flush=True)
    return losses


async def main(cuts: int, seed: int) -> int:
    """Cuts the power of stores that sync, and of some that do not; gives the exit code."""
    print(f"seed {seed}")
    checkpoints._EVERY_SECONDS = 0.005
    real = await lives(seed, "FULL", cuts)
    normal = await lives(seed, "NORMAL", min(cuts, CUTS_OF_A_LIFE))
    off = await lives(seed, "OFF", min(cuts, CUTS_OF_A_LIFE))
    print(f"FULL {real}\nNORMAL {normal}\nOFF {off}")
    return int(not (real == Losses(cuts) and normal.lost and off.damaged))


if __name__ == "__main__":
    CUTS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    sys.exit(asyncio.run(main(CUTS, SEED)))
