"""What every engine does for one client: requests come in, answers go out."""

import pytest
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame, PriorityFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, LAST_STREAM = 1, 7, 8, 2**31 - 1


def test_greeting(connect):
    """The first bytes are SETTINGS with three limits, and open the connection's window."""
    client = connect(streams=7, stream_window=100_000, connection_window=300_000, header_list_bytes=5_000)
    frames = client.read()
    assert {3: 7, 4: 100_000, 6: 5_000}.items() <= frames.of(SettingsFrame)[0].settings.items()
    assert client.windows[0] == 300_000


def test_a_greeting_is_acknowledged(connect):
    """SETTINGS of the client are acknowledged."""
    client = connect()
    client.send(PREFACE, SettingsFrame(0, settings={4: 1_000_000}))
    assert [frame.flags for frame in client.read().of(SettingsFrame)] == [set(), {"ACK"}]


def test_a_request_without_body(client):
    """A request's headers come in order, whatever they are, and that nothing follows."""
    headers = (*client.REQUEST, (b"x-two", b"1"), (b"x-two", b"2"), (b"x-bytes", b"\xff\x80"), (b"x-empty", b""))
    client.send(client.headers(1, headers, end=True))
    assert client.told.events == [("request", (1, headers, True))]


def test_a_request_with_body(client):
    """Its bytes come as they are sent, the last ones marked."""
    client.send(client.headers(1), DataFrame(1, b"one"), DataFrame(1, b"two", flags=["END_STREAM"]))
    assert client.told.events == [
        ("request", (1, client.REQUEST, False)),
        ("data", (1, b"one", False)),
        ("data", (1, b"two", True)),
    ]


def test_a_request_that_is_ended_by_an_empty_frame(client):
    """An empty frame that ends the request is told too."""
    client.send(client.headers(1), DataFrame(1, b"", flags=["END_STREAM"]))
    assert client.told.of("data") == [(1, b"", True)]


def test_a_request_that_is_ended_by_trailers(client):
    """Trailers of a request end it."""
    client.send(client.headers(1), DataFrame(1, b"one"), client.headers(1, [(b"x-checksum", b"1")], end=True))
    assert [event.name for event in client.told.events] == ["request", "data", "trailers"]
    client.answer(1, b"yes")
    assert client.read().body(1) == b"yes"
    assert client.told.of("closed") == [(1, 0)]


def test_bytes_that_come_one_by_one(connect):
    """Frames may come in pieces of any size."""
    client = connect()
    greeting = PREFACE + SettingsFrame(0).serialize() + SettingsFrame(0, flags=["ACK"]).serialize()
    for byte in greeting + client.headers(1).serialize() + DataFrame(1, b"one", flags=["END_STREAM"]).serialize():
        client.send(bytes([byte]))
    assert [event for event in client.told.events if event.name != "control"] == [
        ("request", (1, client.REQUEST, False)),
        ("data", (1, b"one", True)),
    ]


def test_padding_and_priority(client):
    """Padding and priority of a request are left out."""
    client.send(client.headers(1, pad_length=10, stream_weight=3, flags=["PADDED", "PRIORITY"]))
    client.send(DataFrame(1, b"one", pad_length=9, flags=["PADDED"]), DataFrame(1, b"", pad_length=0, flags=["PADDED"]))
    client.send(DataFrame(1, b"two", pad_length=0, flags=["PADDED", "END_STREAM"]))
    assert client.told.of("request") == [(1, client.REQUEST, False)]
    assert client.told.of("data") == [(1, b"one", False), (1, b"", False), (1, b"two", True)]


def test_padding_is_credited(client):
    """Nobody but the engine knows of padding, so the engine gives back what it took."""
    client.request(1, end=False)
    for _ in range(8000):
        client.send(DataFrame(1, b"x", pad_length=255, flags=["PADDED"]))
        client.spend(1, 257)
        client.engine.credit(1, 1)
        client.read()
        assert min(client.windows[0], client.windows[1]) > 0
    assert client.told.of("end") == []


def test_a_header_block_in_pieces(client):
    """HEADERS and their CONTINUATIONs are one request."""
    block = client.encoder.encode(client.REQUEST)
    pieces = [block[place : place + 20] for place in range(0, len(block), 20)]
    client.send(client.pieces(1, pieces))
    assert client.told.events == [("request", (1, client.REQUEST, False))]


def test_an_answer(client):
    """An answer is headers, bytes and trailers, in one go; then the stream is gone, and the sink is told once."""
    client.request(1, data=b"hello")
    assert client.answer(1, b"world") == [True, True, True]
    assert client.told.of("closed") == []
    frames = client.read()
    assert [type(frame) for frame in frames] == [HeadersFrame, DataFrame, HeadersFrame]
    assert frames.heads(1) == [dict(client.RESPONSE), dict(client.TRAILERS)]
    assert frames.body(1) == b"world"
    assert frames.ended() == [1]
    assert client.told.of("closed") == [(1, 0)]
    assert client.is_alive()
    assert client.told.of("closed") == [(1, 0), (3, 0)]


