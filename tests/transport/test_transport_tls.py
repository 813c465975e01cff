"""Over TLS a server speaks HTTP/2 with those who agreed to it, and waits for nobody's handshake."""

from __future__ import annotations

import asyncio
import ssl

import grpc.aio
import pytest

from stigmer.testing.certificates import Authority

from .client import Client
from .service import PATIENCE, UNARY, until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Vouches for the server."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def secured(serve, authority):
    """Starts servers that also listen with TLS; gives one, and where."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.set_alpn_protocols(["h2"])

    async def start(**limits):
        server = await serve(**limits)
        await server.start("127.0.0.1", 0, ssl=context)
        host, port = server.addresses[1].rsplit(":", 1)
        return server, host, int(port)

    return start


def trusting(authority, *protocols):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


async def test_calls(secured, authority):
    """Calls are answered as without TLS."""
    _, host, port = await secured()
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    async with grpc.aio.secure_channel(f"{host}:{port}", credentials) as channel:
        assert await channel.unary_unary(UNARY)(bytes(200_000)) == bytes(200_000)


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
async def test_who_did_not_agree_to_http2(secured, authority, protocols):
    """A client that does not name h2 in its handshake is disconnected, and counted."""
    server, host, port = await secured()
    try:
        client = await Client.connect(host, port, tls=trusting(authority, *protocols))
    except (ssl.SSLError, ConnectionError):
        assert protocols  # OpenSSL itself may refuse where nothing is in common
        return
    assert await client.wait_closed()
    assert client.received.total() == 0
    await until(lambda: server.statistics.limited["not_http2"] == 1)
    await client.close()


async def test_a_handshake_that_never_ends(secured):
    """A client that connects and says nothing is disconnected when the time for the handshake is over."""
    server, host, port = await secured(handshake_seconds=0.2)
    reader, writer = await asyncio.open_connection(host, port)
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""
    writer.close()
    assert server.statistics.limited["handshake_seconds"] == 1
    assert server.statistics.connections == 0


async def test_handshakes_count_as_connections(secured, authority):
    """Who begins many meets the limit at once; when they end, however that is, there is room again."""
    server, host, port = await secured(connections_per_address=3)
    waiting = [await asyncio.open_connection(host, port) for _ in range(3)]
    await until(lambda: server.statistics.connections == 3)
    reader, writer = await asyncio.open_connection(host, port)
    async with asyncio.timeout(PATIENCE):
        assert await ended(reader)
    writer.close()
    assert server.statistics.limited["connections_per_address"] == 1
    waiting[0][1].close()
    waiting[1][1].write(b"GET / HTTP/1.1\r\n\r\n")
    waiting[2][1].transport.abort()
    await until(lambda: server.statistics.connections == 0)
    assert server.doors == set()
    for _, each in waiting:
        each.close()
    client = await Client.connect(host, port, tls=trusting(authority, "h2"))
    client.preface()
    assert await client.ping(PATIENCE)
    assert server.statistics.connections == 1
    await client.close()


async def ended(reader):
    """Whether the server has closed the connection, one way or another."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00"], ids=["nothing", "a beginning"])
async def test_handshakes_keep_no_server_from_ending(secured, said):
    """They are broken off when it stops."""
    server, host, port = await secured()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(said)
    await until(lambda: len(server.doors) == 1)
    async with asyncio.timeout(PATIENCE):
        assert await server.drain(PATIENCE)
        assert await ended(reader)
    assert server.doors == set()
    writer.close()


async def test_bytes_that_come_with_the_end_of_the_handshake(secured, authority):
    """A client that sends its calls along with its part of the handshake, in one segment, is answered."""
    _, host, port = await secured()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(authority, "h2").wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    reader, writer = await asyncio.open_connection(host, port)
    async with asyncio.timeout(PATIENCE):
        while not shaken(tls):
            writer.write(outgoing.read())
            incoming.write(await reader.read(65536))
        tls.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5) + b"\x00\x00\x08\x06" + bytes(5) + b"stigmer!"
        )
        writer.write(outgoing.read())
        said = b""
        while b"stigmer!" not in said:
            incoming.write(await reader.read(65536))
            said += everything(tls)
    writer.close()


def shaken(tls):
    """Goes on with the handshake; whether it is over on this side."""
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def everything(tls):
    """What has been decrypted by now."""
    found = b""
    try:
        while True:
            found += tls.read(65536)
    except ssl.SSLWantReadError:
        return found


async def test_the_end(secured, authority, service):
    """Calls in flight finish over TLS as well."""
    server, host, port = await secured()
    service.unary = service.waiting
    client = await Client.connect(host, port, tls=trusting(authority, "h2"))
    client.preface()
    client.call(1, UNARY, b"x")
    await service.called.wait()
    stopping = asyncio.create_task(server.drain(PATIENCE))
    assert await client.wait(lambda: len(client.goaways) == 2)
    service.go_on.set()
    assert (await client.answer(1)).messages == [b"x"]
    assert await stopping
    await client.close()
