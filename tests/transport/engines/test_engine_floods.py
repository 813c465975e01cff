"""What every engine does about clients that send too much of what is not forbidden."""

import random

import pytest
from hyperframe.frame import DataFrame, PingFrame, PriorityFrame, SettingsFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM = 2, 8, 11
FLOOD = {INTERNAL_ERROR, ENHANCE_YOUR_CALM}
"""The codes that engines have for floods: libnghttp2 takes the first for resets."""
FEW = {"glitches_burst": 20, "glitches_per_second": 1, "resets_burst": 20, "resets_per_second": 1}


def resets(client, number):
    stream_id = 2 * number + 101
    return [client.headers(stream_id), client.reset(stream_id)]


def malformed(client, number):
    return [client.headers(2 * number + 101, [(b":method", b"POST")], end=True)]


def overflowing(client, number):
    """Streams that the client makes us reset."""
    stream_id = 2 * number + 101
    return [client.headers(stream_id), b"\0\0\x04\x08\0" + stream_id.to_bytes(4, "big") + b"\x7f\xff\xff\xff"]


FLOODS = {
    "resets": resets,
    "malformed requests": malformed,
    "empty DATA": lambda client, number: [DataFrame(1, b"")],
    "PRIORITY": lambda client, number: [PriorityFrame(1, depends_on=0, stream_weight=number % 256)],
    "unknown frames": lambda client, number: [b"\0\0\x01\x42\0\0\0\0\0x"],
    "streams that we have to reset": overflowing,
}


def flood(client, kind, count):
    """Sends it until the connection ends; of that, how many."""
    for number in range(count):
        for frame in FLOODS[kind](client, number):
            client.send(frame)
        client.read()
        if client.told.of("end"):
            return number + 1
    return count


@pytest.mark.parametrize("kind", FLOODS)
def test_floods_end_the_connection(connect, kind):
    """Soon after the limit the connection ends, with a code that says so; who is to blame can be told."""
    client = connect(**FEW).hello()
    client.request(1, end=False)
    assert flood(client, kind, 200) < 50
    (end,) = client.told.of("end")[0]
    assert len(client.told.of("end")) == 1
    assert client.told.of("goaway") == []
    if kind != "streams that we have to reset":
        assert end.code in FLOOD
        assert not end.by_peer


@pytest.mark.parametrize("kind", sorted(set(FLOODS) - {"streams that we have to reset"}))
def test_a_few_do_no_harm(connect, kind):
    """Below the limit all go on."""
    client = connect(**FEW).hello()
    client.request(1, end=False)
    assert flood(client, kind, 15) == 15
    assert client.is_alive()


