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
    """A server that also listens with TLS, and where."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.set_alpn_protocols(["h2"])
    server = await serve(handshake_seconds=0.2)
    await server.start("127.0.0.1", 0, ssl=context)
    host, port = server.addresses[1].rsplit(":", 1)
    return server, host, int(port)


def trusting(authority, *protocols):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


async def test_calls(secured, authority):
    """Calls are answered as without TLS."""
    _, host, port = secured
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    async with grpc.aio.secure_channel(f"{host}:{port}", credentials) as channel:
        assert await channel.unary_unary(UNARY)(bytes(200_000)) == bytes(200_000)


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
async def test_who_did_not_agree_to_http2(secured, authority, protocols):
    """A client that does not name h2 in its handshake is disconnected, and counted."""
    server, host, port = secured
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
    _, host, port = secured
    reader, writer = await asyncio.open_connection(host, port)
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""
    writer.close()


async def test_the_end(secured, authority, service):
    """Calls in flight finish over TLS as well."""
    server, host, port = secured
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
