"""An HTTP/2 client that writes whatever it is told to, right or wrong, and reads what comes back as frames.

Nothing is written that was not asked for but the answers to SETTINGS and PING, given while it reads, unless ``polite`` is off.
It reads only while something waits for an answer: a client on which neither ``answer`` nor ``wait`` is called does not read.
No read lasts longer than its ``patience`` in seconds, and none raises for what the server does.

    async with await RawClient.connect(host, port) as client:
        client.preface()
        client.headers(1, grpc_request("/bench.Echo/Unary"))
        client.data(1, message(b"hello"), end_stream=True)
        answer = await client.answer(1)
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ssl
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Self

import hpack
from raw_answer import Answer

MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20
PATIENCE = 2.0
"""Of a read, when nothing else is said."""
_GONE = (ConnectionError, asyncio.IncompleteReadError, OSError)

Fields = Iterable[tuple[str | bytes, str | bytes]]


class Frame(NamedTuple):
    """One frame as it is on the wire."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """The bytes of any frame; ``length``: the length that it claims to have."""
    claimed = len(payload) if length is None else length
    return claimed.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def header_block(fields: Fields) -> bytes:
    """HPACK that leaves the server's table as it is: blocks may be made beforehand and sent in any order."""
    return hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields], huffman=False)


def message(data: bytes = b"", *, flag: int = 0, length: int | None = None) -> bytes:
    """A gRPC message behind its prefix; ``length``: the length that the prefix claims."""
    return struct.pack(">BI", flag, len(data) if length is None else length) + data


def settings_payload(entries: Mapping[int, int] | Iterable[tuple[int, int]]) -> bytes:
    """What a SETTINGS frame holds; pairs may repeat a key."""
    pairs = entries.items() if isinstance(entries, Mapping) else entries
    return b"".join(struct.pack(">HI", key, value) for key, value in pairs)


def grpc_request(
    path: str, more: Fields = (), *, replace: Mapping[str, str | None] | None = None
) -> list[tuple[str | bytes, str | bytes]]:
    """The headers of a call; ``replace`` gives some of them other values, or leaves them out (None); ``more`` follow."""
    fields: dict[str, str | None] = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    fields.update(replace or {})
    return [*((name, value) for name, value in fields.items() if value is not None), *more]


class _Reader(asyncio.StreamReader):
    """Gives what came before a reset of the connection, as before any other end."""

    def set_exception(self, exc: BaseException) -> None:
        self.feed_eof()


