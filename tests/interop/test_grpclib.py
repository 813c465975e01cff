"""Interoperability with grpclib's own client, over its h2."""

from __future__ import annotations

import gc
import weakref

import pytest
from grpclib.client import Channel
from grpclib.exceptions import GRPCError

from .cases import CASES, Outcome, size_of
from .service import INITIAL, TRAILING
from .serving import eventually


def opened(served):
    """A channel to the server, as a context manager."""
    return Channel("127.0.0.1", served.port, ssl=served.certificates and served.certificates.client_context())


@pytest.fixture
async def channel(served):
    """A channel to the server."""
    async with opened(served) as channel:
        yield channel


@pytest.fixture
def no_collector():
    """Garbage is not collected meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def converse(stream, case, answers):
    """Sends what there is to send, collects answers, and cancels where the case says so; True when it did."""

    async def receive():
        answer = await stream.recv_message()
        if answer is not None:
            answers.append(answer)
        return answer is not None

    ends = case.method.cardinality.client_streaming and case.cancel_after is None
    await stream.send_request(end=ends and not case.requests)
    for number, message in enumerate(case.messages, 1):
        await stream.send_message(message, end=ends and not case.lockstep and number == len(case.requests))
        if case.lockstep and not await receive():
            return False
    if ends and case.lockstep:
        await stream.end()
    if case.cancel_after is not None:
        await stream.cancel()
        return True
    while await receive():
        pass
    return False


def values(metadata, key):
    """The values under that key."""
    return tuple(metadata.getall(key, ())) if metadata else ()


async def see(channel, case):
    """What the client sees of a call."""
    answers, status, text = [], "OK", ""
    method = case.method
    call = channel.request(
        method.path, method.cardinality, method.request, method.answer, timeout=case.timeout, metadata=case.metadata
    )
    try:
        async with call as stream:
            if await converse(stream, case, answers):
                status = "CANCELLED"  # grpclib says nothing of it
    except GRPCError as error:
        status, text = error.status.name, error.message or ""
    except TimeoutError:
        status = "DEADLINE_EXCEEDED"
    return Outcome(
        status,
        text,
        tuple(map(size_of, answers)),
        values(call.initial_metadata, INITIAL),
        values(call.trailing_metadata, TRAILING),
    )


@pytest.mark.parametrize("name", CASES)
async def test_cases(channel, name):
    """The client of grpclib sees what gRPC's interoperability tests ask for, and a little more."""
    assert await see(channel, CASES[name]) == CASES[name].outcome


async def test_a_cancelled_call_ends(channel, service):
    """The handler of a call that its client cancels is cancelled."""
    await see(channel, CASES["cancel_after_first_response"])
    await eventually(lambda: service.cancelled == 1)


async def test_connections_free_themselves(served, no_collector):
    """A connection that is gone is no garbage to be collected some time; with TLS it would hold half a megabyte until then."""
    connections = []
    for _ in range(3):
        async with opened(served) as channel:
            assert await see(channel, CASES["large_unary"]) == CASES["large_unary"].outcome
            connections += map(weakref.ref, served.server.connections)
    assert len(connections) >= 3
    await eventually(lambda: not any(connection() for connection in connections), seconds=2)
