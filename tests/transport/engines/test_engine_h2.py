"""What only the engine on h2 has to see to."""

import gc
import logging
import tracemalloc

import pytest
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame, PriorityFrame, SettingsFrame

from stigmer.transport.engine import load
from stigmer.transport.h2_engine.closed import ClosedStreams, Closing
from stigmer.transport.h2_engine.engine import H2Engine
from stigmer.transport.h2_engine.outbox import Exchange, Outbox

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PROTOCOL_ERROR, INTERNAL_ERROR, STREAM_CLOSED, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 1, 2, 5, 8, 9, 11
MANY = {"resets_burst": 10**6, "glitches_burst": 10**6}


@pytest.fixture
def name():
    """This engine alone."""
    return "h2"


def test_it_is_found_by_name():
    """The name in the settings leads to it."""
    assert load("h2") is H2Engine


def test_a_large_frame_is_read_in_one_piece(connect):
    """What a frame that has begun lacks is asked for at once; between frames it is little."""
    client = connect().hello()
    little = client.engine.turn
    whole = DataFrame(1, bytes(16_000)).serialize()
    client.send(client.headers(1), whole[:9])
    assert client.engine.turn == 16_000
    client.send(whole[9:5000])
    assert client.engine.turn == len(whole) - 5000
    client.send(whole[5000:], whole[:5])
    assert client.engine.turn == little < 5000


def reset_streams(client, numbers):
    """Streams that are opened and given up, refused, malformed, or answered."""
    for number in numbers:
        stream_id = 8 * number + 1
        client.send(client.headers(stream_id), client.reset(stream_id))
        client.send(client.headers(stream_id + 2, [(b":method", b"POST")], end=True))
        client.request(stream_id + 4)
        client.answer(stream_id + 4, b"x")
        client.send(client.headers(stream_id + 6))
        client.engine.reset(stream_id + 6, CANCEL)
        client.engine.take()
        client.told.events.clear()
        client.windows.clear()


def test_closed_streams_leave_nothing(connect):
    """However many streams come and go, the engine grows no larger."""
    client = connect(**MANY).hello()
    reset_streams(client, range(200))
    tracemalloc.start()
    try:
        reset_streams(client, range(200, 220))
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        reset_streams(client, range(220, 820))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_settings_that_nobody_knows_leave_nothing(connect):
    """A client cannot fill our memory with settings of numbers without meaning."""
    client = connect().hello()
    tracemalloc.start()
    try:
        for start in range(0x100, 0x6100, 32):
            client.send(SettingsFrame(0, settings=dict.fromkeys(range(start, start + 32), 1)).serialize())
            client.engine.take()
        client.told.events.clear()
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 50_000


def test_a_table_of_any_size(client):
    """Whatever table the client offers, and however often, ours stays small and answers can be read."""
    for size in (2**32 - 1, 0, 100, 4096, 0, 1_000_000):
        client.send(b"\0\0\x06\x04\0\0\0\0\0\0\x01" + size.to_bytes(4, "big"))
    for stream_id in range(1, 201, 2):
        client.request(stream_id)
        client.answer(stream_id, headers=(*client.RESPONSE, (b"x-random", b"%d" % stream_id * 100)))
        assert client.read_all().heads(stream_id)[0][b"x-random"] == b"%d" % stream_id * 100
    encoder = client.engine._session._h2.encoder
    assert encoder.header_table_size == 4096
    assert encoder.table_size_changes == []


def test_table_sizes_do_not_pile_up(client):
    """Between two answers the table may change its size often; the client is told of two sizes at most."""
    for _ in range(200):
        client.send(SettingsFrame(0, settings={1: 0}), SettingsFrame(0, settings={1: 4000}))
        client.engine.take()
    client.request(1)
    client.answer(1)
    assert client.engine._session._h2.encoder.table_size_changes == [0, 4000]
    assert client.read_all().heads(1) == [dict(client.RESPONSE), dict(client.TRAILERS)]


def ended(client):
    client.request(1)
    client.answer(1)
    client.read_all()


def reset_by_client(client):
    client.request(1, end=False)
    client.send(client.reset(1))


