"""No odd request is left unanswered, ends its connection without need, harms others or leaves anything behind."""

import asyncio
import logging

import pytest
from probe import ECHO, HELLO, body, call, head, outcome, run
from probed import MESSAGE_BYTES, make
from probes import PROBES
from raw_http2 import RawClient, message

SECONDS = 5
NOW = ("connections", "calls", "streams", "request_bytes", "answer_bytes")
"""What the server counts of the present."""
PIECE = 16 * 1024
RESERVED = 2**31
"""The bit of a stream's number that means nothing."""
REFUSED = {
    "path unknown": head(path="/bench.Echo/Nope"),
    "no gRPC": head(1, (), {"content-type": "text/html"}),
    "GET": head(1, (), {":method": "GET"}),
    "deadline malformed": head(1, [("grpc-timeout", "x")]),
    "deadline over": head(1, [("grpc-timeout", "0S")]),
    "flag unknown": head() + body(1, message(flag=7), end=False),
    "message too large": head() + body(1, message(length=MESSAGE_BYTES + 1), end=False),
}
"""Calls that are refused before their bodies are there."""


@pytest.fixture(params=["ngh2", "h2"])
async def server(request):
    """A server on a free port, with each engine."""
    server = make(request.param)
    await server.start("127.0.0.1", 0)
    yield server
    server.close()
    await server.wait_closed()


@pytest.fixture
def address(server):
    """Its host and port."""
    host, _, port = server.addresses[0].rpartition(":")
    return host, int(port)


@pytest.fixture
async def client(address):
    """A client of it, which has said hello."""
    async with await RawClient.connect(*address) as client:
        client.preface()
        yield client


@pytest.fixture
def errors(caplog):
    """Gives what was logged of errors, by whomever."""
    return lambda: [r.getMessage() for r in caplog.records if r.exc_info or r.levelno >= logging.ERROR]


async def left_behind(server):
    """What the server still counts once it has had time to notice that all clients are gone."""
    clock = asyncio.get_running_loop().time
    end = clock() + SECONDS
    while left := {name: count for name in NOW if (count := getattr(server.statistics, name))}:
        if clock() > end:
            return left
        await asyncio.sleep(0.001)
    return {}


def on_stream(stream, frames):
    """Frames of stream 1, those of another stream."""
    moved = b""
    while frames:
        size = 9 + int.from_bytes(frames[:3], "big")
        there = int.from_bytes(frames[5:9], "big")
        by = stream - 1 if there & RESERVED - 1 == 1 else 0
        moved += frames[:5] + (there + by).to_bytes(4, "big") + frames[9:size]
        frames = frames[size:]
    return moved


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
async def test_odd_requests(probe, server, address, errors):
    """An odd request is answered as grpc-go or the RFC does, harms nobody, and is no error of the server's."""
    assert (await run(probe, *address)).faults == []
    assert await left_behind(server) == {}
    assert errors() == []


async def test_all_at_once(server, address, errors):
    """Odd requests do not harm each other either."""
    waiting = list(PROBES)
    faults = {}

    async def client():
        while waiting:
            probe = waiting.pop()
            faults[probe.name] = (await run(probe, *address)).faults

    await asyncio.gather(*(client() for _ in range(20)))
    assert {name: found for name, found in faults.items() if found} == {}
    assert await left_behind(server) == {}
    assert errors() == []


async def test_all_on_one_connection(server, client, errors):
    """A connection outlives all odd requests that are answered."""
    alone = [probe for probe in PROBES if probe.stream == 1 and probe.keeps and probe.preface and not probe.first]
    answered = [probe for probe in alone if all(text.startswith(("grpc", "http")) for text in probe.expects)]
    wrong = {}
    for number, probe in enumerate(answered):
        client.write(on_stream(2 * number + 1, probe.sends))
        found = outcome(await client.answer(2 * number + 1))
        if found not in probe.expects:
            wrong[probe.name] = found
    await client.close()
    assert wrong == {}
    assert len(answered) > 60
    assert await left_behind(server) == {}
    assert errors() == []


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_bodies_of_refused_calls(refused, late, server, client, errors):
    """What is still sent for calls that are refused does not use up the connection's window."""
    for stream in range(1, 201, 2):
        client.write(on_stream(stream, refused))
        if late:
            assert (await client.answer(stream)).ended
        client.data(stream, bytes(PIECE), end_stream=True)
        assert await client.ping()
    client.write(call(201))
    assert outcome(await client.answer(201)) == ECHO
    await client.close()
    assert await left_behind(server) == {}
    assert errors() == []


async def test_answer_before_the_end_of_the_request(client):
    """A call that was answered early is then reset without an error, so that the client need not send the rest."""
    client.write(head(path="/bench.Echo/Nope") + body(1, HELLO, end=False))
    assert outcome(await client.answer(1)) == "grpc 12"
    assert await client.wait(lambda: client.seen(1).rst_code == 0)


def test_the_table():
    """Each odd request has a name of its own and an answer, and a reason where several outcomes will do."""
    assert len({probe.name for probe in PROBES}) == len(PROBES) > 60
    assert [probe.name for probe in PROBES if not probe.expects or "nothing" in probe.expects] == []
    assert [probe.name for probe in PROBES if len(probe.expects) > 1 and not probe.why] == []
