"""Every limit has a number, a text, and a consequence; each consequence is counted, and logged sparingly."""

from __future__ import annotations

import dataclasses
import logging
import math

import pytest
from raw_http2 import PING, message

from stigmer.transport.limits import Limits
from stigmer.transport.server import Server
from stigmer.transport.statistics import EVENTS, Statistics

from .client import INITIAL_WINDOW
from .service import CHAT, COLLECT, POUR, UNARY, until

NAMES = [field.name for field in dataclasses.fields(Limits)]
RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, REFUSED_STREAM, ENHANCE_YOUR_CALM = 8, 4, 7, 11
RARE = {"per_second": 0.001}


@pytest.fixture
def quick_ticks(monkeypatch):
    """Connections are looked after fifty times a second."""
    monkeypatch.setattr("stigmer.transport.server._TICK", 0.02)


# Values


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_positive(name, value):
    """A limit that is not positive is refused by its name."""
    with pytest.raises(ValueError, match=f"^{name} must be positive$"):
        Limits(**{name: value})


def test_contradictions():
    """A stream cannot have a larger window than its connection."""
    with pytest.raises(ValueError, match="stream_window must not be larger"):
        Limits(stream_window=100_000, connection_window=99_999)


def test_texts():
    """Each limit has a text, and is counted by its name; so is each event, under a name of its own."""
    texts = Limits.texts()
    assert list(texts) == NAMES
    assert [name for name, text in {**texts, **EVENTS}.items() if len(text) < 10 or text.endswith(".")] == []
    assert set(Statistics().limited) == {*texts, *EVENTS, "offences"}
    assert len(Statistics().limited) == len(texts) + len(EVENTS) + 1


def test_limits_do_not_change():
    """Limits are fixed once they are made."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().calls = 5


async def test_the_server_s_default(service):
    """A server without limits of its own has sound ones, not none."""
    assert Server([service]).serving.limits == Limits()


# What happens beyond: connections


@pytest.mark.parametrize(
    ("name", "more"),
    [("connections", {}), ("connections_per_address", {}), ("connects_burst", {"connects_per_second": 0.001})],
)
async def test_connections(serve, dial, name, more):
    """A connection too many is closed at once; those before it go on."""
    server = await serve(**{name: 2, **more})
    kept = [await dial(server) for _ in range(2)]
    refused = await dial(server, silent=True)
    assert await refused.wait_closed()
    assert not refused.received
    assert server.statistics.limited[name] == 1
    for client in kept:
        client.call(1, UNARY, b"x")
        assert (await client.answer(1)).messages == [b"x"]


@pytest.mark.parametrize("name", ["connections", "connections_per_address"])
async def test_places_are_given_back(serve, dial, name):
    """When a client leaves, the next one gets its place."""
    server = await serve(**{name: 1})
    for _ in range(3):
        client = await dial(server)
        await client.close()
        await until(lambda: server.statistics.connections == 0)
    assert server.statistics.limited[name] == 0


# What happens beyond: calls


@pytest.mark.parametrize("name", ["calls", "calls_per_address", "calls_per_connection"])
async def test_calls(serve, service, dial, name):
    """A call too many is refused in the way that lets clients repeat it; with the end of another there is room again."""
    service.unary = service.waiting
    server = await serve(**{name: 2})
    client = await dial(server)
    for stream in (1, 3, 5):
        client.call(stream, UNARY, b"x")
    assert (await client.answer(5)).rst_code == REFUSED_STREAM
    assert server.statistics.calls == len(service.begun) == 2
    assert server.statistics.limited[name] == 1
    service.go_on.set()
    await until(lambda: server.statistics.calls == 0)
    client.call(7, UNARY, b"y")
    assert (await client.answer(7)).messages == [b"y"]


async def test_calls_of_others(serve, service, dial):
    """What one connection may not have more of, another still may."""
    service.unary = service.waiting
    server = await serve(calls_per_connection=1)
    for _ in range(2):
        client = await dial(server)
        client.call(1, UNARY, b"x")
    await until(lambda: len(service.begun) == 2)


async def test_cancelled_calls_count_until_they_end(serve, service, dial):
    """A handler that goes on after its call was cancelled keeps its place: resets make no room for more work."""
    service.unary = service.stubborn
    server = await serve(calls_per_connection=2)
    client = await dial(server)
    for stream in (1, 3):
        client.call(stream, UNARY, b"x")
    await until(lambda: server.statistics.calls == 2)
    for stream in (1, 3):
        client.reset(stream)
    client.call(5, UNARY, b"x")
    assert (await client.answer(5)).rst_code == REFUSED_STREAM
    assert server.statistics.streams == 0
    service.go_on.set()
    await until(lambda: server.statistics.calls == 0)


async def test_streams(serve, service, dial):
    """Clients are told how many streams they may open; one too many is refused."""
    service.unary = service.waiting
    server = await serve(streams=2)
    client = await dial(server)
    assert client.settings[3] == 2
    for stream in (1, 3, 5):
        client.call(stream, UNARY, b"x")
    answer = await client.answer(5)
    assert answer.rst_code == REFUSED_STREAM or answer.goaway == 1
    assert b"x" not in answer.body


async def test_windows(serve, dial):
    """Clients are told the windows that there are."""
    client = await dial(await serve(stream_window=70_000, connection_window=90_000))
    assert client.settings[INITIAL_WINDOW] == 70_000
    assert await client.wait(lambda: client.windows[0] == 90_000)


@pytest.mark.parametrize("size", [1, 1000, 65_535])
async def test_small_windows(serve, dial, size):
    """Windows may be smaller than HTTP/2's own."""
    client = await dial(await serve(stream_window=size, connection_window=size))
    client.call(1, COLLECT, end=False)
    assert await client.upload(1, message(b"x" * 50))
    assert (await client.answer(1)).messages == [b"50"]


