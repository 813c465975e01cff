"""Kills servers at random moments and at named points, under load: nothing acknowledged is lost, and all is published.

Usage: python torture/failpoint_kills.py [KILLS [SEED]]; 1,000 kills unless told otherwise. Needs Go, for porcupine.

64 clients create, read, change and delete sessions under a few slugs, until the server is gone. After every kill it has to
serve again within two seconds. After every tenth the store is checked: the file is sound, no slug is there twice, what clients
have seen is as if one thing happened after another, and every change was published, those of a session in their order. Exits
with 1 if not.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from failpoints import points
from histories import History
from linear import CONNECTIONS, Checker, stopped, working

from stigmer.client import SessionClient, SessionError
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.sqlite import open_sqlite

SLUGS = 20
START_SECONDS = 2.0
KILLS_OF_A_STORE = 10
_LONGEST_LIFE = 0.8


class Place(NamedTuple):
    """Where a server keeps its store, and what it publishes."""

    folder: Path

    @property
    def store(self) -> Path:
        """The database."""
        return self.folder / "stigmer.db"

    @property
    def events(self) -> Path:
        """A line for each event."""
        return self.folder / "events"


class Server(NamedTuple):
    """A server that will kill itself, and how long it took to start."""

    process: asyncio.subprocess.Process
    address: str
    seconds: float

    @classmethod
    async def start(cls, place: Place, *armed: str) -> Server | None:
        """Starts one; None when it was killed before it served."""
        script = Path(__file__).with_name("failpoints.py")
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, script, place.store, place.events, *armed), stdout=asyncio.subprocess.PIPE
        )
        line = (await process.stdout.readline()).decode()
        if not line:
            if await process.wait() != -signal.SIGKILL:
                raise RuntimeError("the server did not start")
            return None
        return cls(process, line.removeprefix("serving on ").strip(), time.monotonic() - began)

    async def end(self, number: int = signal.SIGKILL) -> None:
        """Ends it, if it has not done that itself."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        await self.process.communicate()


class Round(NamedTuple):
    """How one kill went."""

    point: str
    by_itself: bool
    seconds: float


async def kill(place: Place, history: History, chance: random.Random, life: int, point: str) -> Round:
    """One life of a server, which ends at the point, or at a random moment when it is not passed."""
    server = await Server.start(place, point, str(chance.choice((1, 2, 5, 20))))
    if server is None:
        history.end_life()
        return Round(point, by_itself=True, seconds=0)
    clients = [SessionClient(server.address, timeout=20) for _ in range(CONNECTIONS)]
    workers = working(history, clients, chance, life)
    by_itself = True
    try:
        await asyncio.wait_for(server.process.wait(), chance.uniform(0.1, _LONGEST_LIFE))
    except TimeoutError:
        by_itself = False
    await server.end()
    history.end_life()
    await stopped(workers, clients)
    return Round(point, by_itself, server.seconds)


async def look(place: Place, history: History, checker: Checker) -> list[str]:
    """What is wrong with the store, with what it has published, or with what clients have seen."""
    server = await Server.start(place)
    async with SessionClient(server.address) as client:
        with contextlib.suppress(SessionError):
            await client.get("ses-none")
        published = await _published(place)
    await server.end(signal.SIGTERM)
    store = await open_sqlite(place.store, [SESSION])
    wrong = list(await store.check())
    page = await store.page(SESSION, Query(limit=1000))
    slugs = Counter(SESSION.message.from_binary(entry.wire).metadata.slug for entry in page.entries)
    wrong += [f"{slug} is there {count} times" for slug, count in slugs.items() if count > 1]
    await store.close()
    return [*wrong, *published, *filter(None, [checker.wrong(history, place.folder / "history")])]


async def _published(place: Place) -> list[str]:
    """What is missing among the events, or out of order; waits until all are there."""
    store = await open_sqlite(place.store, [SESSION])
    changes: dict[int, str] = {}
    while some := await store.feed(SESSION, max(changes, default=0)):
        changes |= {change.number: change.id for change in some}
    await store.close()
    deadline = time.monotonic() + 30
    while True:
        events = [line.split() for line in place.events.read_text().splitlines()] if place.events.exists() else []
        first = dict.fromkeys((int(number), id_) for number, id_ in events)
        if missing := set(changes.items()) - set(first):
            if time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                continue
            return [f"{len(missing)} changes were not published"]
        break
    newest: dict[str, int] = {}
    wrong = [f"{number} was published, and never was" for number, id_ in first if changes.get(number) != id_]
    for number, id_ in first:
        if number < newest.get(id_, 0):
            wrong.append(f"{id_}: {number} was published after {newest[id_]}")
        newest[id_] = number
    return wrong


async def kills(count: int, seed: int, checker: Checker) -> tuple[list[str], list[Round]]:
    """Kills so often; what was wrong, and how each kill went."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        place, history, rounds = Place(Path(folder)), History(SLUGS), list[Round]()
        for life in range(count):
            rounds.append(await kill(place, history, chance, life, chance.choice(points())))
        wrong = await look(place, history, checker)
    wrong += [f"{each.point}: started in {each.seconds:.1f} s" for each in rounds if each.seconds > START_SECONDS]
    return wrong, rounds


async def main(count: int, seed: int) -> int:
    """Kills and checks; gives the exit code."""
    print(f"seed {seed}")
    all_, bad = list[Round](), 0
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker.build(Path(folder))
        while len(all_) < count:
            wrong, rounds = await kills(min(KILLS_OF_A_STORE, count - len(all_)), seed + len(all_), checker)
            bad += bool(wrong)
            all_ += rounds
            print(f"seed {seed + len(all_) - len(rounds)}:", *wrong or ["ok"], flush=True)
    seconds = sorted(each.seconds for each in all_)
    at = [each.point for each in all_ if each.by_itself]
    print(f"{count} kills, {len(at)} of them at {len(set(at))} points: {bad} times something was wrong")
    print(f"a start took {seconds[len(seconds) // 2]:.2f} s in the median, and {seconds[-1]:.2f} s at most")
    return int(bool(bad))


if __name__ == "__main__":
    KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    sys.exit(asyncio.run(main(KILLS, SEED)))
