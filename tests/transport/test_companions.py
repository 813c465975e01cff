"""Health and reflection are held to the same limits as the API, and served until the end."""

import asyncio

import grpc
import grpc.aio
import pytest

from stigmer.testing import serving

CHECK = "/grpc.health.v1.Health/Check"


async def status_of(address, message, **options):
    async with grpc.aio.insecure_channel(address, [("grpc.max_send_message_length", -1)]) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(CHECK)(message, **options)
        return caught.value.code()


async def test_a_large_question_about_health_is_refused():
    """Nobody needs credentials to ask for health, so nobody may fill the memory that way."""
    async with serving() as app:
        assert await status_of(app.address, b"\x0a" + b"x" * 11 * 1024 * 1024) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_undecodable_question_is_internal():
    """Bytes that are no message are answered as they are everywhere else."""
    async with serving() as app:
        assert await status_of(app.address, b"\xff\xff") is grpc.StatusCode.INTERNAL


async def test_a_compressed_question_is_answered():
    """Health understands gzip."""
    async with serving() as app, grpc.aio.insecure_channel(app.address) as channel:
        assert await channel.unary_unary(CHECK)(b"", compression=grpc.Compression.Gzip) == b"\x08\x01"


async def test_a_watcher_learns_that_the_server_stops():
    """Whoever watches is told NOT_SERVING before the connection ends, while calls in flight finish."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    class Wait:
        name = "Wait"

        async def __call__(self, ctx):
            waiting.set()
            await go_on.wait()

    get = "/ai.stigmer.agentic.session.v1.SessionQueryController/get"
    async with serving({"wait": waits(Wait())}) as app, grpc.aio.insecure_channel(app.address) as channel:
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        assert await watch.read() == b"\x08\x01"
        under_way = asyncio.ensure_future(channel.unary_unary(get)(b"\x0a\x01x"))
        await waiting.wait()
        stopping = asyncio.create_task(app.stop())
        assert await watch.read() == b"\x08\x02"
        assert not stopping.done()
        go_on.set()
        with pytest.raises(grpc.aio.AioRpcError, match="Session not found: x"):
            await under_way
        await stopping
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await watch.read()
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_watcher_of_an_idle_server_learns_it_too():
    """Where no call is in flight the watcher hears it all the same."""
    async with serving() as app, grpc.aio.insecure_channel(app.address) as channel:
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        assert await watch.read() == b"\x08\x01"
        stopping = asyncio.create_task(app.stop())
        assert await watch.read() == b"\x08\x02"
        await stopping


def waits(step):
    from types import SimpleNamespace

    from stigmer import after, hookimpl

    return SimpleNamespace(contribute_steps=hookimpl(lambda op: [after("ValidateProto", step)]))
