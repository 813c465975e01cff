"""Mutated conversations over real sockets: each connection must come to its end, and honest calls be answered meanwhile."""

from __future__ import annotations

import asyncio
import random

from attacked import UNARY
from byte_path import Manner, Surprise
from fuzz_corpus import corpus
from raw_http2 import MAGIC, RawClient, grpc_request, message
from wire_mutations import mutated

PATIENCE = 10.0
MOST_BYTES = 4096
SEEDS = list(corpus().values())
HONEST_EVERY = 10


class Fuzzer:
    """Makes one connection after the other."""

    def __init__(self, host: str, port: int, chance: random.Random) -> None:
        self._where = (host, port)
        self._chance = chance
        self._made = 0

    async def connection(self) -> None:
        """Says something mutated, half closes, and waits until the server closes; raises ``Surprise`` when it does not."""
        said = mutated(self._chance.choice(SEEDS), self._chance, SEEDS, most=MOST_BYTES)
        self._made += 1
        manner = Manner.of(said[0])
        client = await RawClient.connect(*self._where, patience=PATIENCE)
        try:
            for piece in manner.cut(said[1:] if manner.bare else MAGIC + said[1:]):
                client.write(piece)
                await asyncio.sleep(0)
            if manner.deaf:
                return
            client.half_close()
            if not await client.wait_closed(PATIENCE):
                raise Surprise(f"a connection hangs after {said.hex()}")
        finally:
            await client.close()
        if self._made % HONEST_EVERY == 0:
            await self._honest(said)

    async def _honest(self, said: bytes) -> None:
        client = await RawClient.connect(*self._where, patience=PATIENCE)
        client.preface()
        client.headers(1, grpc_request(UNARY))
        client.data(1, message(b"hello"), end_stream=True)
        answer = await client.answer(1, PATIENCE)
        await client.close()
        if answer.grpc_status != 0 or answer.messages != [b"hello"]:
            raise Surprise(f"an honest call was answered {answer} after {said.hex()}")
