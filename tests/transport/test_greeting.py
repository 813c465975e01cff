"""A port that speaks HTTP/2 answers those who do not in their own words."""

from __future__ import annotations

import asyncio

import pytest
from raw_http2 import MAGIC

from stigmer.transport.greeting import Greeting, greeting_of

from .service import PATIENCE, until

GREETINGS = [
    (MAGIC, Greeting.HTTP2),
    (MAGIC + b"more", Greeting.HTTP2),
    *((MAGIC[:size], Greeting.PARTIAL) for size in range(len(MAGIC))),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Greeting.HTTP1),
    (b"POST /a HTTP/1.0\r\n", Greeting.HTTP1),
    (b"PRI * HTTP/1.1\r\n", Greeting.HTTP1),
    (b"GET / HTTP/1.1", Greeting.HTTP1),
    (b"GE", Greeting.PARTIAL),
    (b"GET /" + b"x" * 8000, Greeting.PARTIAL),
    (b"GET /" + b"x" * 8192, Greeting.OTHER),
    (b"GET /\xff", Greeting.OTHER),
    (b"QUIT\r\n", Greeting.OTHER),
    (b"\x16", Greeting.PARTIAL),
    (b"\x16\x03\x01\x02\x00\x01", Greeting.TLS),
    (b"\x16\x00", Greeting.OTHER),
    (b"\0\0\0\4\0\0\0\0\0", Greeting.OTHER),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", Greeting.OTHER),
]


@pytest.mark.parametrize(("data", "kind"), GREETINGS, ids=range(len(GREETINGS)))
def test_kinds(data, kind):
    """The first bytes tell what a client speaks, or that more of them are needed."""
    assert greeting_of(data) is kind


@pytest.mark.parametrize(
    ("sent", "begins"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 505 "),
        (b"\x16\x03\x01\x00\xa5\x01\x00", b"\x15\x03\x01\x00\x02\x02\x46"),
        (b"\x00\x01\x02", b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_others_are_told(serve, sent, begins, at_once):
    """HTTP/1.1, TLS and anything else are answered after our SETTINGS, and the connection is closed, which is counted."""
    server = await serve()
    reader, writer = await asyncio.open_connection(*server.addresses[0].rsplit(":", 1))
    for piece in [sent] if at_once else [sent[:1], sent[1:]]:
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    assert begins in answer
    await until(lambda: server.statistics.limited["not_http2"] == 1)
    writer.close()


async def test_a_greeting_in_pieces(serve, dial):
    """HTTP/2 is recognized byte by byte."""
    client = await dial(await serve(), silent=True, polite=False)
    for each in range(len(MAGIC)):
        client.write(MAGIC[each : each + 1])
        await client.flush()
    client.frame(4)
    client.frame(4, 1)
    assert await client.ping()


async def test_a_name_is_not_waited_for_for_ever(serve, dial):
    """A line that never ends is not collected without end."""
    server = await serve()
    client = await dial(server, silent=True, polite=False)
    client.write(b"x" * 100_000)
    assert await client.wait_closed()
    assert server.statistics.limited["not_http2"] == 1
