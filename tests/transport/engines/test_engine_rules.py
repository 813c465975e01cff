"""What every engine does about clients that break HTTP/2: it costs them the stream, or the connection."""

import pytest
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, PingFrame, SettingsFrame, WindowUpdateFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 1, 3, 5, 6
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 7, 8, 9, 11
PSEUDO = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/test.Service/Call"), (b":authority", b"localhost"))


def without(name):
    """The pseudo-headers but this one."""
    return tuple(field for field in PSEUDO if field[0] != name)


MALFORMED = {
    "no :method": without(b":method"),
    "no :path": without(b":path"),
    "no :scheme": without(b":scheme"),
    "no pseudo-header at all": ((b"te", b"trailers"),),
    ":path twice": (*PSEUDO, (b":path", b"/b")),
    "an empty :path": (*without(b":path"), (b":path", b"")),
    "an unknown pseudo-header": (*PSEUDO, (b":unknown", b"1")),
    ":status, which is of answers": (*PSEUDO, (b":status", b"200")),
    ":status 100, which is of answers": (*PSEUDO, (b":status", b"100")),
    "a pseudo-header after others": (*without(b":path"), (b"te", b"trailers"), (b":path", b"/a")),
    "upper case": (*PSEUDO, (b"X-Upper", b"1")),
    "an empty name": (*PSEUDO, (b"", b"1")),
    "a blank in a name": (*PSEUDO, (b"x y", b"1")),
    "a line feed in a value": (*PSEUDO, (b"x-value", b"a\nb")),
    "a carriage return in a value": (*PSEUDO, (b"x-value", b"a\rb")),
    "a NUL in a value": (*PSEUDO, (b"x-value", b"a\0b")),
    "connection": (*PSEUDO, (b"connection", b"close")),
    "keep-alive": (*PSEUDO, (b"keep-alive", b"1")),
    "proxy-connection": (*PSEUDO, (b"proxy-connection", b"close")),
    "transfer-encoding": (*PSEUDO, (b"transfer-encoding", b"chunked")),
    "upgrade": (*PSEUDO, (b"upgrade", b"h2c")),
    "te that is not trailers": (*PSEUDO, (b"te", b"gzip")),
    "neither :authority nor host": without(b":authority"),
    "two hosts": (*PSEUDO, (b"host", b"localhost"), (b"host", b"localhost")),
    "a colon in a name": (*PSEUDO, (b"x:y", b"1")),
    "a byte beyond ASCII in a name": (*PSEUDO, (b"x-\xff", b"1")),
    "content-length that is no number": (*PSEUDO, (b"content-length", b"ten")),
    "content-length that is negative": (*PSEUDO, (b"content-length", b"-1")),
    "content-length without digits": (*PSEUDO, (b"content-length", b"")),
    "two content-lengths": (*PSEUDO, (b"content-length", b"1"), (b"content-length", b"2")),
}


@pytest.mark.parametrize("ends", [True, False], ids=["without body", "with body"])
@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_requests(client, what, ends):
    """A malformed request is reset and not told; what follows on its stream is ignored, other streams go on."""
    client.send(client.headers(1, MALFORMED[what], end=ends))
    if not ends:
        client.data(1, b"body", end=True)
    assert client.told.of("request", "data", "closed") == []
    assert client.read_all().resets() == {1: PROTOCOL_ERROR}
    assert client.is_alive()


WELL_FORMED = {
    "host instead of :authority": (*without(b":authority"), (b"host", b"localhost")),
    "host like :authority": (*PSEUDO, (b"host", b"localhost")),
    "any byte in a value": (*PSEUDO, (b"x-value", b"a\tb\xff\x80")),
    "an empty value": (*PSEUDO, (b"x-value", b"")),
    "signs in a name": (*PSEUDO, (b"x!#$%&'*+-.^_`|~9", b"1")),
    "te: trailers": (*PSEUDO, (b"te", b"trailers")),
    "CONNECT": ((b":method", b"CONNECT"), (b":authority", b"localhost")),
    "OPTIONS of all": ((b":method", b"OPTIONS"), (b":scheme", b"http"), (b":path", b"*"), (b":authority", b"localhost")),
}


