"""Connections that bring much take turns, one in each turn of the loop."""

import asyncio
import itertools

from raw_http2 import message

from stigmer.transport.heavy import Heavy

from .service import COLLECT, UNARY


class Connection:
    """One that reads on until it has read its share."""

    def __init__(self, name, heavy, told, parts):
        self.name, self.heavy, self.told, self.parts = name, heavy, told, parts

    def read_on(self):
        self.told.append(self.name)
        self.parts -= 1
        if self.parts:
            self.heavy.wait(self, asyncio.get_running_loop())


async def test_one_in_each_turn():
    """Of several that wait one reads in each turn of the loop, in order, and whoever has more waits behind the others."""
    loop, heavy, told = asyncio.get_running_loop(), Heavy(), []
    for name, parts in {"a": 2, "b": 1, "c": 3}.items():
        heavy.wait(Connection(name, heavy, told, parts), loop)
    seen = []
    for _ in range(8):
        seen.append(len(told))
        await asyncio.sleep(0)
    assert told == ["a", "b", "c", "a", "c", "c"]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(seen))


async def test_the_first_need_not_wait():
    """Who is alone reads at once; a second one in the same turn does not, nor one that would pass by somebody who waits."""
    loop, heavy, told = asyncio.get_running_loop(), Heavy(), []
    assert heavy.take(loop)
    assert not heavy.take(loop)
    heavy.wait(Connection("a", heavy, told, 1), loop)
    await asyncio.sleep(0)
    assert told == ["a"]
    assert not heavy.take(loop)
    await asyncio.sleep(0)
    assert heavy.take(loop)


async def test_a_gone_connection_holds_up_nobody(serve, dial):
    """Uploads go on when others that wait for their turn are cut off."""
    server = await serve()
    uploads = [await dial(server) for _ in range(6)]
    for client in uploads:
        client.call(1, COLLECT, end=False)
        for _ in range(3):
            client.data(1, message(bytes(16_000)))
    for client in uploads[::2]:
        client.abort()
    for client in uploads[1::2]:
        client.data(1, b"", end_stream=True)
        assert (await client.answer(1)).messages == [b"48000"]
    client = await dial(server)
    client.call(1, UNARY, b"x")
    assert (await client.answer(1)).messages == [b"x"]
