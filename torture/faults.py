"""Fails each call to the file system once, and from then on for a while: clients are told right, and all goes on after it.

Usage: python torture/faults.py [STEP]; every call is failed unless STEP says every so manyth. Exits with 1 when something is
wrong.

The store runs on a layer below SQLite in which a call gives an error in place of being made: I/O errors of all kinds, no room,
and files that cannot be opened. A start may be refused, in one line; a write may be refused as UNAVAILABLE or
RESOURCE_EXHAUSTED, and has then happened or not; reads go on as long as files can be read. Afterwards, without any help, writes
succeed, what was acknowledged is there, and the file is sound.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, get_args

from sqlite_vfs import (
    CANTOPEN,
    FULL,
    IOERR_DELETE,
    IOERR_READ,
    IOERR_SYNC,
    IOERR_TRUNCATE,
    IOERR_WRITE,
    OK,
    Watcher,
    watching,
)

from stigmer.errors import ConfigurationError, ResourceExhausted, Unavailable
from stigmer.session.kind import SESSION
from stigmer.store import Query, Store
from stigmer.store.sqlite import checkpoints, open_sqlite
from stigmer.store.sqlite.checkpoints import restart_log
from stigmer.testing.stored import KINDS, make_stored_session

Call: TypeAlias = Literal["open", "read", "write", "truncate", "sync", "delete"]
CALLS: tuple[Call, ...] = get_args(Call)
_CODES: dict[Call, tuple[int, ...]] = {
    "open": (CANTOPEN,),
    "read": (IOERR_READ,),
    "write": (IOERR_WRITE, FULL),
    "truncate": (IOERR_TRUNCATE,),
    "sync": (IOERR_SYNC,),
    "delete": (IOERR_DELETE,),
}
_FOR_EVER = 10**9
_SOME = 5


class Fault(NamedTuple):
    """Which calls fail, and how.

    Attributes:
        call: what is called.
        first: the number of the first call that fails.
        count: so many fail.
        code: what SQLite is told.
    """

    call: Call
    first: int
    count: int
    code: int


class Failing(Watcher):
    """Fails calls while it is not healed, and counts them."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.fault = fault
        self.calls: Counter[Call] = Counter()

    def _code(self, call: Call) -> int:
        number = self.calls[call]
        self.calls[call] += 1
        fault = self.fault
        if fault is None or fault.call != call or not fault.first <= number < fault.first + fault.count:
            return OK
        return fault.code

    def open(self, path: Path, *, existed: bool) -> int:
        """See ``Watcher``."""
        return self._code("open")

    def read(self, path: Path, offset: int, size: int) -> int:
        """See ``Watcher``."""
        return self._code("read")

    def write(self, path: Path, offset: int, data: bytes) -> int:
        """See ``Watcher``."""
        return self._code("write")

    def truncate(self, path: Path, size: int) -> int:
        """See ``Watcher``."""
        return self._code("truncate")

    def sync(self, path: Path) -> int:
        """See ``Watcher``."""
        return self._code("sync")

    def delete(self, path: Path, *, durably: bool) -> int:
        """See ``Watcher``."""
        return self._code("delete")


class Client:
    """Writes and reads, and knows what it was told."""

    def __init__(self, reads_must_work: bool) -> None:
        self.told: dict[str, int | None] = {}
        self.unsure: set[str] = set()
        self.wrong: list[str] = []
        self._reads_must_work = reads_must_work

    async def live(self, store: Store) -> None:
        """Everything that a store does, on a few resources."""
        for number in range(4):
            id_ = f"ses-{number}"
            session = make_stored_session(id_, subject="a" * 3000, tags=["t"])
            stored = await self._write(id_, store.insert(SESSION, session))
            if stored is not None:
                changed = make_stored_session(id_, subject="b" * 9000)
                stored = await self._write(id_, store.update(SESSION, changed, stored.revision)) or stored
            if stored is not None and number == 0:
                await self._write(id_, store.delete(SESSION, id_, stored.revision))
            await self._move_log(store, restart=number % 2)
            await self._read(store.get(SESSION, "ses-0"))
            await self._read(store.page(SESSION, Query()))

    async def _write(self, id_: str, write):
        try:
            stored = await write
        except (Unavailable, ResourceExhausted):
            self.unsure.add(id_)
            return None
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            self.wrong.append(f"a write: {error!r}")
            return None
        self.told[id_] = None if stored is None else stored.revision
        return stored

    async def _read(self, read) -> None:
        try:
            await read
        except Unavailable as error:
            if self._reads_must_work:
                self.wrong.append(f"a read: {error!r}")
        except Exception as error:  # noqa: BLE001 - as above
            self.wrong.append(f"a read: {error!r}")

    async def _move_log(self, store: Store, *, restart: int) -> None:
        await store._checkpoints._make()
        if restart:
            await store._writer.between(restart_log)

    async def look(self, store: Store) -> None:
        """Whether everything is as it was told, and goes on."""
        self.wrong += [f"check: {line}" for line in await store.check()]
        for id_, revision in self.told.items():
            stored = await store.get(SESSION, id_)
            found = None if stored is None else stored.revision
            if found != revision and id_ not in self.unsure:
                self.wrong.append(f"{id_} was told at {revision} and is {found}")
        try:
            await store.insert(SESSION, make_stored_session("ses-after"))
        except Exception as error:  # noqa: BLE001 - as above
            self.wrong.append(f"a write afterwards: {error!r}")


async def suffer(fault: Fault | None) -> tuple[list[str], Failing]:
    """Lives once with the fault; what was wrong."""
    disk = Failing(fault)
    client = Client(reads_must_work=fault is None or fault.call not in ("open", "read"))
    with tempfile.TemporaryDirectory() as folder, watching(disk):
        path = Path(folder) / "stigmer.db"
        try:
            store = await open_sqlite(path, KINDS)
        except (ConfigurationError, Unavailable, ResourceExhausted) as error:
            if "\n" in str(error):
                client.wrong.append(f"the start: {error}")
            disk.fault = None
            try:
                store = await open_sqlite(path, KINDS)
            except ConfigurationError as error:
                return [f"the next start: {error}"], disk
        await client.live(store)
        disk.fault = None
        await client.look(store)
        await store.close()
        client.wrong += await _restarted(path)
    return client.wrong, disk


async def _restarted(path: Path) -> list[str]:
    try:
        store = await open_sqlite(path, KINDS)
    except ConfigurationError as error:
        return [f"a restart: {error}"]
    wrong = [f"after a restart: {line}" for line in await store.check()]
    if await store.get(SESSION, "ses-after") is None:
        wrong.append("what was written afterwards is gone")
    await store.close()
    return wrong


async def faults(step: int = 1, offset: int = 0) -> list[Fault]:
    """Every fault that there can be, or every so manyth."""
    _, disk = await suffer(None)
    found = [
        Fault(call, first, count, code)
        for call in CALLS
        for first in range(disk.calls[call])
        for code in _CODES[call]
        for count in (1, _SOME, _FOR_EVER)
    ]
    return found[offset::step]


async def main(step: int) -> int:
    """Suffers each fault; gives the exit code."""
    checkpoints._EVERY_SECONDS = 1000  # made by hand: the calls are the same in each life
    bad, all_ = 0, await faults(step)
    for fault in all_:
        wrong, _ = await suffer(fault)
        bad += bool(wrong)
        if wrong:
            print(fault, *wrong[:3], flush=True)
    print(f"{len(all_)} faults: {bad} times something was wrong")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)))