UNREAD = {
    "PING": lambda: PingFrame(0, bytes(8)),
    "SETTINGS": lambda: SettingsFrame(0, settings={4: 70_000}),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
@pytest.mark.parametrize("kind", UNREAD)
def test_answers_that_are_not_read(client, kind, at_once):
    """Who has more than a thousand answers wait is sent away."""
    frame = UNREAD[kind]().serialize()
    if at_once:
        client.send(frame * 1200)
    else:
        for _ in range(1200):
            client.send(frame)
    assert client.ending() in FLOOD


@pytest.mark.parametrize("kind", UNREAD)
def test_answers_that_are_read(client, kind):
    """Those that are read do not count: how many there may be is for the sink to say, who is told of each."""
    frame = UNREAD[kind]().serialize()
    for _ in range(8):
        client.send(frame * 500)
        client.read()
    assert client.told.of("control") == [(1.0,)] * 4000
    assert client.is_alive()


def test_answers_are_bounded_without_reading(connect):
    """A client that does not read cannot have answers pile up: not more than it may have streams."""
    client = connect(streams=10).hello()
    client.told.react["on_request"] = lambda stream_id, *_: client.engine.respond(
        stream_id, ((b":status", b"200"), (b"x-padding", b"x" * 1000)), end=True
    )
    for stream_id in range(1, 1001, 2):
        client.send(client.headers(stream_id, end=True))
    assert len(client.engine.take()) < 40_000


def entries(count):
    return b"".join((0x100 + number).to_bytes(2, "big") + bytes(4) for number in range(count))


def settings(count):
    """SETTINGS with so many entries, none of them known."""
    return (6 * count).to_bytes(3, "big") + b"\x04\0\0\0\0\0" + entries(count)


def headers_of(client, count, size=10):
    """A request with so many more header fields."""
    return (*client.REQUEST, *((b"x-%d" % number, b"v" * size) for number in range(count)))


LIMITS = {
    "entries of SETTINGS": (
        {"settings_entries": 10},
        lambda client: [settings(10)],
        lambda client: [settings(12)],
    ),
    "CONTINUATIONs": (
        {"continuations": 8},
        lambda client: [client.pieces(1, [client.encoder.encode(client.REQUEST), *[b""] * 7])],
        lambda client: [client.pieces(1, [client.encoder.encode(client.REQUEST), *[b""] * 12])],
    ),
    "header fields": (
        {"header_fields": 50},
        lambda client: [client.headers(1, headers_of(client, 40))],
        lambda client: [client.headers(1, headers_of(client, 60))],
    ),
    "bytes of headers": (
        {"header_list_bytes": 4_000},
        lambda client: [client.headers(1, headers_of(client, 7, 900))],
        lambda client: [client.headers(1, headers_of(client, 9, 900))],
    ),
    "bytes of headers in an index": (
        {"header_list_bytes": 16_000, "header_fields": 1000},
        lambda client: [client.headers(1, [*client.REQUEST, *[(b"x-bomb", b"v" * 3_000)] * 10])],
        lambda client: [client.headers(1, [*client.REQUEST, *[(b"x-bomb", b"v" * 3_000)] * 500])],
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_frames_within_a_limit(connect, limit):
    """What is within the limit is taken."""
    limits, within, _ = LIMITS[limit]
    client = connect(**limits).hello()
    client.send(*within(client))
    assert client.is_alive()


@pytest.mark.parametrize("limit", LIMITS)
def test_frames_beyond_a_limit(connect, limit):
    """What is beyond ends the connection, and is not told."""
    limits, _, beyond = LIMITS[limit]
    client = connect(**limits).hello()
    client.send(*beyond(client))
    assert client.ending() in FLOOD
    assert client.told.of("request") == []
    assert not client.told.of("end")[0][0].by_peer


def test_continuations_without_end(client):
    """Header blocks that never end do not pile up."""
    block = client.encoder.encode(client.REQUEST)
    client.send(client.pieces(1, [block])[:9].replace(b"\x01\x04", b"\x01\x00", 1) + block)
    for _ in range(20):
        client.send(b"\0\x40\0\x09\0\0\0\0\x01" + b"\0\1x\0" * 4096)
    assert client.ending() in FLOOD | {1, 9}
    assert client.told.of("request") == []


def plausible(client, dice):
    """A frame of a client that does a bit of everything: it opens streams in order, and goes on with some of them."""
    top = max(client.windows)
    known = dice.randrange(1, top + 2, 2) if top else 1
    number = known.to_bytes(4, "big")
    if not top or dice.random() < 0.1:
        return client.headers(top + 1 | 1, end=dice.random() < 0.3)
    if dice.random() < 0.03:
        return client.headers(known, [(b"x-trailer", b"1")], end=True)
    return dice.choice(
        [
            *[DataFrame(known, bytes(dice.randrange(2000)), flags=["END_STREAM"] if dice.random() < 0.2 else [])] * 4,
            client.reset(known, dice.randrange(2**32)),
            PingFrame(0, bytes(8)),
            SettingsFrame(0, settings={1: dice.randrange(5000), 4: dice.randrange(2**17)}),
            b"\0\0\x04\x08\0\0\0\0\0" + dice.randrange(1, 2**16).to_bytes(4, "big"),
            b"\0\0\x04\x08\0" + number + dice.randrange(2**18).to_bytes(4, "big"),
            b"\0\0\x03\x42\xff" + number + b"abc",
        ]
    )


def broken(data, dice):
    """The bytes with some of them changed, as often as not."""
    damaged = bytearray(data)
    for _ in range(dice.choice([0, 0, 0, 0, 0, 0, 1, 3])):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    return bytes(damaged)


def calls_of_all_kinds(client, dice):
    """Calls the engine about a stream that is there, or not."""
    engine, stream_id = client.engine, dice.randrange(1, max(client.windows) + 4)
    dice.choice(
        [
            *[lambda: engine.respond(stream_id, client.RESPONSE, end=dice.random() < 0.3)] * 3,
            *[lambda: engine.send(stream_id, bytes(dice.randrange(100_000)))] * 2,
            lambda: engine.trailers(stream_id, client.TRAILERS),
            lambda: engine.reset(stream_id, dice.randrange(14)),
            lambda: engine.credit(stream_id, dice.randrange(4_000)),
            lambda: (engine.queued(stream_id), engine.queued_in_all(), engine.heal(), engine.parting()),
            lambda: engine.ping() if dice.random() < 0.2 else None,
            lambda: engine.goaway(0) if dice.random() < 0.02 else engine.notice() if dice.random() < 0.02 else None,
            *[lambda: engine.take(dice.choice([None, 0, 100, 100_000]))] * 3,
        ]
    )()


@pytest.mark.parametrize("seed", range(60))
def test_anything(connect, seed, caplog):
    """Whatever comes and whatever is called, nothing raises, every stream is closed at most once, and the end comes once."""
    dice = random.Random(seed)
    client = connect()
    damages = seed % 2
    client.send(PREFACE, SettingsFrame(0), SettingsFrame(0, flags=["ACK"]))
    for _ in range(300):
        frame = plausible(client, dice)
        data = frame if isinstance(frame, bytes) else frame.serialize()
        client.send(broken(data, dice) if damages else data)
        calls_of_all_kinds(client, dice)
    client.engine.take()
    names = [event.name for event in client.told.events]
    assert names.count("end") <= 1
    assert "end" not in names[:-1]
    opened, closed = ([stream_id for stream_id, *_ in client.told.of(name)] for name in ("request", "closed"))
    assert len(set(opened)) == len(opened)
    assert len(set(closed)) == len(closed)
    assert client.engine.queued_in_all() >= 0
    assert caplog.records == []


@pytest.mark.parametrize("seed", range(10))
def test_noise(connect, seed, caplog):
    """Bytes that mean nothing end the connection, and raise nothing."""
    dice = random.Random(seed)
    client = connect()
    client.send(PREFACE, SettingsFrame(0))
    for _ in range(100):
        client.send(dice.randbytes(dice.randrange(1, 400)))
        client.engine.take()
    assert len(client.told.of("end")) == 1
    assert caplog.records == []