LATE = {
    "DATA after both have ended": (ended, DataFrame(1, b"x"), (STREAM_CLOSED, {})),
    "HEADERS after both have ended": (ended, HeadersFrame(1, b"\x82", flags=["END_HEADERS"]), (STREAM_CLOSED, {})),
    "DATA after the client's reset": (reset_by_client, DataFrame(1, b"x"), (None, {1: STREAM_CLOSED})),
    "HEADERS after the client's reset": (
        reset_by_client,
        HeadersFrame(1, b"\x82", flags=["END_HEADERS"]),
        (None, {1: STREAM_CLOSED}),
    ),
    "a stream that was passed": (
        lambda client: client.request(5),
        HeadersFrame(3, b"\x82", flags=["END_HEADERS"]),
        (PROTOCOL_ERROR, {}),
    ),
    "PRIORITY of no stream": (lambda client: None, b"\0\0\x05\x02\0\0\0\0\0" + bytes(5), (PROTOCOL_ERROR, {})),
    "PRIORITY that is too short": (lambda client: None, b"\0\0\x04\x02\0\0\0\0\x01" + bytes(4), (6, {})),
    "WINDOW_UPDATE of 0 for a stream": (
        lambda client: client.request(1),
        b"\0\0\x04\x08\0\0\0\0\x01" + bytes(4),
        (None, {1: PROTOCOL_ERROR}),
    ),
}


@pytest.mark.parametrize("what", LATE)
def test_rules_to_the_letter(client, what):
    """Where libnghttp2 is lenient, RFC 9113 is kept to the letter."""
    prepare, frame, (code, resets) = LATE[what]
    prepare(client)
    client.send(frame)
    frames = client.read_all()
    assert frames.resets() == resets
    assert [found for _, found in frames.goaways()] == ([] if code is None else [code])
    assert len(client.told.of("end")) == len(frames.goaways())


def test_the_reserved_bit_of_a_window_update(client):
    """It means nothing."""
    client.request(1)
    client.send(b"\0\0\x04\x08\0\0\0\0\0\x80\0\0\x0a")
    assert client.is_alive()


def test_credit_for_more_than_came(client):
    """A window never grows beyond what it was."""
    client.request(1, data=bytes(200_000), end=False)
    for _ in range(10):
        client.engine.credit(1, 10**9)
        client.engine.credit(1, -5)
    client.read_all()
    assert client.windows[1] <= client.limits.stream_window
    assert client.windows[0] <= client.limits.connection_window


@pytest.mark.parametrize("call", ["respond", "send", "trailers"])
def test_calls_out_of_order(client, call):
    """An answer has one head, which comes first, and nothing after its trailers."""
    calls = {
        "respond": lambda: client.engine.respond(1, client.RESPONSE),
        "send": lambda: client.engine.send(1, b"x"),
        "trailers": lambda: client.engine.trailers(1, client.TRAILERS),
    }
    client.request(1)
    if call != "respond":
        assert not calls[call]()
    client.answer(1)
    assert not calls[call]()
    assert client.read_all().ended() == [1]


def test_the_sink_may_take_while_it_is_told(client):
    """What is taken while streams are closed comes behind what was being taken."""
    inner = []
    client.told.react["on_closed"] = lambda *_: (client.engine.ping(), inner.append(client.engine.take()))
    client.request(1)
    client.answer(1, b"x")
    assert client.read().body(1) == b"x"
    assert inner == [b""]
    assert len(client.read().of(PingFrame)) == 1


def test_a_sink_that_fails(client, caplog):
    """A failure of ours ends the connection, is logged, and goes no further."""

    def fail(*_):
        raise RuntimeError("of the sink")

    client.told.react["on_request"] = fail
    with caplog.at_level(logging.ERROR):
        client.request(1)
    assert client.ending() == INTERNAL_ERROR
    assert "of the sink" in caplog.text


def test_an_answer_that_cannot_be_written(client, caplog):
    """Headers that are no bytes end the connection: half of them may be in the table already."""
    client.request(1)
    client.engine.respond(1, ((b":status", b"200"), ([], ())))
    with caplog.at_level(logging.ERROR):
        assert client.ending() == INTERNAL_ERROR


def test_priority_counts_as_control(client):
    """PRIORITY is told with its weight."""
    client.send(PriorityFrame(1, depends_on=0), PriorityFrame(3, depends_on=3))
    assert client.told.of("control") == [(1.0,), (1.0,)]


