"""Whether what clients see is as if one thing happened after another, also when servers are killed and answers never come.

Usage: python torture/linear.py [HISTORIES [SEED]]; 100 unless told otherwise. Needs Go, for porcupine.

Each history is made by 64 clients who create, read, change and delete sessions under a few slugs, on a server with two
processes that is killed and started again: the whole of it, or one process. Outcomes that nobody was told are unknown. At the
end a naive store, which looks and then writes, must be found out. Exits with 1 when a history is not linearizable, or the naive
store's is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from histories import History, Worker

from stigmer import hookimpl
from stigmer.client import SessionClient
from stigmer.store.memory import MemoryStore
from stigmer.testing.server import serving

CLIENTS, CONNECTIONS, SLUGS, LIVES = 64, 8, 16, 3


class Checker(NamedTuple):
    """Porcupine, built."""

    binary: Path

    @classmethod
    def build(cls, folder: Path) -> Checker:
        """Builds it; raises ``CalledProcessError`` when Go cannot."""
        binary = folder / "linearizable"
        source = Path(__file__).parent / "porcupine"
        subprocess.run(["go", "build", "-o", binary, "."], cwd=source, check=True, capture_output=True, timeout=300)
        return cls(binary)

    def wrong(self, history: History, path: Path) -> str:
        """What cannot have happened in this way; empty when everything can."""
        history.save(path)
        found = subprocess.run([self.binary, path], capture_output=True, text=True, timeout=600, check=False)
        return "" if found.returncode == 0 else f"{found.stdout}{found.stderr}"


class Server(NamedTuple):
    """A server with two processes."""

    process: asyncio.subprocess.Process
    address: str

    @classmethod
    async def start(cls, store: Path) -> Server:
        """Starts one, and waits until it serves."""
        arguments = ("serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:///{store}", "--workers", "2")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stigmer", *arguments),
            env={"PATH": os.defpath, "STIGMER_LOG": "off"},
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        said = ""
        while line := (await process.stderr.readline()).decode():
            said += line
            if found := re.search(r"serving on (\S+)", line):
                return cls(process, found[1])
        raise RuntimeError(f"the server did not start: {said}")

    def kill_one(self, chance: random.Random) -> None:
        """SIGKILL for one of the processes that serve; another one comes in its place."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(int(chance.choice(children)), signal.SIGKILL)

    async def kill(self) -> None:
        """SIGKILL for all, and waits until the last one is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.communicate()


async def live(store: Path, history: History, chance: random.Random, life: int) -> None:
    """One life of a server."""
    server = await Server.start(store)
    clients = [SessionClient(server.address, timeout=20) for _ in range(CONNECTIONS)]
    workers = working(history, clients, chance, life)
    for _ in range(chance.randrange(3)):
        await asyncio.sleep(chance.uniform(0.1, 0.4))
        server.kill_one(chance)
    await asyncio.sleep(chance.uniform(0.1, 0.5))
    await server.kill()
    history.end_life()
    await stopped(workers, clients)


def working(history: History, clients: Sequence[SessionClient], chance: random.Random, life: int) -> list[asyncio.Task[None]]:
    """Clients at work."""
    return [
        asyncio.create_task(
            Worker(history, life * 1_000_000 + number, clients[number % len(clients)], random.Random(chance.random())).work()
        )
        for number in range(CLIENTS)
    ]


async def stopped(workers: Sequence[asyncio.Task[None]], clients: Sequence[SessionClient]) -> None:
    """Ends them; raises RuntimeError when one had ended by itself."""
    for worker in workers:
        worker.cancel()
    outcomes = await asyncio.gather(*workers, return_exceptions=True)
    if failed := [each for each in outcomes if not isinstance(each, asyncio.CancelledError)]:
        raise RuntimeError("a client has failed") from failed[0]
    for client in clients:
        client.close()


async def history_of_kills(seed: int, lives: int = LIVES) -> History:
    """What clients have seen of a server that was killed so often."""
    chance, history = random.Random(seed), History(SLUGS)
    with tempfile.TemporaryDirectory() as folder:
        for life in range(lives):
            await live(Path(folder) / "stigmer.db", history, chance, life)
    return history


class NaiveStore(MemoryStore):
    """Looks, and then writes what it thinks is right."""

    async def update(self, kind, document, revision, cause=None):
        """Writes over whatever was written meanwhile."""
        await asyncio.sleep(0.002)
        current = await self.get(kind, document.id)
        return await super().update(kind, document, revision if current is None else current.revision, cause)


class Naive:
    """A plugin that brings the naive store."""

    @hookimpl
    def open_store(self, url, kinds):
        """Opens it for ``naive:``."""
        return _opened(kinds) if url == "naive:" else None


async def _opened(kinds):
    return NaiveStore(kinds)


async def history_of_the_naive(seed: int) -> History:
    """What clients see of a server whose store is naive."""
    chance, history = random.Random(seed), History(SLUGS)
    async with serving({"naive": Naive()}, store="naive:", cache_bytes=0) as app:
        clients = [SessionClient(app.address, timeout=20) for _ in range(CONNECTIONS)]
        workers = working(history, clients, chance, 0)
        await asyncio.sleep(0.7)
        await stopped(workers, clients)
        history.end_life()
    return history


async def main(histories: int, seed: int) -> int:
    """Makes histories and checks them; gives the exit code."""
    print(f"seed {seed}", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        checker, path = Checker.build(Path(folder)), Path(folder) / "history"
        for number in range(histories):
            history = await history_of_kills(seed + number)
            unknown = sum(each.result == "unknown" for each in history.operations)
            wrong = checker.wrong(history, path)
            bad += bool(wrong)
            print(f"seed {seed + number}: {len(history.operations)} operations, {unknown} unknown", wrong, flush=True)
        naive = checker.wrong(await history_of_the_naive(seed), path)
    print(f"{histories - bad} of {histories} linearizable; the naive store {'was found out' if naive else 'passed'}")
    return int(bool(bad or not naive))


if __name__ == "__main__":
    HISTORIES = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    sys.exit(asyncio.run(main(HISTORIES, SEED)))
