"""Where an HTTP/2 server falls into a trap: each of these tests fails without what keeps ours out of it."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    MAGIC,
    PING,
    RST_STREAM,
    frame,
    grpc_request,
    header_block,
    message,
)

from stigmer.transport.limits import Limits
from stigmer.transport.statistics import EVENTS

from .client import DEFAULT_WINDOW, INITIAL_WINDOW
from .service import CHAT, COLLECT, UNARY, answering, count, until

KIB, MIB = 1024, 1024 * 1024
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM = 0, 1, 2, 11
MAX_HEADER_LIST_SIZE = 6
FATAL = {
    "no SETTINGS after the magic": MAGIC + frame(PING, 0, 0, bytes(8)),
    "CONTINUATION without end": MAGIC
    + frame(4, 0, 0)
    + frame(HEADERS, 0, 1, header_block(grpc_request(UNARY)))
    + frame(CONTINUATION, 0, 1) * 20,
}


def complaints(caplog):
    """What was logged with a traceback, or as an error."""
    return [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


@pytest.mark.parametrize("begins", FATAL)
async def test_goaway_after_a_fatal_frame(serve, dial, begins):
    """Trap 1: input for which ngh2 raises and offers no GOAWAY is still told GOAWAY; it is made by hand (``parting``)."""
    client = await dial(await serve(), silent=True)
    client.write(FATAL[begins])
    assert await client.wait_closed()
    assert len(client.goaways) == 1
    assert client.goaways[0][1] in {PROTOCOL_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM}
    assert client.rest == b""


async def test_answers_to_a_dead_session(serve, service, dial, caplog):
    """Trap 2: a call that is answered when its session has died with the same bytes raises nothing (``_GONE``)."""
    server = await serve()
    client = await dial(server)
    calls = b"".join(
        frame(HEADERS, END_HEADERS, stream, header_block(grpc_request(path))) + frame(DATA, 1, stream, message(b"x"))
        for stream, path in ((1, UNARY), (3, COLLECT), (5, "/no/such"))
    )
    client.write(calls + frame(DATA, 0, 0, b"on no stream") + frame(PING, 0, 0, bytes(8)))
    assert await client.wait_closed()
    assert client.goaways[-1][1] == PROTOCOL_ERROR
    await until(lambda: server.statistics.calls == 0)
    assert complaints(caplog) == []


async def test_handlers_of_a_dead_session(serve, service, dial, caplog):
    """Trap 2, later: a handler that answers after its connection was ended raises nothing either."""
    service.unary = service.stubborn
    server = await serve()
    client = await dial(server)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    client.write(frame(DATA, 0, 0, b"on no stream"))
    assert await client.wait_closed()
    service.go_on.set()
    await until(lambda: server.statistics.calls == 0)
    assert complaints(caplog) == []


@pytest.mark.parametrize("size", [0, 100 * KIB])
async def test_the_answer_comes_before_the_reset(serve, service, dial, size):
    """Trap 3: an early answer goes out whole before the RST_STREAM that would overtake it (``linger``)."""

    async def early(stream):
        if size:
            await stream.send_message(bytes(size))

    service.chat = early
    client = await dial(await serve(), {INITIAL_WINDOW: 20 * KIB})
    client.window_update(0, 2 * MIB)
    client.call(1, CHAT if size else "/no/such", end=False)
    assert await client.wait(lambda: bool(client.seen(1).headers))
    assert await client.ping()
    client.window_update(1, 2 * MIB)
    answer = await client.answer(1)
    assert answer.grpc_status == (0 if size else 12)
    assert len(b"".join(answer.messages)) == size
    assert await client.wait(lambda: answer.rst_code is not None)
    assert answer.rst_code == NO_ERROR
    assert client.kinds(1)[-2:] == [HEADERS, RST_STREAM]


async def test_the_goaway_of_go(serve, dial, caplog):
    """Trap 4: the GOAWAY with which grpc-go closes, an error to nghttp2, is neither logged nor counted nor held against it."""
    caplog.set_level(logging.INFO)
    server = await serve(offences_burst=1, offences_per_second=0.001)
    for _ in range(3):
        client = await dial(server)
        client.call(1, UNARY, b"x")
        assert (await client.answer(1)).messages == [b"x"]
        client.frame(GOAWAY, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4))
        assert await client.wait_closed()
    assert [name for name, times in server.statistics.limited.items() if times] == []
    assert [record for record in caplog.records if record.name == "stigmer.transport"] == []


async def test_large_headers_cost_one_call(serve, dial):
    """Trap 5: headers over the limit that clients are told end their call, not the connection (the soft limit)."""
    server = await serve()
    limit = server.serving.limits.header_list_bytes
    client = await dial(server)
    assert client.settings[MAX_HEADER_LIST_SIZE] == limit
    client.call(1, UNARY, b"x", more=[(f"field-{each:03}", "x" * 90) for each in range(limit // 128)])
    assert (await client.answer(1)).grpc_status == 8
    client.call(3, UNARY, b"next")
    assert (await client.answer(3)).messages == [b"next"]
    assert server.statistics.limited["header_list_bytes"] == 1


async def test_windows_before_they_are_acknowledged(serve, service, dial):
    """Trap 6: until a client has acknowledged SETTINGS it may send 65,535 bytes, though they name a smaller window."""

    async def later(stream):
        await service.go_on.wait()
        await count(stream)

    service.collect = later
    server = await serve(stream_window=16 * KIB)
    client = await dial(server, silent=True, polite=False)
    client.preface()
    client.call(1, COLLECT, end=False)
    body = message(bytes(DEFAULT_WINDOW - 5))
    for start in range(0, len(body), 16 * KIB):
        client.data(1, body[start : start + 16 * KIB], end_stream=start + 16 * KIB >= len(body))
    assert await client.ping()
    service.go_on.set()
    assert (await client.answer(1)).messages == [b"%d" % (DEFAULT_WINDOW - 5)]
    assert client.goaways == []


async def test_no_huge_piece_of_output(serve, service, dial, connection):
    """Trap 7: of megabytes that a client lets come but does not read, little is taken from the engine (``_CHUNK``)."""
    service.unary = answering(bytes(2 * MIB))
    server = await serve()
    client = await dial(server, {INITIAL_WINDOW: 2**31 - 1})
    client.window_update(0, 2**31 - 1 - DEFAULT_WINDOW)
    client._writer.transport.pause_reading()
    for stream in range(1, 41, 2):
        client.call(stream, UNARY, b"x")
    found = await connection(server)
    await until(lambda: found._paused and not server.statistics.calls)
    assert found._transport.get_write_buffer_size() < 512 * KIB
    assert server.statistics.answer_bytes > 20 * MIB


@pytest.mark.parametrize("kind", [GOAWAY, RST_STREAM])
async def test_codes_of_the_client_s_own(serve, service, dial, kind):
    """Trap 8: an error code that a client makes up becomes no name of anything that is counted."""
    service.unary = service.waiting
    server = await serve()
    names = set(server.statistics.limited)
    client = await dial(server)
    client.call(1, UNARY, b"x")
    await service.called.wait()
    code = 0xDEADBEEF.to_bytes(4, "big")
    client.frame(*((GOAWAY, 0, 0, bytes(4) + code) if kind == GOAWAY else (RST_STREAM, 0, 1, code)))
    assert await client.ping() or client.closed
    service.go_on.set()
    await until(lambda: server.statistics.calls == 0)
    assert set(server.statistics.limited) == names == {*Limits.texts(), *EVENTS, "offences"}
    assert sum(server.statistics.limited.values()) == 0


def test_ngh2_checks_itself():
    """Trap 9: libnghttp2 is built with its assertions: a broken invariant ends the process, which somebody starts again."""
    import ngh2._core as core

    if sys.platform != "linux":
        pytest.skip("its name differs elsewhere")
    assert b"__assert_fail" in Path(core.__file__).read_bytes()


async def refusing(stream):
    raise GRPCError(Status.PERMISSION_DENIED, "no")


async def test_the_window_leak(serve, service, dial, connection):
    """What resets cut off of DATA frames is given back to the connection's window, which would end at zero (``heal``)."""
    service.collect = refusing
    server = await serve(stream_window=64 * KIB, connection_window=64 * KIB)
    client = await dial(server)
    found = await connection(server)
    for stream in range(1, 61, 2):
        assert client.windows[0] > 10_000, f"the window is at its end on stream {stream}"
        await _cut_upload(client, stream)
        found.tick(time.monotonic())
        assert await client.ping()
    service.collect = count
    client.call(99, COLLECT, end=False)
    assert await client.upload(99, message(bytes(200 * KIB)))
    assert (await client.answer(99)).messages == [b"%d" % (200 * KIB)]
    assert (server.statistics.limited["window_healed"] > 0) == (type(found.engine).__name__ == "Ngh2Engine")


async def _cut_upload(client, stream):
    """Half of a DATA frame, a reset by the server, and then the other half."""
    client.headers(stream, grpc_request(COLLECT))
    client.windows[0] -= 16_000
    whole = frame(DATA, 0, stream, message(bytes(15_995)))
    client.write(whole[:10_000])
    assert (await client.answer(stream)).grpc_status == 7
    assert await client.wait(lambda: client.seen(stream).rst_code is not None)
    client.write(whole[10_000:])
    assert await client.ping()
