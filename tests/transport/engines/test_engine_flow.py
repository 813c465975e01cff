"""What every engine does about flow control: nobody sends more than the other side takes, and no window gets lost."""

import pytest
from hyperframe.frame import DataFrame, SettingsFrame

WINDOW, MIB, LARGEST = 65_535, 1024 * 1024, 2**31 - 1
FLOW_CONTROL_ERROR, CANCEL = 3, 8


def wide(client, streams=8 * MIB, connection=8 * MIB):
    """Makes the client take more than the default."""
    client.send(SettingsFrame(0, settings={4: streams}))
    client.window_update(0, connection - WINDOW)
    client.read_all()


def fill(client, stream_id, size):
    """Begins an answer with that many bytes."""
    client.request(stream_id)
    client.engine.respond(stream_id, client.RESPONSE)
    client.engine.send(stream_id, bytes(size))


def test_an_answer_waits_for_the_streams_window(client):
    """Not a byte more than the window is sent; what waits is counted, until the window opens."""
    client.window_update(0, MIB)
    fill(client, 1, 100_000)
    client.engine.trailers(1, client.TRAILERS)
    assert (client.engine.queued(1), client.engine.queued_in_all()) == (100_000, 100_000)
    assert len(client.read_all().body(1)) == WINDOW
    assert (client.engine.queued(1), client.engine.queued_in_all()) == (100_000 - WINDOW,) * 2
    client.window_update(1, 10_000)
    assert len(client.read_all().body(1)) == 10_000
    client.window_update(1, 100_000)
    frames = client.read_all()
    assert len(frames.body(1)) == 90_000 - WINDOW
    assert frames.ended() == [1]
    assert (client.engine.queued(1), client.engine.queued_in_all()) == (0, 0)


def test_an_answer_waits_for_the_connections_window(client):
    """All streams share the connection's window; an answer of headers alone needs none."""
    for stream_id in (1, 3):
        fill(client, stream_id, 50_000)
    assert sum(len(frame.data) for frame in client.read_all().of(DataFrame)) == WINDOW
    assert client.engine.queued_in_all() == 100_000 - WINDOW
    client.request(5)
    client.engine.respond(5, client.RESPONSE, end=True)
    assert client.read_all().ended() == [5]
    client.window_update(0, 100_000)
    assert sum(len(frame.data) for frame in client.read_all().of(DataFrame)) == 100_000 - WINDOW


def test_a_stream_that_waits_holds_up_no_other(client):
    """Where one stream has no window, the next is served."""
    client.window_update(0, MIB)
    fill(client, 1, 100_000)
    client.read_all()
    client.request(3)
    client.answer(3, b"meanwhile")
    assert client.read_all().body(3) == b"meanwhile"


def test_a_window_of_nothing(connect):
    """A client may begin with windows of 0: headers come, and bytes when it wants them."""
    client = connect().hello({4: 0})
    client.request(1)
    client.answer(1, b"patience")
    frames = client.read_all()
    assert frames.heads(1) == [dict(client.RESPONSE)]
    assert frames.body(1) == b""
    client.window_update(1, 3)
    assert client.read_all().body(1) == b"pat"
    client.send(SettingsFrame(0, settings={4: 100}))
    assert client.read_all().body(1) == b"ience"


def test_a_window_that_shrinks(client):
    """SETTINGS may take a window below nothing: it must be paid back first."""
    fill(client, 1, 100_000)
    client.window_update(0, MIB)
    client.read_all()
    client.send(SettingsFrame(0, settings={4: 0}))
    client.window_update(1, WINDOW)
    assert client.read_all().body(1) == b""
    client.window_update(1, 1)
    assert client.read_all().body(1) == b"\0"


def test_taking_little_by_little(client):
    """``take`` gives about what is asked for, and everything in the end."""
    wide(client)
    fill(client, 1, 2 * MIB)
    client.engine.trailers(1, client.TRAILERS)
    size, frames = 0, None
    while data := client.engine.take(100_000):
        assert len(data) <= 100_000 + 17_000
        frames = client.parse(data)
        size += len(frames.body(1))
    assert size == 2 * MIB
    assert frames.ended() == [1]
    assert client.told.of("closed") == [(1, 0)]


def test_streams_have_their_turns(client):
    """Large answers are sent in turns, a part of each."""
    wide(client)
    for stream_id in (1, 3, 5, 7):
        fill(client, stream_id, MIB)
    sent = dict.fromkeys((1, 3, 5, 7), 0)
    while data := client.engine.take(64 * 1024):
        frames = client.parse(data)
        for stream_id in sent:
            sent[stream_id] += len(frames.body(stream_id))
        assert max(sent.values()) - min(sent.values()) <= 160 * 1024
    assert set(sent.values()) == {MIB}