def test_an_answer_of_headers_alone(client):
    """An answer may be nothing but headers."""
    client.request(1)
    assert client.engine.respond(1, client.RESPONSE, end=True)
    frames = client.read()
    assert frames.ended() == [1]
    assert len(frames) == 1
    assert client.told.of("closed") == [(1, 0)]


def test_an_answer_without_bytes(client):
    """Headers and trailers need no bytes between them."""
    client.request(1)
    client.engine.respond(1, client.RESPONSE)
    client.engine.trailers(1, client.TRAILERS)
    assert client.read_all().heads(1) == [dict(client.RESPONSE), dict(client.TRAILERS)]
    assert client.told.of("closed") == [(1, 0)]


def test_an_answer_in_the_midst_of_reading(client):
    """The sink may answer while it is told."""
    client.told.react["on_request"] = lambda stream_id, *_: client.answer(stream_id, b"at once")
    client.send(*[client.headers(stream_id, end=True) for stream_id in (1, 3, 5)])
    frames = client.read_all()
    assert [frames.body(stream_id) for stream_id in (1, 3, 5)] == [b"at once"] * 3
    assert frames.ended() == [1, 3, 5]


def test_an_answer_before_the_request_has_ended(client):
    """A stream whose answer comes first is gone when the client has ended it, too."""
    client.request(1, end=False)
    client.answer(1, b"early")
    assert client.read_all().body(1) == b"early"
    assert client.told.of("closed") == []
    client.data(1, b"late", end=True)
    assert client.told.events[-2:] == [("data", (1, b"late", True)), ("closed", (1, 0))]


def test_an_answer_before_the_request_has_ended_and_a_reset(client):
    """Once its answer is out, a stream can be reset without an error: the answer arrives."""
    client.request(1, end=False)
    client.answer(1, b"early")
    frames = client.read_all()
    client.engine.reset(1, 0)
    assert frames.ended() == [1]
    assert client.read_all().resets() == {1: 0}
    assert client.told.of("closed") == [(1, 0)]
    client.data(1, b"late", end=True)
    assert client.is_alive()


def test_streams_have_answers_of_their_own(client):
    """Answers are given in any order."""
    client.request(1, 3, 5, 7)
    for stream_id in (5, 1, 7, 3):
        client.answer(stream_id, b"%d" % stream_id)
    frames = client.read_all()
    assert [frames.body(stream_id) for stream_id in (1, 3, 5, 7)] == [b"1", b"3", b"5", b"7"]


def test_a_stream_that_the_client_resets(client):
    """The sink is told, what waits is dropped, and calls do nothing."""
    client.request(1, 3)
    client.engine.respond(1, client.RESPONSE)
    client.engine.send(1, b"x" * 100_000)
    client.send(RstStreamFrame(1, CANCEL))
    assert client.told.of("closed") == [(1, CANCEL)]
    assert not client.engine.send(1, b"more")
    assert (client.engine.queued(1), client.engine.queued_in_all()) == (0, 0)
    assert client.answer(3, b"other") == [True, True, True]
    frames = client.read_all()
    assert (frames.body(1), frames.body(3)) == (b"", b"other")


def test_a_code_that_nobody_knows(client):
    """A client resets with whatever number it likes."""
    client.request(1)
    client.send(RstStreamFrame(1, 0xDEADBEEF))
    assert client.told.of("closed") == [(1, 0xDEADBEEF)]


def test_a_stream_that_we_reset(client):
    """A reset overtakes what waits for the stream; the sink is told when it is written."""
    client.request(1, end=False)
    client.engine.respond(1, client.RESPONSE)
    client.engine.send(1, b"x" * 100_000)
    client.engine.reset(1, CANCEL)
    frames = client.read_all()
    assert frames.resets() == {1: CANCEL}
    assert frames.body(1) == b""
    assert client.told.of("closed") == [(1, CANCEL)]
    assert (client.engine.queued(1), client.engine.queued_in_all()) == (0, 0)


def calls(client, stream_id):
    """Every call about a stream: what those gave that tell whether it is there."""
    engine = client.engine
    engine.credit(stream_id, 10)
    engine.credit(stream_id, 0)
    engine.reset(stream_id, CANCEL)
    assert engine.queued(stream_id) == 0
    return [*client.answer(stream_id, b"x"), engine.respond(stream_id, client.RESPONSE, end=True)]


GONE = {
    "never opened": lambda client: None,
    "answered": lambda client: (client.request(1), client.answer(1), client.read_all()),
    "reset by the client": lambda client: (client.request(1), client.send(RstStreamFrame(1, CANCEL))),
    "reset by us": lambda client: (client.request(1), client.engine.reset(1, CANCEL), client.read_all()),
}