@pytest.mark.parametrize("what", WELL_FORMED)
def test_well_formed_requests(client, what):
    """Whatever is well-formed is told as it came; what it means is for the sink to judge."""
    client.send(client.headers(1, WELL_FORMED[what], end=True))
    assert client.told.of("request") == [(1, WELL_FORMED[what], True)]


LENGTHS = {
    "too much": ([b"12345"], b"4", True),
    "too much in pieces": ([b"123", b"45"], b"4", True),
    "too much, without end": ([b"12345"], b"4", False),
    "too little": ([b"123"], b"4", True),
    "something for nothing": ([b"1"], b"0", True),
    "nothing for something": ([b""], b"4", True),
}


@pytest.mark.parametrize("what", LENGTHS)
def test_content_length_must_be_right(client, what):
    """A body that is not as long as promised resets the stream, and its bytes are credited."""
    pieces, length, ends = LENGTHS[what]
    client.send(client.headers(1, (*client.REQUEST, (b"content-length", length))))
    for piece in pieces[:-1]:
        client.data(1, piece)
    client.data(1, pieces[-1], end=ends)
    assert client.told.of("closed") == [] or client.told.of("closed") == [(1, PROTOCOL_ERROR)]
    assert client.read_all().resets() == {1: PROTOCOL_ERROR}
    assert client.told.of("closed") == [(1, PROTOCOL_ERROR)]
    assert not any(ended for _, _, ended in client.told.of("data"))
    assert client.is_alive()


@pytest.mark.parametrize("end", ["headers", "trailers"])
def test_content_length_without_body(client, end):
    """Nor may a request end without the bytes that it promised."""
    client.send(client.headers(1, (*client.REQUEST, (b"content-length", b"4")), end=end == "headers"))
    if end == "trailers":
        client.send(client.headers(1, [(b"x-trailer", b"1")], end=True))
    assert client.read_all().resets() == {1: PROTOCOL_ERROR}
    assert client.told.of("trailers") == []
    assert client.is_alive()


def test_content_length_that_is_right(client):
    """The length may be given, once or twice, and be 0."""
    client.send(client.headers(1, (*client.REQUEST, (b"content-length", b"4"))))
    client.data(1, b"12")
    client.data(1, b"34", end=True)
    client.send(client.headers(3, (*client.REQUEST, (b"content-length", b"0")), end=True))
    assert len(client.told.of("request")) == 2
    assert client.read_all().resets() == {}


TRAILERS = {
    "pseudo-header": ([(b":path", b"/a")], True),
    "upper case": ([(b"X-Upper", b"1")], True),
    "without end": ([(b"x-trailer", b"1")], False),
    "connection": ([(b"connection", b"close")], True),
}


@pytest.mark.parametrize("what", TRAILERS)
def test_malformed_trailers(client, what):
    """Malformed trailers reset a stream that the sink knows, and it is told once."""
    headers, ends = TRAILERS[what]
    client.request(1, data=b"body", end=False)
    client.send(client.headers(1, headers, end=ends))
    assert client.read_all().resets() == {1: PROTOCOL_ERROR}
    assert client.told.of("closed") == [(1, PROTOCOL_ERROR)]
    assert client.told.of("trailers") == []
    assert client.is_alive()


AFTER_END = {
    "DATA": lambda client: client.data(1, b"more"),
    "HEADERS": lambda client: client.send(client.headers(1, [(b"x-trailer", b"1")], end=True)),
}


@pytest.mark.parametrize("kind", AFTER_END)
def test_more_after_the_end(client, kind):
    """Who goes on after the end of a request loses the stream, or the connection, and no byte is told."""
    client.request(1, data=b"all")
    AFTER_END[kind](client)
    assert client.told.of("data") == [(1, b"all", True)]
    frames = client.read_all()
    assert frames.resets() == {1: STREAM_CLOSED} or [code for _, code in frames.goaways()] == [STREAM_CLOSED]


@pytest.mark.parametrize("kind", AFTER_END)
def test_what_was_on_its_way_when_we_reset(client, kind):
    """What a client sent before it learned of a reset is dropped, with a window that stays whole."""
    client.request(1, end=False)
    client.engine.reset(1, CANCEL)
    client.read_all()
    AFTER_END[kind](client)
    client.window_update(1, 10)
    client.send(client.reset(1))
    assert client.told.of("data", "trailers") == []
    assert client.is_alive()


