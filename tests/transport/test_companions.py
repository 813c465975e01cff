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


async def test_health_says_not_serving_while_the_server_stops():
    """While calls in flight finish, health is still told: NOT_SERVING; other calls are refused with a reason."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    class Wait:
        name = "Wait"

        async def __call__(self, ctx):
            waiting.set()
            await go_on.wait()

    get = "/ai.stigmer.agentic.session.v1.SessionQueryController/get"
    async with serving({"wait": waits(Wait())}) as app, grpc.aio.insecure_channel(app.address) as channel:
        under_way = asyncio.ensure_future(channel.unary_unary(get)(b"\x0a\x01x"))
        await waiting.wait()
        stopping = asyncio.create_task(app.stop())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(get)(b"\x0a\x01x")
        assert await channel.unary_unary(CHECK)(b"") == b"\x08\x02"
        go_on.set()
        with pytest.raises(grpc.aio.AioRpcError, match="Session not found: x"):
            await under_way
        await stopping
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert b"SERVER_STOPPING" in dict(refused.value.trailing_metadata())["grpc-status-details-bin"]


def waits(step):
    from types import SimpleNamespace

    from stigmer import after, hookimpl

    return SimpleNamespace(contribute_steps=hookimpl(lambda op: [after("ValidateProto", step)]))
