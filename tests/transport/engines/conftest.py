"""A client without a socket, for engines: it writes frames by hand and reads what comes back."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from stigmer.transport.engine import load
from stigmer.transport.limits import Limits

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Frames(list):
    """Frames that came, in order; the header block of HEADERS is decoded, a ``dict``."""

    def of(self, kind):
        """Those of that kind."""
        return [frame for frame in self if isinstance(frame, kind)]

    def body(self, stream_id):
        """The bytes of a stream."""
        return b"".join(frame.data for frame in self.of(DataFrame) if frame.stream_id == stream_id)

    def heads(self, stream_id):
        """The header blocks of a stream."""
        return [frame.data for frame in self.of(HeadersFrame) if frame.stream_id == stream_id]

    def resets(self):
        """The codes of RST_STREAM frames, by stream."""
        return {frame.stream_id: frame.error_code for frame in self.of(RstStreamFrame)}

    def goaways(self):
        """Last stream and code of each GOAWAY."""
        return [(frame.last_stream_id, frame.error_code) for frame in self.of(GoAwayFrame)]

    def ended(self):
        """The streams that the engine has ended in order."""
        return [frame.stream_id for frame in self.of(HeadersFrame) if "END_STREAM" in frame.flags]


class Event(NamedTuple):
    """What the sink was told, and with which arguments."""

    name: str
    arguments: tuple


class Recorder:
    """A sink that remembers, and lets a test react."""

    def __init__(self):
        self.events = []
        self.react = {}

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)

        def told(*arguments):
            self.events.append(Event(name.removeprefix("on_"), arguments))
            if name in self.react:
                self.react[name](*arguments)

        return told

    def of(self, *names):
        """The arguments of all events of these names."""
        return [event.arguments for event in self.events if event.name in names]


class Client:
    """One connection to an engine.

    Attributes:
        engine: on the other side.
        told: what it has told its sink.
        windows: what the client may send on each stream that it opened, and on the connection (0).
        encoder: of its header blocks.
    """

    REQUEST = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/test.Service/Call"),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    )
    RESPONSE = ((b":status", b"200"), (b"content-type", b"application/grpc"))
    TRAILERS = ((b"grpc-status", b"0"),)

    def __init__(self, make, **limits):
        self.told = Recorder()
        self.limits = Limits(**limits)
        self.engine = make(self.told, self.limits)
        self.encoder, self._decoder = Encoder(), Decoder()
        self.windows = {0: 65_535}
        self._rest = b""

    def hello(self, settings=None):
        """Greets, as clients do, and reads the greeting."""
        frames = [SettingsFrame(0, settings=settings or {}), SettingsFrame(0, flags=["ACK"])]
        self.engine.receive(PREFACE + b"".join(frame.serialize() for frame in frames))
        self.read()
        self.told.events.clear()
        return self

    def send(self, *frames):
        """Sends frames, or bytes."""
        self.engine.receive(b"".join(each if isinstance(each, bytes) else each.serialize() for each in frames))

    def headers(self, stream_id, headers=REQUEST, *, end=False, **fields):
        """A HEADERS frame. Its block must be sent: the table of the encoder has changed."""
        self.windows.setdefault(stream_id, self.limits.stream_window)
        frame = HeadersFrame(stream_id, self.encoder.encode(headers), **fields)
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def pieces(self, stream_id, pieces):
        """A header block in a HEADERS frame and CONTINUATIONs, as bytes."""
        self.windows.setdefault(stream_id, self.limits.stream_window)
        frames = [HeadersFrame(stream_id, pieces[0]), *(ContinuationFrame(stream_id, piece) for piece in pieces[1:])]
        frames[-1].flags.add("END_HEADERS")
        return b"".join(frame.serialize() for frame in frames)

    def reset(self, stream_id, code=8):
        """A RST_STREAM frame."""
        return RstStreamFrame(stream_id, code)

    def goaway(self, last=0, code=0):
        """A GOAWAY frame."""
        return GoAwayFrame(0, last_stream_id=last, error_code=code)

    def request(self, *stream_ids, data=b"", end=True):
        """Opens streams, with ``data`` if there is any."""
        for stream_id in stream_ids:
            self.send(self.headers(stream_id, end=end and not data))
            if data:
                self.data(stream_id, data, end=end)

    def data(self, stream_id, data, *, end=False):
        """Sends bytes in frames, whatever the windows say."""
        pieces = [data[start : start + 16_384] for start in range(0, len(data), 16_384)] or [b""]
        for place, piece in enumerate(pieces, 1):
            flags = ["END_STREAM"] if end and place == len(pieces) else []
            self.spend(stream_id, len(piece))
            self.send(DataFrame(stream_id, piece, flags=flags))

    def spend(self, stream_id, amount):
        """Takes what DATA costs from the windows."""
        self.windows[0] -= amount
        self.windows[stream_id] = self.windows.get(stream_id, self.limits.stream_window) - amount

    def window_update(self, stream_id, amount):
        """Lets the engine send as many bytes more."""
        self.send(WindowUpdateFrame(stream_id, amount))

    def read(self, amount=None):
        """What the engine has to write now."""
        return self.parse(self.engine.take(amount))

    def read_all(self):
        """The same, until there is no more, with what the engine says when it parts."""
        frames = Frames()
        while data := self.engine.take():
            frames += self.parse(data)
        return Frames(frames + self.parse(self.engine.parting()))

    def parse(self, data):
        """The frames that ``data`` completes."""
        frames, view = Frames(), memoryview(self._rest + data)
        while len(view) >= 9:
            frame, length = Frame.parse_frame_header(view[:9])
            if len(view) < 9 + length:
                break
            frame.parse_body(view[9 : 9 + length])
            view = view[9 + length :]
            if isinstance(frame, ContinuationFrame):
                frames[-1].data += frame.data
            else:
                frames.append(frame)
            if isinstance(frame, WindowUpdateFrame):
                self.windows[frame.stream_id] = self.windows.get(frame.stream_id, 0) + frame.window_increment
        self._rest = bytes(view)
        for frame in frames.of(HeadersFrame):
            frame.data = dict(self._decoder.decode(bytes(frame.data), raw=True))
        return frames

    def answer(self, stream_id, body=b"", *, headers=RESPONSE, trailers=TRAILERS):
        """Answers a request, as the sink would; what each call gave."""
        engine = self.engine
        return [engine.respond(stream_id, headers), engine.send(stream_id, body), engine.trailers(stream_id, trailers)]

    def ending(self):
        """The code of the connection's end, of which sink and client must have been told alike; None: it goes on."""
        goaways = self.read_all().goaways()
        ends = self.told.of("end")
        if not ends:
            return None
        assert len(ends) == 1
        assert [code for _, code in goaways] == [ends[0][0].code]
        return ends[0][0].code

    def is_alive(self):
        """Whether the engine still answers a PING and a request."""
        stream_id = max(self.windows) + 1 | 1
        self.send(PingFrame(0, b"is alive"))
        self.request(stream_id)
        self.answer(stream_id, b"yes")
        frames = self.read_all()
        return [f.opaque_data for f in frames.of(PingFrame)] == [b"is alive"] and frames.body(stream_id) == b"yes"


@pytest.fixture(params=["ngh2", "h2"])
def name(request):
    """The engine's name."""
    return request.param


@pytest.fixture
def connect(name):
    """Opens a connection to the engine, with limits of its own; it has not greeted."""

    def connect(**limits):
        return Client(load(name), **limits)

    return connect


@pytest.fixture
def client(connect):
    """A client that has greeted."""
    return connect().hello()