FATAL = {
    "DATA of a stream that was never opened": (DataFrame(1, b"x"), {PROTOCOL_ERROR, STREAM_CLOSED}),
    "RST_STREAM of a stream that was never opened": (b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08", {PROTOCOL_ERROR}),
    "WINDOW_UPDATE of a stream that was never opened": (WindowUpdateFrame(1, 1), {PROTOCOL_ERROR}),
    "CONTINUATION without HEADERS": (ContinuationFrame(1, b""), {PROTOCOL_ERROR}),
    "DATA of no stream": (b"\0\0\x01\0\0\0\0\0\0x", {PROTOCOL_ERROR}),
    "HEADERS of no stream": (b"\0\0\x01\x01\x05\0\0\0\0\x82", {PROTOCOL_ERROR}),
    "RST_STREAM of no stream": (b"\0\0\x04\x03\0\0\0\0\0\0\0\0\x08", {PROTOCOL_ERROR}),
    "SETTINGS of a stream": (b"\0\0\0\x04\0\0\0\0\x01", {PROTOCOL_ERROR}),
    "PING of a stream": (b"\0\0\x08\x06\0\0\0\0\x01" + bytes(8), {PROTOCOL_ERROR}),
    "GOAWAY of a stream": (b"\0\0\x08\x07\0\0\0\0\x01" + bytes(8), {PROTOCOL_ERROR}),
    "PUSH_PROMISE": (b"\0\0\x04\x05\x04\0\0\0\x01\0\0\0\x02", {PROTOCOL_ERROR}),
    "a stream of an even number": (b"\0\0\x01\x01\x05\0\0\0\x02\x82", {PROTOCOL_ERROR}),
    "WINDOW_UPDATE of 0": (b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0", {PROTOCOL_ERROR}),
    "a frame that is too large": (b"\0\x40\x01\x06\0\0\0\0\0", {FRAME_SIZE_ERROR}),
    "DATA that is too large": (b"\0\x40\x01\0\0\0\0\0\x01", {FRAME_SIZE_ERROR}),
    "PING that is too short": (b"\0\0\x07\x06\0\0\0\0\0" + bytes(7), {FRAME_SIZE_ERROR}),
    "PING that is too long": (b"\0\0\x09\x06\0\0\0\0\0" + bytes(9), {FRAME_SIZE_ERROR}),
    "GOAWAY that is too short": (b"\0\0\x07\x07\0\0\0\0\0" + bytes(7), {FRAME_SIZE_ERROR}),
    "SETTINGS that is cut": (b"\0\0\x05\x04\0\0\0\0\0" + bytes(5), {FRAME_SIZE_ERROR}),
    "SETTINGS that acknowledges something": (b"\0\0\x06\x04\x01\0\0\0\0" + bytes(6), {FRAME_SIZE_ERROR}),
    "a window that is too large": (SettingsFrame(0, settings={4: 2**31}), {FLOW_CONTROL_ERROR}),
    "a frame size that is too small": (SettingsFrame(0, settings={5: 16_383}), {PROTOCOL_ERROR}),
    "a frame size that is too large": (SettingsFrame(0, settings={5: 2**24}), {PROTOCOL_ERROR}),
    "a push that is neither on nor off": (SettingsFrame(0, settings={2: 2}), {PROTOCOL_ERROR}),
    "a header block that is none": (b"\0\0\x02\x01\x05\0\0\0\x01\xff\xff", {COMPRESSION_ERROR}),
    "an index of no entry": (b"\0\0\x02\x01\x05\0\0\0\x01\xff\x70", {COMPRESSION_ERROR}),
    "a table that is too large": (b"\0\0\x04\x01\x05\0\0\0\x01\x3f\xe2\xff\x03", {COMPRESSION_ERROR}),
    "a stream that depends on itself": (b"\0\0\x06\x01\x25\0\0\0\x01\0\0\0\x01\x10\x82", {PROTOCOL_ERROR}),
    "priority that is cut": (b"\0\0\x04\x01\x25\0\0\0\x01\0\0\0\0", {FRAME_SIZE_ERROR}),
    "padding without a length": (b"\0\0\0\0\x08\0\0\0\x01", {FRAME_SIZE_ERROR, PROTOCOL_ERROR}),
    "padding beyond the frame": (b"\0\0\x02\x01\x0d\0\0\0\x01\x05\x82", {PROTOCOL_ERROR}),
    "HTTP/1.1": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", {PROTOCOL_ERROR, FRAME_SIZE_ERROR}),
}


@pytest.mark.parametrize("what", FATAL)
def test_violations_that_end_the_connection(client, what):
    """The client is told why, the sink once, and neither hears more."""
    frame, codes = FATAL[what]
    client.send(frame)
    assert client.ending() in codes
    client.send(client.headers(7, end=True))
    client.send(PingFrame(0, bytes(8)))
    assert client.told.of("request") == []
    assert client.engine.take() == b""
    assert len(client.told.of("end")) == 1


BEFORE = {
    "a preface of another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a preface that goes wrong late": PREFACE[:-1] + b"x",
    "PING first": PREFACE + PingFrame(0, bytes(8)).serialize(),
    "acknowledged SETTINGS first": PREFACE + SettingsFrame(0, flags=["ACK"]).serialize(),
}


@pytest.mark.parametrize("what", BEFORE)
def test_violations_before_anything_else(connect, what):
    """A client must begin with the preface and SETTINGS; nobody is blamed who speaks another protocol."""
    client = connect()
    client.send(BEFORE[what])
    assert client.ending() == PROTOCOL_ERROR
    assert client.told.of("end")[0][0].by_peer


def test_violations_in_the_midst_of_a_header_block(client):
    """Nothing may come between HEADERS and their CONTINUATIONs."""
    block = Encoder().encode(client.REQUEST)
    head = client.pieces(1, [block[:10], block[10:]])[: 9 + 10]
    client.send(head, PingFrame(0, bytes(8)))
    assert client.ending() == PROTOCOL_ERROR
    assert client.told.of("request") == []


def test_a_lower_stream(client):
    """Streams are opened in order: one that was skipped is not told."""
    client.request(5)
    client.send(client.headers(3, end=True))
    assert len(client.told.of("request")) == 1


@pytest.mark.parametrize("settled", [True, False], ids=["settled", "at once"])
def test_too_many_streams(connect, settled):
    """No more streams are told than there may be. Those beyond are refused, or end the connection of who should know."""
    client = connect(streams=3)
    if settled:
        client.hello()
    else:
        client.send(PREFACE, SettingsFrame(0))
        client.read()
    client.request(1, 3, 5, 7, 9)
    assert [stream_id for stream_id, *_ in client.told.of("request")] == [1, 3, 5]
    frames = client.read_all()
    if frames.goaways():
        assert settled
        assert [code for _, code in frames.goaways()] == [PROTOCOL_ERROR]
        return
    assert frames.resets() == {7: REFUSED_STREAM, 9: REFUSED_STREAM}
    client.answer(1)
    client.read_all()
    assert client.is_alive()


def test_a_refused_stream_keeps_the_table_in_step(connect):
    """The header block of a stream that is refused still counts for those after it."""
    client = connect(streams=1)
    client.send(PREFACE, SettingsFrame(0))
    client.request(1)
    client.send(client.headers(3, (*client.REQUEST, (b"x-first", b"only here")), end=True))
    client.answer(1)
    client.read_all()
    client.send(client.headers(5, (*client.REQUEST, (b"x-first", b"only here")), end=True))
    assert client.told.of("request")[-1] == (5, (*client.REQUEST, (b"x-first", b"only here")), True)


def test_trailers_that_no_client_takes(client):
    """Headers of an answer that are larger than any client's limit cost their stream."""
    client.request(1, 3)
    client.engine.respond(1, client.RESPONSE)
    client.engine.trailers(1, [(b"grpc-message", b"x" * 100_000)])
    frames = client.read_all()
    assert list(frames.resets()) == [1]
    assert frames.ended() == []
    assert [stream_id for stream_id, _ in client.told.of("closed")] == [1]
    assert client.is_alive()


def test_trailers_that_are_large(client):
    """Large headers are sent in pieces."""
    client.request(1)
    client.answer(1, trailers=((b"grpc-message", b"x" * 40_000),))
    assert client.read_all().heads(1)[-1] == {b"grpc-message": b"x" * 40_000}