def test_a_large_answer_arrives_whole(client):
    """Bytes keep their order over many windows."""
    content = bytes(range(256)) * 8 * 1024
    client.request(1)
    client.answer(1, content)
    received = bytearray()
    while part := client.read_all().body(1):
        received += part
        client.window_update(0, len(part))
        client.window_update(1, len(part))
    assert bytes(received) == content
    assert client.told.of("closed") == [(1, 0)]


def upload(client, stream_id, size, credit):
    """Sends bytes as windows allow, crediting each time what came; how much was sent."""
    sent = 0
    while sent < size:
        amount = min(size - sent, client.windows[0], client.windows[stream_id], 16_384)
        if amount <= 0:
            break
        client.data(stream_id, bytes(amount))
        sent += amount
        for told, data, _ in client.told.of("data") if credit else ():
            client.engine.credit(told, len(data))
        client.told.events.clear()
        client.read()
    return sent


def test_a_large_request_needs_credit(client):
    """Without credit a client sends one window."""
    client.request(1, end=False)
    assert upload(client, 1, 5 * MIB, credit=False) == client.limits.stream_window


def test_a_large_request_arrives_whole(client):
    """With credit it sends as much as it likes, and never has more window than it had."""
    client.request(1, end=False)
    assert upload(client, 1, 5 * MIB, credit=True) == 5 * MIB
    assert client.limits.stream_window // 2 <= client.windows[1] <= client.limits.stream_window
    assert client.limits.connection_window // 2 <= client.windows[0] <= client.limits.connection_window


def test_requests_share_the_connections_window(client):
    """Streams that are not read take what the connection's window has, and no more."""
    streams = range(1, 21, 2)
    client.request(*streams, end=False)
    assert sum(upload(client, stream_id, MIB, credit=False) for stream_id in streams) == client.limits.connection_window


def resets_of_all_kinds(client, stream_id):
    """Sends a piece of a request that is reset before, while or after it comes; who is told of bytes credits them."""
    piece = DataFrame(stream_id, bytes(10_000))
    client.request(stream_id, end=False)
    client.spend(stream_id, 10_000)
    cut = {0: 0, 1: 3, 2: 4_000, 3: 10_009}[stream_id // 2 % 4]
    client.send(piece.serialize()[:cut])
    client.engine.reset(stream_id, CANCEL)
    client.read()
    client.send(piece.serialize()[cut:])
    for told, data, _ in client.told.of("data"):
        client.engine.credit(told, len(data))
    client.told.events.clear()


def test_resets_take_nothing_from_the_connection(client):
    """However often streams are reset in the midst of their requests, the connection's window comes back."""
    for stream_id in range(1, 601, 2):
        resets_of_all_kinds(client, stream_id)
        client.engine.heal()
        client.read()
        assert client.windows[0] > 0, stream_id
    assert client.limits.connection_window // 4 <= client.windows[0] <= client.limits.connection_window
    assert client.is_alive()


def test_a_client_that_resets_takes_nothing_either(client):
    """Bytes of streams that the client gave up are credited by who was told of them, later."""
    for stream_id in range(1, 201, 2):
        client.request(stream_id, data=bytes(20_000), end=False)
        client.send(client.reset(stream_id))
        client.engine.credit(stream_id, 20_000)
        client.engine.heal()
        client.read()
        assert client.windows[0] > 0, stream_id
    assert client.is_alive()


TOO_MUCH = {
    "a stream's": ({}, [1]),
    "the connection's": ({"stream_window": MIB, "connection_window": MIB}, [1, 3]),
}


@pytest.mark.parametrize("window", TOO_MUCH)
def test_a_client_that_sends_more_than_its_window(connect, window):
    """It is stopped."""
    limits, streams = TOO_MUCH[window]
    client = connect(**limits).hello()
    for stream_id in streams:
        client.request(stream_id, data=bytes(MIB - 20_000 if len(streams) > 1 else MIB), end=False)
    frames = client.read_all()
    assert [code for _, code in frames.goaways()] == [FLOW_CONTROL_ERROR] or frames.resets() == {1: FLOW_CONTROL_ERROR}


def test_a_streams_window_that_overflows(client):
    """WINDOW_UPDATE beyond what a window can be ends its stream, or the connection."""
    client.request(1)
    client.window_update(1, LARGEST)
    frames = client.read_all()
    if frames.goaways():
        assert frames.goaways() == [(1, FLOW_CONTROL_ERROR)]
    else:
        assert frames.resets() == {1: FLOW_CONTROL_ERROR}
        assert client.told.of("closed") == [(1, FLOW_CONTROL_ERROR)]
        assert client.is_alive()


def test_a_connections_window_that_overflows(client):
    """The same for the connection ends that."""
    client.window_update(0, LARGEST)
    assert client.ending() == FLOW_CONTROL_ERROR


def test_settings_that_make_windows_overflow(client):
    """So do SETTINGS that would make a stream's window larger than it can be."""
    fill(client, 1, 10)
    client.window_update(1, LARGEST - WINDOW - 1_000)
    client.send(SettingsFrame(0, settings={4: LARGEST}))
    assert client.ending() == FLOW_CONTROL_ERROR
