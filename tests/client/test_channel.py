"""A server that goes away, or has no room, spoken frame by frame."""

from __future__ import annotations

import asyncio

import pytest
from h2.errors import ErrorCodes
from ngh2 import NoAvailableStreamIDError

from stigmer.client import ConnectionLost, ResourceExhausted, Session, SessionClient, SessionList, Unavailable
from stigmer.client.calls import ChannelCalls

from .scripted import EVERYTHING

pytestmark = pytest.mark.usefixtures("way")


async def test_calls_in_flight_are_answered_after_goaway(scripted):
    """A server that parts may still answer what it has, and does not get new calls."""
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        old, stream = await scripted.next()
        old.go_away(EVERYTHING)
        old.go_away(stream)
        await old.seen()
        read = asyncio.create_task(client.list())
        new, second = await scripted.next()
        assert new is not old
        old.answer(stream)
        assert await write == Session()
        new.answer(second)
        assert await read == SessionList()


async def test_calls_that_will_not_be_answered_are_made_again(scripted):
    """A write above the last stream that the server promises to answer was not looked at: it goes over a new connection."""
    async with SessionClient(scripted.address) as client:
        first, second = (asyncio.create_task(client.create(Session())) for _ in range(2))
        old, kept = await scripted.next()
        await scripted.next()
        old.go_away(kept)
        new, again = await scripted.next()
        assert new is not old
        new.answer(again)
        assert await second == Session()
        old.answer(kept)
        assert await first == Session()


async def test_a_server_that_breaks_its_promise_is_connection_lost(scripted):
    """When the connection closes after GOAWAY without the answer, the write fails as usual."""
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        old, _ = await scripted.next()
        old.go_away(EVERYTHING)
        await old.seen()
        old.transport.close()
        with pytest.raises(ConnectionLost):
            await write


async def test_an_idle_connection_is_closed_at_goaway(scripted):
    """With nothing in flight the client hangs up, and connects again for the next call."""
    async with SessionClient(scripted.address) as client:
        for number in range(2):
            read = asyncio.create_task(client.list())
            connection, stream = await scripted.next()
            connection.answer(stream)
            await read
            connection.go_away(EVERYTHING)
            async with asyncio.timeout(10):
                await connection.lost.wait()
            assert len(scripted.connections) == number + 1


async def test_closing_the_client_closes_what_is_parting(scripted):
    """A connection that waits for its last answer is closed with the client."""
    client = SessionClient(scripted.address)
    write = asyncio.create_task(client.create(Session()))
    old, _ = await scripted.next()
    old.go_away(EVERYTHING)
    read = asyncio.create_task(client.list())
    new, _ = await scripted.next()
    client.close()
    async with asyncio.timeout(10):
        await old.lost.wait()
        await new.lost.wait()
    results = await asyncio.gather(write, read, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionLost, ConnectionLost]


async def test_at_most_a_hundred_calls_are_under_way(scripted):
    """Further calls wait until one of them is answered: a server that takes a hundred streams refuses none."""
    async with SessionClient(scripted.address) as client:
        reads = [asyncio.create_task(client.list()) for _ in range(102)]
        waiting = [await scripted.next() for _ in range(100)]
        await waiting[0][0].seen()
        assert scripted.arrived.empty()
        for connection, stream in waiting:
            connection.answer(stream)
        for connection, stream in [await scripted.next() for _ in range(2)]:
            connection.answer(stream)
        assert await asyncio.gather(*reads) == [SessionList()] * 102


def _write_too_late(client):
    """A write in this very turn of the loop: after the server has closed, before the client reads."""
    calls = client._connection._calls
    if isinstance(calls, ChannelCalls):
        sending = calls._channel._protocol.connection
        sending._connection.ping(b"too late")
        asyncio.get_running_loop().call_soon(sending.flush)
    else:
        calls._line._session.ping(b"too late")
        asyncio.get_running_loop().call_soon(calls._line._flush)


class _UsedUp:
    """A session that has no stream left."""

    def __init__(self, session):
        self._session = session

    def __getattr__(self, name):
        return getattr(self._session, name)

    def send_request(self, headers):
        raise NoAvailableStreamIDError


def _use_up(calls):
    if isinstance(calls, ChannelCalls):
        calls._channel._protocol.connection._connection.highest_outbound_stream_id = EVERYTHING
    else:  # which lets nobody skip numbers
        calls._line._session = _UsedUp(calls._line._session)


async def test_last_words_are_heard(scripted):
    """A client that learns by a failed write that the connection is gone still reads what the server had said: here GOAWAY."""
    async with SessionClient(scripted.address) as client:
        first, second = (asyncio.create_task(client.create(Session())) for _ in range(2))
        (old, answered), _ = await scripted.next(), await scripted.next()
        old.answer(answered)
        old.go_away(answered)
        old.vanish()
        _write_too_late(client)
        new, again = await scripted.next()
        new.answer(again)
        assert await asyncio.gather(first, second) == [Session()] * 2
        assert len(scripted.connections) == 2


