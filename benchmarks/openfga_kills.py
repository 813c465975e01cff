"""Kills a server with SIGKILL while it creates and deletes, and looks whether a stranger ever gets in.

Usage: ``python benchmarks/openfga_kills.py [KILLS]``. Half the sessions have ids that their clients choose, some of which
strangers choose too. After the last kill everything is reconciled and compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc.aio
from load import COMMAND, QUERY
from openfga import openfga
from servers import process
from stigmer_openfga import Settings
from stigmer_openfga.client import Client, Relation
from stigmer_openfga.names import user
from stigmer_openfga.provision import provision
from stigmer_openfga.reconcile import Reconciliation

from stigmer import Query
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsRequest, SessionId, SessionList
from stigmer.app import assembled, open_store
from stigmer.settings import Settings as ServerSettings

HERE = Path(__file__).parent
KILLS = 500
LATER_NS = 120 * 1_000_000_000
CALLERS = ("ann", "bob", "eve")
"""Each is the only member of the organization of the same name."""


def _session(who: str, number: int, own_id: str) -> bytes:
    metadata = f'"id": "{own_id}", "name": "{who} {number}", "org": "{who}", "ownerScope": "organization"'
    return Session.from_json(f'{{"metadata": {{{metadata}}}, "spec": {{"agentInstanceId": "a"}}}}').to_binary()


class Round:
    """Callers who create and delete until the server dies, and look at what they may see."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number, self.chance = number, chance
        self.strange = 0

    async def run(self, address: str, pid: int) -> None:
        """Lets them work for a random while, then kills the server."""
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            working = [asyncio.create_task(self._work(channel, who)) for who in CALLERS for _ in range(2)]
            await asyncio.sleep(self.chance.uniform(0.0, 0.15))
            os.kill(pid, signal.SIGKILL)
            await asyncio.gather(*working)

    async def _work(self, channel: grpc.aio.Channel, who: str) -> None:
        metadata = (("x-user", who),)
        for turn in range(1000):
            # The same ids for all callers: they race for them, and meet what earlier rounds have left.
            own = f"own-{self.number}-{turn}" if turn % 2 else ""
            try:
                await self._call(channel, f"{COMMAND}/create", _session(who, self.number * 1000 + turn, own), metadata)
                page = await self._call(channel, f"{QUERY}/list", ListSessionsRequest(page_size=1000).to_binary(), metadata)
                seen = SessionList.from_binary(page).entries if page else []
                self.strange += sum(entry.metadata.org != who for entry in seen if entry.metadata)
                await self._peek(channel, own, who)
                if seen and turn % 3 == 0:
                    gone = self.chance.choice(seen).metadata
                    await self._call(channel, f"{COMMAND}/delete", SessionId(value=gone.id).to_binary(), metadata)  # type: ignore[union-attr]
            except ConnectionError:
                return

    async def _peek(self, channel: grpc.aio.Channel, id_: str, who: str) -> None:
        if id_:
            found = await self._call(channel, f"{QUERY}/get", SessionId(value=id_).to_binary(), (("x-user", who),))
            session = Session.from_binary(found) if found else None
            self.strange += session is not None and session.metadata is not None and session.metadata.org != who

    async def _call(self, channel: grpc.aio.Channel, path: str, request: bytes, metadata: tuple[tuple[str, str]]) -> bytes:
        """The answer, or nothing when the call is refused; ConnectionError when the server is gone."""
        try:
            return await channel.unary_unary(path)(request, metadata=metadata, timeout=10)
        except grpc.aio.AioRpcError as error:
            if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise ConnectionError from error
            return b""


async def compare(url: str, settings: Settings) -> tuple[int, int, int]:
    """(sessions, those without owner or organization, objects with tuples but no session), after reconciling."""
    described = assembled(ServerSettings(store=url, plugins=()))
    store, client, kind = await open_store(described), Client(settings), described.kinds[0]
    report = await Reconciliation(client, store, now_ns=lambda: time.time_ns() + LATER_NS).run([kind])
    print(f"reconciled: {report.restored} tuples restored, {report.removed} removed")
    held: dict[str, set[str]] = {}
    async for relation, _ in client.read():
        if relation.object.startswith("session:"):
            held.setdefault(relation.object, set()).add(relation.relation)
    there, after, more = set(), None, True
    while more:
        page = await store.page(kind, Query(after=after, limit=1000))
        states: list[Any] = [Session.from_binary(entry.wire) for entry in page.entries]
        there |= {f"session:{state.metadata.id}" for state in states}
        after, more = page.end, page.more
    client.close()
    await store.close()
    locked = [name for name in there if not {"owner", "organization"} <= held.get(name, set())]
    return len(there), len(locked), len(held.keys() - there)


async def main(kills: int) -> None:
    """Kills, reconciles, compares."""
    chance, strange = random.Random(1), 0
    with openfga() as address, tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/s.db"
        bare = Client(Settings(address=address))
        found = await provision(bare, "kills")
        settings = Settings(address=address, store_id=found.store_id, model_id=found.model_id)
        bare.close()
        client = Client(settings)
        await client.write([Relation(user(who) or "", "member", f"organization:{who}") for who in CALLERS])
        client.close()
        os.environ |= {
            "STIGMER_OPENFGA_ADDRESS": address,
            "STIGMER_OPENFGA_STORE_ID": found.store_id,
            "STIGMER_OPENFGA_MODEL_ID": found.model_id,
            "STIGMER_OPENFGA_RECONCILE_SECONDS": "0",
        }
        for number in range(kills):
            one = Round(number, chance)
            with (
                contextlib.suppress(ProcessLookupError),
                process(str(HERE / "openfga.py"), "serve", url, "on") as (server, pid),
            ):
                await one.run(server, pid)
            strange += one.strange
        sessions, locked, left = await compare(url, settings)
    print(f"{kills} kills: {strange} times a stranger saw a session")
    print(f"{sessions} sessions are left, {locked} without owner or organization; {left} that are gone have tuples")
    if strange or locked or left:
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else KILLS))