def test_a_second_goaway(client):
    """The sink is told once that the client goes."""
    client.send(client.goaway(last=2**31 - 1), client.goaway())
    assert client.told.of("goaway") == [()]


def test_ignored_streams_are_counted(connect):
    """Who goes on opening streams after GOAWAY is sent away."""
    client = connect(glitches_burst=20).hello()
    client.engine.goaway()
    for stream_id in range(1, 101, 2):
        client.send(client.headers(stream_id, end=True))
    assert client.told.of("end")[0][0].code == ENHANCE_YOUR_CALM


BLOCKS = {
    "too large": (lambda client: client.headers(3, [(b"x-bomb", b"v" * 3_000)] * 30, end=True), ENHANCE_YOUR_CALM),
    "none": (lambda client: b"\0\0\x02\x01\x05\0\0\0\x03\xff\xff", COMPRESSION_ERROR),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_ignored_header_blocks_are_read(client, block):
    """The header block of a stream that is ignored is held to the same rules: the table must stay in step."""
    make, code = BLOCKS[block]
    client.engine.goaway()
    client.read()
    client.send(make(client))
    assert client.ending() == code


def test_a_head_that_no_client_takes(client):
    """A head that is too large gives its stream up at once."""
    client.request(1)
    assert not client.engine.respond(1, [(b":status", b"200"), (b"x-large", b"x" * 70_000)])
    assert client.read_all().resets() == {1: INTERNAL_ERROR}
    assert client.told.of("closed") == [(1, INTERNAL_ERROR)]


def test_closed_streams():
    """The last ones are remembered; of earlier ones nothing bad is said, and numbers that were passed are known."""
    closed = ClosedStreams(keep=2)
    for stream_id, closing in ((3, Closing.ENDED), (5, Closing.BY_CLIENT), (9, Closing.ENDED)):
        closed.add(stream_id, closing)
    assert [closed.closing(stream_id) for stream_id in (1, 3, 5, 7, 9)] == [
        *(Closing.BY_US, Closing.BY_US),
        *(Closing.BY_CLIENT, Closing.NEVER_OPENED, Closing.ENDED),
    ]


class Paper:
    """A wire that remembers what was written."""

    def __init__(self, **rooms):
        self.rooms = rooms
        self.written = []

    def headers(self, stream_id, headers, *, end):
        self.written.append((stream_id, headers, end))

    def data(self, stream_id, data):
        self.written.append((stream_id, data))

    def room(self, stream_id):
        return self.rooms.get(f"s{stream_id}", 10)


def test_outbox_takes_turns():
    """A piece of each answer is written in turn; those without room wait until they are told."""
    paper = Paper(s3=0)
    outbox = Outbox(paper)
    exchanges = [Exchange(stream_id, None, heard=True) for stream_id in (1, 3, 5)]
    for exchange in exchanges:
        outbox.open(exchange, ("head",), end=False)
        outbox.add(exchange, b"x" * 15)
        outbox.seal(exchange, ("tail",))
    assert [exchange.stream_id for exchange in outbox.write(1000)] == [1, 5]
    assert [entry[0] for entry in paper.written] == [1, 1, 3, 5, 5, 1, 1, 5, 5]
    assert outbox.size == 15
    assert outbox.write(1000) == []
    paper.rooms["s3"] = 20
    outbox.unpark(exchanges[1])
    assert outbox.write(1000) == [exchanges[1]]
    assert paper.written[-2:] == [(3, b"x" * 15), (3, ("tail",), True)]


def test_outbox_keeps_to_its_budget():
    """Bodies wait when the budget is spent, heads do not; the next who is written is who has waited."""
    paper = Paper()
    outbox = Outbox(paper)
    for stream_id in (1, 3):
        exchange = Exchange(stream_id, None, heard=True)
        outbox.open(exchange, ("head",), end=False)
        outbox.add(exchange, b"x" * 100)
    outbox.write(10)
    assert [entry[0] for entry in paper.written] == [1, 1, 3]
    outbox.write(10)
    assert paper.written[-1] == (3, b"x" * 10)
    assert outbox.size == 180
