"""Interoperability with grpcio, the client that most Python programs use: gRPC's C core."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest

from .cases import CASES, LARGE_ANSWER, Outcome, size_of
from .service import INITIAL, TRAILING
from .serving import eventually

OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0))


def opened(served):
    """A channel to the server, as a context manager."""
    target = f"127.0.0.1:{served.port}"
    if served.certificates is None:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    trusted = grpc.ssl_channel_credentials(served.certificates.authority.certificate.read_bytes())
    return grpc.aio.secure_channel(target, trusted, options=OPTIONS)


@pytest.fixture
async def channel(served):
    """A channel to the server."""
    async with opened(served) as channel:
        yield channel


def begin(channel, method, messages, **options):
    """Starts a call; streams get their messages later."""
    ways = method.cardinality
    name = "_".join("stream" if streaming else "unary" for streaming in (ways.client_streaming, ways.server_streaming))
    rpc = getattr(channel, name)(method.path, method.request.SerializeToString, method.answer.FromString)
    return rpc(*([] if ways.client_streaming else messages), **options)


async def converse(call, case, answers):
    """Sends what there is to send, collects answers, and cancels where the case says so."""

    async def receive():
        answer = await call.read()
        if answer is not grpc.aio.EOF:
            answers.append(answer)
        if len(answers) == case.cancel_after:
            call.cancel()
        return answer is not grpc.aio.EOF

    if case.cancel_after == 0:
        call.cancel()
    if case.method.cardinality.client_streaming:
        for message in case.messages:
            await call.write(message)
            if case.lockstep and not await receive():
                return
        await call.done_writing()
    if not case.method.cardinality.server_streaming:
        answers.append(await call)
    else:
        while await receive():
            pass


def echoed(metadata, key):
    """The values under that key."""
    return tuple(value for name, value in metadata or () if name == key)


async def see(channel, case, **options):
    """What the client sees of a call."""
    answers = []
    call = begin(channel, case.method, case.messages, metadata=case.metadata, timeout=case.timeout, **options)
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        await converse(call, case, answers)
    return Outcome(
        (await call.code()).name,
        await call.details() or "",
        tuple(map(size_of, answers)),
        echoed(await call.initial_metadata(), INITIAL),
        echoed(await call.trailing_metadata(), TRAILING),
    )


@pytest.mark.parametrize("name", CASES)
async def test_cases(channel, name):
    """A client that is not ours sees what gRPC's interoperability tests ask for, and a little more."""
    assert await see(channel, CASES[name]) == CASES[name].outcome


async def test_a_cancelled_call_ends(channel, service):
    """The handler of a call that its client cancels is cancelled."""
    await see(channel, CASES["cancel_after_first_response"])
    await eventually(lambda: service.cancelled == 1)


@pytest.mark.parametrize("name", ["large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream"])
async def test_compressed(channel, name):
    """Messages that a client sends compressed with gzip are read as if they were plain."""
    assert await see(channel, CASES[name], compression=grpc.Compression.Gzip) == CASES[name].outcome


async def test_other_compression(channel):
    """A client that compresses in a way the server does not read is told UNIMPLEMENTED, which makes clients try another."""
    seen = await see(channel, CASES["large_unary"], compression=grpc.Compression.Deflate)
    assert seen.status == "UNIMPLEMENTED"


async def test_many_at_once(channel):
    """A hundred large calls at once on one channel, more than may be open, all get their answers."""
    seen = await asyncio.gather(*(see(channel, CASES["large_unary"]) for _ in range(120)))
    assert {(one.status, one.sizes) for one in seen} == {("OK", (LARGE_ANSWER,))}


async def test_channels_come_and_go(served):
    """Channels that are opened for one call each, and closed, leave nothing behind."""
    for _ in range(10):
        async with opened(served) as channel:
            assert await see(channel, CASES["large_unary"]) == CASES["large_unary"].outcome
    await eventually(lambda: served.server.statistics.connections == 0)
