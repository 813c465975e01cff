"""What callers see when the connection fails them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from stigmer.client import ConnectionLost, DeadlineExceeded, Session, SessionClient, Unavailable, Unreachable
from stigmer.testing.server import serving

pytestmark = pytest.mark.usefixtures("way")


async def test_a_server_that_is_not_there_is_unreachable(unused_tcp_port):
    """No listener at the address: Unreachable, which is an Unavailable, and says why."""
    async with SessionClient(f"127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(Unreachable, match="cannot connect: Connection refused") as caught:
            await client.list()
    assert isinstance(caught.value, Unavailable)


async def test_an_unknown_host_is_unreachable():
    """A name that does not resolve raises Unreachable."""
    async with SessionClient("host.invalid:1") as client:
        with pytest.raises(Unreachable, match="cannot connect"):
            await client.list()


async def test_a_client_outlives_a_restart_of_the_server(draft):
    """The same client works on when the server at its address was stopped and started again."""
    async with serving() as app:
        address = app.address
        client = SessionClient(address)
        await client.create(draft("chat"))
    with pytest.raises(Unavailable):
        await client.create(draft("chat"))
    async with serving(listen=address):
        created = await client.create(draft("chat"))
        assert (await client.list()).entries == [created]
        client.close()


async def test_a_read_that_is_cut_off_is_made_again(wire):
    """A connection that breaks under a read is replaced without the caller noticing."""
    wire.cut = 1
    async with SessionClient(wire.address) as client:
        assert (await client.list()).total_count == 0
    assert wire.connections == 2


async def test_a_read_is_made_again_only_once(wire):
    """When the second connection breaks too, the read fails."""
    wire.cut = 2
    async with SessionClient(wire.address) as client:
        with pytest.raises(ConnectionLost):
            await client.list()
        assert (await client.list()).total_count == 0


async def test_a_write_that_is_cut_off_is_not_made_again(wire, client, draft):
    """A write on a connection that breaks raises ConnectionLost: it may have happened. The next call connects anew."""
    wire.cut = 1
    async with SessionClient(wire.address) as other:
        with pytest.raises(ConnectionLost, match="the connection broke"):
            await other.create(draft("chat"))
        assert wire.connections == 1
        await other.create(draft("chat"))
    assert (await client.list()).total_count == 1


async def test_no_call_hangs_when_the_connection_breaks(wire, draft):
    """Of many concurrent writes those in flight raise ConnectionLost and those in line go over the next connection."""
    wire.hold = True
    async with SessionClient(wire.address) as client, asyncio.timeout(20):
        calls = [asyncio.create_task(client.create(draft(f"chat {number}"))) for number in range(150)]
        await wire.reached.wait()
        wire.hold = False
        wire.break_all()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {ConnectionLost, Session}


async def test_no_answer_in_time_is_deadline_exceeded(wire):
    """A server that never answers makes the call fail after the client's timeout."""
    wire.hold = True
    async with SessionClient(wire.address, timeout=0.2) as client:
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.2 s"):
            await client.list()


async def test_waiting_in_line_counts_too(wire, draft):
    """Calls that wait for their turn behind calls that hang run into the timeout as well."""
    wire.hold = True
    async with SessionClient(wire.address, timeout=0.3) as client:
        calls = (client.create(draft(f"chat {number}")) for number in range(120))
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {DeadlineExceeded}


async def test_a_callers_own_timeout_works_around_a_call(wire):
    """`asyncio.timeout` around a call ends it with TimeoutError, also after a connection broke under it."""
    wire.cut = 1
    wire.hold = True
    async with SessionClient(wire.address) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.list()
    assert wire.connections == 2


async def test_a_broken_call_leaves_no_cancellation_behind(wire, draft):
    """After ConnectionLost the caller's task does not count as being cancelled."""
    wire.cut = 1
    async with SessionClient(wire.address) as client:
        with pytest.raises(ConnectionLost):
            await client.create(draft("chat"))
    assert asyncio.current_task().cancelling() == 0


async def test_cancelling_a_call_cancels_only_that_call(wire, client, draft):
    """The other calls on the connection go on."""
    await client.create(draft("chat"))
    async with SessionClient(wire.address) as other:
        await other.list()
        cancelled, kept = asyncio.create_task(other.list()), asyncio.create_task(other.list())
        await asyncio.sleep(0)
        cancelled.cancel()
        assert (await kept).total_count == 1
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert wire.connections == 1


async def test_a_write_goes_only_to_a_server_that_has_spoken(wire, draft):
    """A connection that closes before the server says anything is replaced: a write on it was not sent yet."""
    wire.early = 3
    async with SessionClient(wire.address) as client:
        await client.create(draft("chat"))
        assert (await client.list()).total_count == 1
    assert wire.connections == 4


async def test_a_server_that_only_hangs_up_is_unreachable(wire, draft, monkeypatch):
    """When no connection ever gets an answer the call fails as Unreachable, which says why."""
    monkeypatch.setattr("stigmer.client.again._FIRST_PAUSE", 0.0001)
    wire.early = 100
    async with SessionClient(wire.address) as client:
        with pytest.raises(Unreachable, match="cannot connect: the server closed the connection at once"):
            await client.create(draft("chat"))
    assert wire.connections == 6


async def test_a_server_that_says_nothing_is_unreachable(monkeypatch):
    """A connection on which the server does not begin to speak HTTP/2 in time is given up."""
    monkeypatch.setattr("stigmer.client.greeting._SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with SessionClient("{}:{}".format(*silent.getsockname())) as client:
            with pytest.raises(Unreachable, match="cannot connect: Connection timed out"):
                await client.list()


async def test_a_closed_client_leaves_no_connection(monkeypatch):
    """Closing the client while it connects ends the attempt, and the call with it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = SessionClient("{}:{}".format(*silent.getsockname()))
        read = asyncio.create_task(client.list())
        accepted, _ = await asyncio.get_running_loop().run_in_executor(None, silent.accept)
        with accepted:
            client.close()
            with pytest.raises(Unreachable):
                await read
            accepted.settimeout(10)
            while accepted.recv(65536):
                pass


async def test_a_silent_connection_is_left(wire):
    """After a call's whole time without a byte from the server the next call goes over a new connection."""
    wire.hold = True
    async with SessionClient(wire.address, timeout=0.3) as client:
        for _ in range(2):  # during the first the server has said that it is there
            with pytest.raises(DeadlineExceeded):
                await client.list()
            assert wire.connections == 1
        wire.hold = False
        assert (await client.list()).total_count == 0
    assert wire.connections == 2