@pytest.mark.parametrize("how", GONE)
def test_calls_about_a_stream_that_is_gone(client, how):
    """They say so, do nothing, and raise nothing."""
    GONE[how](client)
    told = len(client.told.of("closed"))
    for stream_id in (1, 2, 99):
        assert calls(client, stream_id) == [False] * 4
    assert len(client.told.of("closed")) == told
    assert client.is_alive()


def test_calls_about_a_connection_that_is_gone(client):
    """They do nothing, and raise nothing; the sink hears no more."""
    client.request(1)
    client.send(b"\0\0\x07\x06\0\0\0\0\0" + bytes(7))  # a PING of 7 bytes
    assert client.ending() is not None
    told = len(client.told.events)
    assert calls(client, 1) == [False] * 4
    for call in (
        client.engine.ping,
        client.engine.notice,
        client.engine.goaway,
        client.engine.heal,
        client.engine.queued_in_all,
    ):
        assert not call()
    client.send(client.headers(3, end=True))
    assert client.engine.take() == b""
    assert len(client.told.events) == told


def test_ping(client):
    """A PING can be sent; its answer is nothing that anybody is told of but as a sign of life."""
    client.engine.ping()
    pings = client.read().of(PingFrame)
    assert [frame.flags for frame in pings] == [set()]
    client.send(PingFrame(0, pings[0].opaque_data, flags=["ACK"]))
    assert client.is_alive()


def test_pong(client):
    """A client's PING is answered with its own bytes."""
    client.send(PingFrame(0, b"12345678"))
    assert [(frame.flags, frame.opaque_data) for frame in client.read().of(PingFrame)] == [({"ACK"}, b"12345678")]


CONTROLS = {
    "PING": (PingFrame(0, b"12345678"), 1.0),
    "SETTINGS": (SettingsFrame(0, settings={4: 70_000}), 1.0),
    "WINDOW_UPDATE of the connection": (WindowUpdateFrame(0, 10), 0.1),
    "WINDOW_UPDATE of a stream": (WindowUpdateFrame(1, 10), 0.1),
}


@pytest.mark.parametrize("kind", CONTROLS)
def test_control_frames(client, kind):
    """The sink is told of each frame that brings nothing, with its weight."""
    frame, weight = CONTROLS[kind]
    client.request(1)
    client.send(frame, frame, frame)
    assert client.told.of("control") == [(weight,)] * 3


def test_the_client_goes(client):
    """A GOAWAY is told; calls in flight are answered. The engine may as well end, blaming nobody, when it is odd."""
    client.request(1)
    client.send(client.goaway())
    assert client.told.of("goaway") == [()]
    assert client.answer(1, b"still") == [True, True, True]
    assert client.read_all().body(1) == b"still"


@pytest.mark.parametrize("code", [0, 2, 0xDEADBEEF])
def test_the_client_goes_oddly(client, code):
    """A GOAWAY with a stream that cannot be, and any code, is nobody's fault."""
    client.request(1)
    client.send(client.goaway(last=LAST_STREAM, code=code))
    client.read_all()
    assert client.told.of("goaway") == [()] or [end.by_peer for (end,) in client.told.of("end")] == [True]


def test_we_go(client):
    """After notice, streams are still taken; after GOAWAY, which names the last one, they are ignored."""
    client.engine.notice()
    assert client.read().goaways() == [(LAST_STREAM, 0)]
    client.request(1)
    assert client.told.of("request") == [(1, client.REQUEST, True)]
    client.engine.goaway()
    assert client.read().goaways() == [(1, 0)]
    client.request(3, data=b"too late")
    client.request(5)
    assert len(client.told.of("request", "data")) == 1
    assert client.answer(1, b"still") == [True, True, True]
    assert client.read_all().body(1) == b"still"


def test_we_go_with_a_code(client):
    """A GOAWAY may say why."""
    client.request(1)
    client.engine.goaway(11)
    assert client.read().goaways() == [(1, 11)]


IGNORED = {
    "unknown type": b"\0\0\x03\x42\xff\0\0\0\0abc",
    "unknown type of a stream": b"\0\0\x03\x42\xff\0\0\0\x09abc",
    "PRIORITY": PriorityFrame(1, depends_on=0, stream_weight=5),
    "PRIORITY of a stream to come": PriorityFrame(101, depends_on=1),
    "ALTSVC": b"\0\0\x02\x0a\0\0\0\0\0\0\0",
    "PRIORITY_UPDATE": b"\0\0\x07\x10\0\0\0\0\0\0\0\0\x01u=1",
    "WINDOW_UPDATE of a stream that is gone": WindowUpdateFrame(1, 1),
    "RST_STREAM of a stream that is gone": RstStreamFrame(1, CANCEL),
    "a setting that nobody knows": SettingsFrame(0, settings={0x77: 1}),
}


@pytest.mark.parametrize("frame", IGNORED)
def test_ignored_frames(client, frame):
    """Such frames are let pass."""
    client.request(1)
    client.answer(1)
    client.read_all()
    client.send(IGNORED[frame])
    assert client.is_alive()
