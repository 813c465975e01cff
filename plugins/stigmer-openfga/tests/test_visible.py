"""What a list may be answered from, and for how long."""

import asyncio
import json

import pytest
from stigmer_openfga.client import Client, Relation

SECOND = '{"metadata": {"name": "Two", "ownerScope": "organization", "org": "acme"}, "spec": {"agentInstanceId": "ain-1"}}'


class Counting:
    """Counts how often OpenFGA is asked what somebody sees."""

    def __init__(self, monkeypatch):
        self.asked, original = 0, Client.objects

        async def objects(client, *arguments, **options):
            self.asked += 1
            return await original(client, *arguments, **options)

        monkeypatch.setattr(Client, "objects", objects)


@pytest.fixture
def counting(monkeypatch):
    """Counts from here on."""
    return Counting(monkeypatch)


async def test_nothing_is_remembered_unless_one_says_so(server, counting):
    """By default each list asks: for what is granted, and for organizations."""
    async with server() as call:
        await call.total("ann")
        await call.total("ann")
        assert counting.asked == 4


async def test_is_remembered_for_one_caller(server, world, counting):
    """With a cache later lists of a caller ask nothing, another caller's do; a revocation bites when the time is over."""
    async with server(list_cache_seconds=3600) as call:
        id_ = await call.create()
        await world.grant("eve", "viewer", f"session:{id_}")
        assert [await call.total(who) for who in ("eve", "eve", "nobody", "nobody", "eve")] == [1, 1, 0, 0, 1]
        assert counting.asked == 4
        await world.revoke("eve", "viewer", f"session:{id_}")
        assert await call.total("eve") == 1
        refused = await call.failure("eve", "session.get", json.dumps({"value": id_}))
        assert refused[1] == "unauthorized to get session"
    async with server(list_cache_seconds=1e-9) as call:
        assert await call.total("eve") == 0


async def test_what_one_creates_and_deletes_is_seen_at_once(server):
    """Whatever is remembered, the caller's own list holds what the caller has just created, and not what is deleted."""
    async with server(list_cache_seconds=3600) as call:
        assert await call.total("ann") == 0
        id_ = await call.create()
        assert await call.total("ann") == 1
        await call("ann", "session.apply", SECOND)
        assert await call.total("ann") == 2
        await call("ann", "session.delete", json.dumps({"value": id_}))
        assert await call.total("ann") == 1


async def test_a_list_under_way_remembers_nothing_old(server):
    """A list that began before a create does not make later lists miss it."""
    async with server(list_cache_seconds=3600) as call:
        lists = [asyncio.create_task(call.total("ann")) for _ in range(4)]
        creates = [asyncio.create_task(call("ann", "session.apply", SECOND)) for _ in range(4)]
        await asyncio.gather(*lists, *creates)
        assert await call.total("ann") == 1


async def test_more_than_a_thousand_grants(server, world):
    """All 1,500 grants of a caller are seen: OpenFGA's own list would end at 1,000 without a word."""
    async with server() as call:
        id_ = await call.create()
        for start in range(0, 1500, 100):
            tuples = [("identity_account:eve", "viewer", f"session:x{start + number}") for number in range(100)]
            await world.client.write([Relation(*each) for each in tuples])
        await world.grant("eve", "viewer", f"session:{id_}")
        names = await world.client.objects("session", "granted", "identity_account:eve", fresh=True)
        assert len(names) == 1501
        assert await call.total("eve") == 1