async def test_goaway_and_more_at_once_close_an_idle_connection(scripted, caplog):
    """What comes in one piece with GOAWAY is read too, and the connection closed without a word in the log."""
    async with SessionClient(scripted.address) as client:
        read = asyncio.create_task(client.list())
        connection, stream = await scripted.next()
        connection.answer(stream)
        await read
        connection.go_away(EVERYTHING, ping=True)
        async with asyncio.timeout(10):
            await connection.lost.wait()
    assert caplog.messages == []


async def test_the_client_hangs_up_after_the_last_answer(scripted):
    """A server that parts need not close the connection itself: the client does, once it has all its answers."""
    async with SessionClient(scripted.address) as client:
        reads = [asyncio.create_task(client.list()) for _ in range(2)]
        (connection, first), (_, second) = await scripted.next(), await scripted.next()
        connection.go_away(EVERYTHING)
        connection.answer(first)
        await connection.seen()
        assert not connection.lost.is_set()
        connection.answer(second)
        async with asyncio.timeout(10):
            await connection.lost.wait()
        assert await asyncio.gather(*reads) == [SessionList()] * 2


async def test_calls_move_on_from_a_server_that_parts_at_once(scripted):
    """A connection that is told to go away as soon as it is made is used for nothing."""
    scripted.busy = 2
    async with SessionClient(scripted.address) as client:
        writes = [asyncio.create_task(client.create(Session())) for _ in range(3)]
        for _ in writes:
            connection, stream = await scripted.next()
            connection.answer(stream)
        assert await asyncio.gather(*writes) == [Session()] * 3
    assert len(scripted.connections) == 3


async def test_a_refused_call_is_made_again(scripted):
    """A write that the server resets for want of room is made once more after a pause, on the same connection."""
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        connection, stream = await scripted.next()
        connection.reset(stream)
        same, again = await scripted.next()
        assert (same, again > stream) == (connection, True)
        same.answer(again)
        assert await write == Session()


async def test_a_server_that_stays_full_is_told_of(scripted, monkeypatch):
    """A call that is refused time after time fails with ResourceExhausted, which says so; the client works on."""
    monkeypatch.setattr("stigmer.client.again._FIRST_PAUSE", 0.0001)
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        for _ in range(6):
            connection, stream = await scripted.next()
            connection.reset(stream)
        with pytest.raises(ResourceExhausted, match="the server is full: it had no room for the call"):
            await write
        read = asyncio.create_task(client.list())
        connection, stream = await scripted.next()
        connection.answer(stream)
        assert await read == SessionList()
    assert len(scripted.connections) == 1


@pytest.mark.parametrize("code", [ErrorCodes.CANCEL, ErrorCodes.INTERNAL_ERROR, ErrorCodes.ENHANCE_YOUR_CALM])
async def test_a_write_that_is_reset_may_have_begun(scripted, code):
    """For any other reason than want of room a write is not made again."""
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        connection, stream = await scripted.next()
        connection.reset(stream, code)
        with pytest.raises(ConnectionLost):
            await write
        await connection.seen()
    assert scripted.arrived.empty()


async def test_always_going_away_is_unavailable(scripted, monkeypatch):
    """A server that sends every call away makes it fail as Unavailable, which says that it was not begun."""
    monkeypatch.setattr("stigmer.client.again._FIRST_PAUSE", 0.0001)
    async with SessionClient(scripted.address) as client:
        write = asyncio.create_task(client.create(Session()))
        for _ in range(6):
            connection, _ = await scripted.next()
            connection.go_away(0)
        with pytest.raises(Unavailable, match="the server has not begun with the call") as caught:
            await write
        assert type(caught.value) is Unavailable
    assert len(scripted.connections) == 6


@pytest.mark.parametrize("ending", ["goaway", "loss"])
async def test_calls_that_wait_for_a_stream_move_on(scripted, ending):
    """A write that waits for a free stream when the connection ends goes over the next one: nothing of it was sent."""
    scripted.streams = 1
    async with SessionClient(scripted.address) as client:
        sent = asyncio.create_task(client.create(Session()))
        old, stream = await scripted.next()
        waiting = asyncio.create_task(client.create(Session()))
        await old.seen()
        old.go_away(EVERYTHING) if ending == "goaway" else old.transport.close()
        new, again = await scripted.next()
        assert new is not old
        new.answer(again)
        assert await waiting == Session()
        if ending == "goaway":
            old.answer(stream)
            assert await sent == Session()
        else:
            with pytest.raises(ConnectionLost):
                await sent


async def test_streams_run_out(scripted):
    """A connection that has used up the numbers of its streams is left for a new one."""
    async with SessionClient(scripted.address) as client:
        for number in range(2):
            write = asyncio.create_task(client.create(Session()))
            connection, stream = await scripted.next()
            connection.answer(stream)
            assert await write == Session()
            assert len(scripted.connections) == number + 1
            _use_up(client._connection._calls)


async def test_it_says_that_it_bears_goaway(scripted):
    """The client does not call itself by the name of grpclib's, which servers spare GOAWAY."""
    async with SessionClient(scripted.address) as client:
        read = asyncio.create_task(client.list())
        connection, stream = await scripted.next()
        connection.answer(stream)
        await read
    (agent,) = connection.agents
    assert agent.startswith(b"grpc-python-stigmer")
