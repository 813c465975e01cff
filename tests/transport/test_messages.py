"""Messages: how large they may be, and how they are packed."""

from __future__ import annotations

import asyncio
import gzip

import grpc.aio
import pytest
from raw_http2 import RST_STREAM, message

from stigmer.transport.engine import ENHANCE_YOUR_CALM

from .service import CHAT, COLLECT, POUR, UNARY, answering

LIMIT = 2000
RESOURCE_EXHAUSTED, INTERNAL, UNIMPLEMENTED = 8, 13, 12
GZIP = ("grpc-encoding", "gzip")
TAKES_GZIP = ("grpc-accept-encoding", "identity,deflate,gzip")


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().value[0]


async def test_the_limit_is_inclusive(serve, channel):
    """A request of the largest size passes, one byte more is RESOURCE_EXHAUSTED, and the connection goes on working."""
    server = await serve(message_bytes=LIMIT)
    call = (await channel(server)).unary_unary(UNARY)
    assert await call(bytes(LIMIT)) == bytes(LIMIT)
    assert await code_of(call(bytes(LIMIT + 1))) == RESOURCE_EXHAUSTED
    assert await call(b"still here") == b"still here"
    assert server.statistics.limited["message_bytes"] == 1
    assert server.statistics.connections == 1


async def test_the_limit_of_answers(serve, service, channel):
    """An answer of the largest size passes, one byte more is RESOURCE_EXHAUSTED in its place."""
    server = await serve(message_bytes=LIMIT)
    client = await channel(server)
    service.unary = answering(bytes(LIMIT))
    assert await client.unary_unary(UNARY)(b"") == bytes(LIMIT)
    service.unary = answering(bytes(LIMIT + 1))
    assert await code_of(client.unary_unary(UNARY)(b"")) == RESOURCE_EXHAUSTED
    assert server.statistics.limited["message_bytes"] == 1


async def test_the_limit_in_streams(serve, channel):
    """Each message of a stream may be as large as one alone, in both directions."""
    server = await serve(message_bytes=LIMIT)
    client = await channel(server)
    assert await client.stream_unary(COLLECT)(iter([bytes(LIMIT)] * 3)) == b"%d" % (3 * LIMIT)
    assert await code_of(client.stream_unary(COLLECT)(iter([b"x", bytes(LIMIT + 1)]))) == RESOURCE_EXHAUSTED
    assert [len(each) async for each in client.unary_stream(POUR)(b"2 %d" % LIMIT)] == [LIMIT, LIMIT]
    pouring = client.unary_stream(POUR)(b"2 %d" % (LIMIT + 1))
    assert await code_of(pouring.read()) == RESOURCE_EXHAUSTED
    assert server.statistics.limited["message_bytes"] == 2


@pytest.mark.parametrize("path", [UNARY, COLLECT, POUR, CHAT])
async def test_refused_by_the_prefix(serve, dial, path):
    """Too large a message is refused when its size is known, before its bytes come, and the client is told to stop."""
    client = await dial(await serve(message_bytes=LIMIT))
    client.call(1, path, end=False)
    client.data(1, message(length=LIMIT + 1))
    answer = await client.answer(1)
    assert (answer.grpc_status, answer.grpc_message) == (RESOURCE_EXHAUSTED, f"the message is larger than {LIMIT} bytes")
    assert await client.wait(lambda: answer.rst_code == 0)
    assert client.kinds(1)[-1] == RST_STREAM
    client.data(1, bytes(LIMIT))
    client.call(3, UNARY, b"next")
    assert (await client.answer(3)).messages == [b"next"]


