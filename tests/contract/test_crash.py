"""kill -9: what was acknowledged is there after the next start."""

import asyncio

import grpc


async def test_nothing_acknowledged_is_lost(process, connect, a_session, sqlite_url):
    """A server killed under load, again and again, keeps every create, update and delete that it has acknowledged."""
    names: dict[str, str] = {}  # id → the name that was acknowledged last
    unsure: set[str] = set()  # ids with a write that was never answered
    gone: set[str] = set()
    failures: set[str] = set()

    async def work(wire, run, worker, enough):
        for number in range(10_000):
            id_ = f"r{run}-w{worker}-{number}"
            try:
                unsure.add(id_)
                await wire.create(a_session(f"{id_} old", id=id_))
                names[id_] = f"{id_} old"
                await wire.update(a_session(f"{id_} new", id=id_))
                names[id_] = f"{id_} new"
                if number % 3 == 0:
                    await wire.delete(id_)
                    gone.add(id_)
                unsure.discard(id_)
            except grpc.aio.AioRpcError as error:
                failures.add(error.code().name)
                return
            if len(names) > 60 * (run + 1):
                enough.set()

    for run in range(2):
        server, enough = await process("--store", sqlite_url), asyncio.Event()
        async with connect(await server.address()) as wire:
            workers = [asyncio.ensure_future(work(wire, run, worker, enough)) for worker in range(16)]
            await asyncio.wait_for(enough.wait(), 20)
            server.kill()
            await asyncio.gather(*workers)
        await server.ended()

    assert failures == {"UNAVAILABLE"}
    server = await process("--store", sqlite_url)
    async with connect(await server.address()) as wire:
        found = {entry.metadata.id: entry for page in await wire.pages(page_size=1000) for entry in page.entries}
        assert not gone & set(found)
        for id_ in set(names) - gone - unsure:
            assert found[id_].metadata.name == names[id_]
        for id_ in unsure & set(found):
            assert found[id_].metadata.name in {f"{id_} old", f"{id_} new"}
            assert found[id_].spec is not None
        assert set(found) <= set(names) | unsure
        for id_ in list(gone)[:3]:
            assert (await wire.refused(wire.create(a_session("back", id=id_)))).code == "ALREADY_EXISTS"
        assert (await wire.create(a_session("after the crash"))).metadata.slug == "after-the-crash"