class RawClient:
    """One connection. ``write`` and the methods named after frames only queue bytes; ``flush`` waits until the kernel has them.

    Attributes:
        polite: whether SETTINGS and PING of the server are answered.
        received: how many frames of each kind have come.
        settings: what the server's SETTINGS said last.
        goaways: (last stream, code) of each GOAWAY.
        closed: the server has closed the connection.
        rest: bytes that came at the end and are no whole frame.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, polite: bool = True) -> None:
        self._reader, self._writer = reader, writer
        self.polite = polite
        self.received: collections.Counter[int] = collections.Counter()
        self.settings: dict[int, int] = {}
        self.goaways: list[tuple[int, int]] = []
        self.closed = False
        self.rest = b""
        self._hpack = hpack.Decoder()
        self._half_closed = False
        self._head = b""
        self._block = b""
        self._header_flags = 0
        self._answers: dict[int, Answer] = collections.defaultdict(Answer)

    @classmethod
    async def connect(
        cls, host: str, port: int, *, tls: ssl.SSLContext | None = None, polite: bool = True, patience: float = PATIENCE
    ) -> RawClient:
        """A connection on which nothing is written yet."""
        loop = asyncio.get_running_loop()
        reader = _Reader()
        protocol = asyncio.StreamReaderProtocol(reader)
        async with asyncio.timeout(patience):
            transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), polite=polite)

    def write(self, data: bytes) -> None:
        """Any bytes at all; nothing once the connection or this side of it is closed."""
        if not (self._half_closed or self._writer.is_closing()):
            self._writer.write(data)

    def preface(self, settings: Mapping[int, int] | None = None) -> None:
        """What a client must begin with: the magic bytes and SETTINGS."""
        self.write(MAGIC + frame(SETTINGS, 0, 0, settings_payload(settings or {})))

    def frame(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        """Any frame."""
        self.write(frame(kind, flags, stream, payload))

    def headers(self, stream: int, fields: Fields, *, end_stream: bool = False) -> None:
        """HEADERS in one frame, however long."""
        self.frame(HEADERS, END_HEADERS | (END_STREAM if end_stream else 0), stream, header_block(fields))

    def data(self, stream: int, data: bytes, *, end_stream: bool = False) -> None:
        """DATA in one frame, however long."""
        self.frame(DATA, END_STREAM if end_stream else 0, stream, data)

    def window_update(self, stream: int, amount: int) -> None:
        """Lets the server send so much more; 0 is the connection."""
        self.frame(WINDOW_UPDATE, 0, stream, amount.to_bytes(4, "big"))

    def reset(self, stream: int, code: int = 8) -> None:
        """RST_STREAM, CANCEL when nothing else is said."""
        self.frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))

    async def flush(self, patience: float = PATIENCE) -> bool:
        """Waits until what is written is nearly all on its way; False: it never will be, or not in time."""
        try:
            async with asyncio.timeout(patience):
                await self._writer.drain()
        except (*_GONE, TimeoutError):
            return False
        return not self._writer.is_closing()

    def half_close(self) -> None:
        """Says that nothing more will be written."""
        self._half_closed = True
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    def abort(self) -> None:
        """Drops the connection without a word."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes it; what the server still has to say is not read."""
        self._writer.transport.abort()
        with contextlib.suppress(*_GONE):
            await self._writer.wait_closed()

    async def next_frame(self, patience: float = PATIENCE) -> Frame | None:
        """The next frame; None: the connection ended, or nothing whole came in time."""
        try:
            async with asyncio.timeout(patience):
                head = self._head = self._head or await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        except TimeoutError:
            return None
        except _GONE as error:
            self.closed = True
            self.rest = self._head + getattr(error, "partial", b"")
            return None
        self._head = b""
        found = Frame(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, payload)
        self._take(found)
        return found

    async def wait(self, until: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Reads until that is so; False: the connection ended before, or the time."""
        clock = asyncio.get_running_loop().time
        end = clock() + patience
        while not until():
            if self.closed or clock() >= end:
                return False
            await self.next_frame(end - clock())
        return True

    async def wait_closed(self, patience: float = PATIENCE) -> bool:
        """Reads until the server has closed; False: not in time."""
        return await self.wait(lambda: self.closed, patience)

    async def answer(self, stream: int, patience: float = PATIENCE) -> Answer:
        """What has come for that stream, once it is over or the patience is at its end."""
        await self.wait(lambda: self.seen(stream).answered or self._is_ignored(stream), patience)
        return self.seen(stream)

    async def ping(self, patience: float = PATIENCE) -> bool:
        """Whether the server answers a PING, which it does after it has read all that was written before."""
        answers = self.received[PING]
        self.frame(PING, 0, 0, b"in order")
        return await self.wait(lambda: self.received[PING] > answers, patience)

    def seen(self, stream: int) -> Answer:
        """What has been read for that stream so far."""
        answer = self._answers[stream]
        answer.goaway = self.goaways[-1][1] if self.goaways else None
        answer.closed = self.closed
        return answer

    def _is_ignored(self, stream: int) -> bool:
        return any(stream > last for last, _ in self.goaways)

    def _take(self, found: Frame) -> None:
        self.received[found.kind] += 1
        answer = self._answers[found.stream] if found.stream else Answer()
        match found.kind:
            case 0x0:
                answer.body += _unpadded(found)
                answer.ended |= bool(found.flags & END_STREAM)
            case 0x1 | 0x9:
                self._take_headers(found, answer)
            case 0x3:
                answer.rst_code = int.from_bytes(found.payload, "big")
            case 0x4 if not found.flags & ACK:
                self.settings.update(struct.iter_unpack(">HI", found.payload))
                self._reply(frame(SETTINGS, ACK, 0))
            case 0x6 if not found.flags & ACK:
                self._reply(frame(PING, ACK, 0, found.payload))
            case 0x7:
                last, code = struct.unpack(">II", found.payload[:8])
                self.goaways.append((last & 0x7FFFFFFF, code))

    def _take_headers(self, found: Frame, answer: Answer) -> None:
        if found.kind == HEADERS:
            self._block, self._header_flags = b"", found.flags
        self._block += _unpadded(found)
        if not found.flags & END_HEADERS:
            return
        fields = {str(name): str(value) for name, value in self._hpack.decode(self._block)}
        if answer.headers:
            answer.trailers = fields
        else:
            answer.headers = fields
        answer.ended |= bool(self._header_flags & END_STREAM)

    def _reply(self, data: bytes) -> None:
        if self.polite:
            self.write(data)


def _unpadded(found: Frame) -> bytes:
    """The payload of DATA or HEADERS without padding and priority."""
    start, end = 0, len(found.payload)
    if found.kind != CONTINUATION and found.flags & PADDED:
        start, end = 1, end - found.payload[0]
    if found.kind == HEADERS and found.flags & PRIORITIZED:
        start += 5
    return found.payload[start:end]