# What happens beyond: headers


async def test_headers_over_the_limit(serve, dial):
    """Headers over the limit are RESOURCE_EXHAUSTED, up to twice the limit; the call beside it is served."""
    server = await serve(header_list_bytes=500)
    client = await dial(server)
    client.call(1, UNARY, b"x", more=[("large", "x" * 300)])
    client.call(3, UNARY, b"y")
    answer = await client.answer(1)
    assert (answer.grpc_status, answer.grpc_message) == (RESOURCE_EXHAUSTED, "the headers are larger than 500 bytes")
    assert (await client.answer(3)).messages == [b"y"]
    assert server.statistics.limited["header_list_bytes"] == 1


# What happens beyond: time


async def _silent(client):
    """Nothing at all."""


async def _greeted(client):
    client.preface()


async def _called(client):
    client.preface()
    client.call(1, UNARY, b"x")
    await client.answer(1)


async def _called_and_deaf(client):
    """An open call, and no answer to a PING."""
    client.preface()
    client.call(1, CHAT, end=False)
    client.data(1, message(b"x"))
    await client.flush()


@pytest.mark.parametrize(
    ("name", "client_does", "code", "more"),
    [
        ("preface_seconds", _silent, ENHANCE_YOUR_CALM, {}),
        ("first_request_seconds", _greeted, 0, {}),
        ("idle_seconds", _called, 0, {}),
        ("age_seconds", _called, 0, {}),
        ("keepalive_timeout_seconds", _called_and_deaf, 0, {"keepalive_seconds": 0.05}),
    ],
)
async def test_times_of_connections(serve, service, dial, quick_ticks, *, name, client_does, code, more):
    """A connection that does not do in time what it must is told GOAWAY, and closed."""
    service.chat = service.waiting
    server = await serve(**{name: 0.1, **more})
    client = await dial(server, silent=True, polite=False)
    await client_does(client)
    assert await client.wait_closed()
    assert client.goaways[-1][1] == code
    assert server.statistics.limited[name] == 1
    await until(lambda: server.statistics.calls == 0)


async def test_keepalive(serve, service, dial, quick_ticks):
    """A silent client with open calls is sent a PING, and stays as long as it answers."""
    service.chat = service.waiting
    server = await serve(keepalive_seconds=0.05, keepalive_timeout_seconds=0.5)
    client = await dial(server)
    client.call(1, CHAT, end=False)
    client.data(1, message(b"x"))
    before = client.received[PING]
    assert await client.wait(lambda: client.received[PING] >= before + 3)
    assert sum(server.statistics.limited.values()) == 0


@pytest.mark.parametrize("name", ["default_deadline_seconds", "largest_deadline_seconds"])
async def test_times_of_calls(serve, service, dial, name):
    """A unary call has a deadline, whether its client gives one or not, which is counted when it is ours."""
    service.unary = service.waiting
    server = await serve(**{name: 0.05})
    client = await dial(server)
    client.call(1, UNARY, b"x", more=[("grpc-timeout", "1H")] if name.startswith("largest") else [])
    assert (await client.answer(1)).grpc_status == DEADLINE_EXCEEDED
    assert server.statistics.limited[name] == 1


# Counting and logging


def test_one_line_a_second(caplog):
    """A limit that is reached thousands of times is logged once a second, with how often it was kept back."""
    caplog.set_level(logging.INFO)
    now = [100.0]
    statistics = Statistics(clock=lambda: now[0])
    for _ in range(5000):
        statistics.reached("calls", "192.0.2.1")
        now[0] += 0.0005
    assert statistics.limited["calls"] == 5000
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "calls: reached by 192.0.2.1"
    assert len(lines) == 3
    assert lines[1].endswith(", and 1999 times more since the last such line")


def test_each_kind_has_its_line(caplog):
    """One limit does not silence another; what is routine is logged more quietly than what is not."""
    caplog.set_level(logging.INFO)
    statistics = Statistics(clock=lambda: 100.0)
    for name in ("calls", "idle_seconds", "calls", "protocol_error"):
        statistics.reached(name, "")
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert told == [
        (logging.WARNING, "calls: reached by a local client"),
        (logging.INFO, "idle_seconds: reached by a local client"),
        (logging.INFO, "protocol_error: reached by a local client"),
    ]


def test_what_is_not_logged_is_counted(caplog):
    """Counting does not depend on logging."""
    caplog.set_level(logging.ERROR)
    statistics = Statistics()
    statistics.reached("calls", "x")
    assert statistics.limited["calls"] == 1
    assert caplog.records == []


async def test_what_there_is_now(serve, service, dial):
    """The counters say what is open and running now."""
    service.unary = service.waiting
    server = await serve()
    clients = [await dial(server) for _ in range(2)]
    for client in clients:
        client.call(1, UNARY, b"x")
        client.call(3, POUR, end=False)
    await until(lambda: server.statistics.streams == 4)
    assert (server.statistics.connections, server.statistics.calls) == (2, 2)
    service.go_on.set()
    await until(lambda: (server.statistics.streams, server.statistics.calls) == (2, 0))