@pytest.mark.parametrize("path", [UNARY, COLLECT])
async def test_too_large_again_and_again(serve, dial, path):
    """Who keeps on announcing too large messages is told GOAWAY; a few of them disturb nobody."""
    server = await serve(controls_burst=50, controls_per_second=0.1)
    client = await dial(server)
    for stream in range(1, 11, 2):
        client.call(stream, path, end=False)
        client.data(stream, message(length=2**32 - 1))
        assert (await client.answer(stream)).grpc_status == RESOURCE_EXHAUSTED
    assert await client.ping()
    for stream in range(11, 61, 2):
        client.call(stream, path, end=False)
        client.data(stream, message(length=2**32 - 1))
        await asyncio.sleep(0)
    assert await client.wait_closed()
    assert client.goaways[-1][1] == ENHANCE_YOUR_CALM
    assert server.statistics.limited["controls_burst"] == 1


@pytest.mark.parametrize("pieces", [1, 3, 2000])
async def test_in_however_many_pieces(serve, dial, pieces):
    """A message is the same in one DATA frame and in many."""
    client = await dial(await serve())
    client.call(1, UNARY, end=False)
    whole = message(bytes(range(200)) * 10)
    size = -(-len(whole) // pieces)
    for start in range(0, len(whole), size):
        client.data(1, whole[start : start + size])
    client.data(1, b"", end_stream=True)
    assert (await client.answer(1)).messages == [bytes(range(200)) * 10]


PACKED = gzip.compress(b"abc" * 50)
BROKEN = [
    ("nothing", b"", "the request holds no whole message"),
    ("half a prefix", b"\0\0\0", "the request holds no whole message"),
    ("ends early", message(b"abc", length=10), "the request holds no whole message"),
    ("two messages", message(b"abc") * 2, "the request holds more than one message"),
    ("unknown flag", message(b"abc", flag=7), "the message's compression flag is neither 0 nor 1"),
    ("not gzip", message(b"abc", flag=1), "the compressed message is not gzip"),
    ("gzip of nothing", message(b"", flag=1), "the compressed message ends early"),
    ("gzip ends early", message(PACKED[:-4], flag=1), "the compressed message ends early"),
    ("gzip and more", message(PACKED + b"more", flag=1), "the compressed message is not gzip"),
    ("wrong checksum", message(PACKED[:-8] + bytes(4) + PACKED[-4:], flag=1), "the compressed message is not gzip"),
]


@pytest.mark.parametrize(("name", "body", "text"), BROKEN, ids=[row[0] for row in BROKEN])
async def test_broken_messages(serve, dial, name, body, text):
    """A message that is cut off, doubled, or not what its flag says is INTERNAL, and the text says how."""
    client = await dial(await serve())
    client.call(1, UNARY, end=False, more=[GZIP])
    client.data(1, body, end_stream=True)
    answer = await client.answer(1)
    assert (answer.grpc_status, answer.grpc_message) == (INTERNAL, text)


@pytest.mark.parametrize(("body", "status"), [(b"", 0), (message(b"abc")[:-1], INTERNAL), (message(b"abc"), 0)])
async def test_the_end_of_a_stream(serve, dial, body, status):
    """A stream may end after any message, not within one."""
    client = await dial(await serve())
    client.call(1, CHAT, end=False)
    client.data(1, body, end_stream=True)
    assert (await client.answer(1)).grpc_status == status


async def test_a_flag_without_an_encoding(serve, dial):
    """A packed message whose encoding was not named is INTERNAL."""
    client = await dial(await serve())
    client.call(1, UNARY, end=False)
    client.data(1, message(PACKED, flag=1), end_stream=True)
    answer = await client.answer(1)
    assert (answer.grpc_status, answer.messages) == (INTERNAL, [])


@pytest.mark.parametrize("size", [2, 100_000, 3_000_000])
async def test_gzip_both_ways(serve, channel, size):
    """A client that packs its requests gets what it sent, of whatever size."""
    call = (await channel(await serve())).unary_unary(UNARY)
    assert await call(bytes(size), compression=grpc.Compression.Gzip) == bytes(size)


async def test_gzip_in_streams(serve, channel):
    """Messages of streams are packed one by one."""
    client = await channel(await serve())
    sent = [bytes(5000), b"small", bytes(9000)]
    chatting = client.stream_stream(CHAT)(iter(sent), compression=grpc.Compression.Gzip)
    assert [each async for each in chatting] == sent


async def test_several_gzips_in_one(serve, dial):
    """Gzip may consist of several parts."""
    client = await dial(await serve())
    client.call(1, UNARY, end=False, more=[GZIP])
    client.data(1, message(gzip.compress(b"one ") + gzip.compress(b"two"), flag=1), end_stream=True)
    assert (await client.answer(1)).messages == [b"one two"]


@pytest.mark.parametrize(
    ("more", "size", "is_packed"),
    [
        ([GZIP, TAKES_GZIP], 1025, True),
        ([GZIP, TAKES_GZIP], 1024, False),
        ([GZIP], 5000, False),
        ([TAKES_GZIP], 5000, False),
        ([("grpc-encoding", "identity"), TAKES_GZIP], 5000, False),
        ([], 5000, False),
    ],
)
async def test_when_answers_are_packed(serve, service, dial, *, more, size, is_packed):
    """An answer is packed when it is over 1 KiB, the request's encoding was gzip, and the client says that it takes it."""
    service.unary = answering(bytes(size))
    client = await dial(await serve())
    client.call(1, UNARY, b"x", more=more)
    answer = await client.answer(1)
    assert answer.messages == [bytes(size)]
    assert (answer.body[0], len(answer.body) < size) == (is_packed, is_packed)


@pytest.mark.parametrize("path", [UNARY, COLLECT])
@pytest.mark.parametrize("size", [LIMIT + 1, 5_000_000])
async def test_a_bomb(serve, dial, path, size):
    """What is over the limit only once it is unpacked is refused; nobody unpacks more than the limit."""
    server = await serve(message_bytes=LIMIT)
    client = await dial(server)
    client.call(1, path, end=False, more=[GZIP])
    bomb = gzip.compress(gzip.compress(bytes(size)) if size > 100_000 else bytes(size))
    packed = bomb if len(bomb) <= LIMIT else gzip.compress(bytes(LIMIT * 500))[:LIMIT]
    client.data(1, message(packed, flag=1), end_stream=True)
    assert (await client.answer(1)).grpc_status == RESOURCE_EXHAUSTED
    assert server.statistics.limited["message_bytes"] == 1


async def test_unpacked_size_is_inclusive(serve, channel):
    """A packed message may unpack to the largest size."""
    call = (await channel(await serve(message_bytes=LIMIT))).unary_unary(UNARY)
    assert await call(bytes(LIMIT), compression=grpc.Compression.Gzip) == bytes(LIMIT)
    assert await code_of(call(bytes(LIMIT + 1), compression=grpc.Compression.Gzip)) == RESOURCE_EXHAUSTED


async def test_unknown_encoding(serve, dial):
    """An encoding that is not gzip is UNIMPLEMENTED, and the client is told which there are."""
    client = await dial(await serve())
    client.call(1, UNARY, b"x", more=[("grpc-encoding", "snappy")])
    answer = await client.answer(1)
    assert answer.grpc_status == UNIMPLEMENTED
    assert "gzip" in answer.headers.get("grpc-accept-encoding", "")


async def test_undecodable(serve, service, dial):
    """A message that the codec cannot decode is INTERNAL, and its text does not quote the input."""
    from stigmer.transport.codec import BytesCodec

    class Picky(BytesCodec):
        def decode(self, data, message_type):
            raise ValueError(f"cannot make anything of {data!r}")

    client = await dial(await serve(codec=Picky()))
    client.call(1, COLLECT, b"secret")
    answer = await client.answer(1)
    assert (answer.grpc_status, answer.grpc_message) == (INTERNAL, "the message cannot be decoded")


async def test_a_second_read(serve, service, channel):
    """The one message of a request is received once; then there is none."""
    received = []

    async def twice(stream):
        received.extend([await stream.recv_message(), await stream.recv_message()])
        await stream.send_message(b"")

    service.unary = twice
    assert await (await channel(await serve())).unary_unary(UNARY)(b"x") == b""
    assert received == [b"x", None]
