"""Cuts what a client sends into HTTP/2 frames, and refuses what is none before h2 sees it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from stigmer.transport.engine import ENHANCE_YOUR_CALM, PROTOCOL_ERROR
from stigmer.transport.limits import Limits

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
FRAME_SIZE_ERROR = 0x6
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTING_SIZE = 6

_HEAD = struct.Struct(">BHBBL")
_LONGEST = 2**14
_STREAM_BITS = 2**31 - 1
_PRIORITY_SIZE = 5
_LENGTHS = {PRIORITY: _PRIORITY_SIZE, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_SHORTEST = {GOAWAY: 8}
_OF_STREAMS = {DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION}
_OF_CONNECTION = {SETTINGS, PING, GOAWAY}


class Violation(Exception):
    """The client has broken a rule so that the connection is over.

    Attributes:
        code: of the GOAWAY.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Frame(NamedTuple):
    """A frame. One of HEADERS is whole, without padding and priority: its CONTINUATIONs are in it."""

    kind: int
    flags: int
    stream_id: int
    body: bytes

    @property
    def ends(self) -> bool:
        """It is the last of its stream."""
        return bool(self.flags & END_STREAM)

    @property
    def is_empty(self) -> bool:
        """As DATA it has nothing but padding, and ends nothing."""
        padded = self.flags & PADDED and len(self.body) == self.body[0] + 1
        return not self.ends and (not self.body or bool(padded))

    @property
    def acknowledges(self) -> bool:
        """It is the answer to a frame of its kind."""
        return bool(self.flags & ACK)

    def raw(self) -> bytes:
        """The frame as it is on the wire."""
        length = len(self.body)
        return _HEAD.pack(length >> 16, length & 0xFFFF, self.kind, self.flags, self.stream_id) + self.body


class FrameCutter:
    """Keeps what is not yet a frame: less than one, and the pieces of one header block.

    Attributes:
        missing: bytes that the frame which has begun still lacks; 0 while its head is not there.
    """

    __slots__ = ("_block", "_greeted", "_head", "_largest_block", "_limits", "_pieces", "_preface", "_rest", "missing")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._largest_block = 2 * limits.header_list_bytes
        self._preface = PREFACE
        self._greeted = False
        self._rest = b""
        self._head: Frame | None = None
        self._block = b""
        self._pieces = 0
        self.missing = 0

    def cut(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes.

        Raises:
            Violation: something in it is no frame, or has no place here.
        """
        if self._preface:
            data = self._cut_preface(data)
        data = self._rest + data if self._rest else data
        start, size = 0, len(data)
        self.missing = 0
        while size - start >= _HEAD.size:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(data, start)
            length = (high << 16) + low
            stream_id &= _STREAM_BITS
            self._check(kind, flags, stream_id, length)
            end = start + _HEAD.size + length
            if end > size:
                self.missing = end - size
                break
            frame = self._whole(Frame(kind, flags, stream_id, data[start + _HEAD.size : end]))
            start = end
            if frame is not None:
                yield frame
        self._rest = data[start:]

    def _cut_preface(self, data: bytes) -> bytes:
        count = min(len(self._preface), len(data))
        if data[:count] != self._preface[:count]:
            raise Violation(PROTOCOL_ERROR)
        self._preface = self._preface[count:]
        return data[count:]

    def _check(self, kind: int, flags: int, stream_id: int, length: int) -> None:
        """Refuses a frame by its head, before its body has come."""
        if not self._greeted and (kind != SETTINGS or flags & ACK):
            raise Violation(PROTOCOL_ERROR)
        if (kind == CONTINUATION) != (self._head is not None) or (self._head is not None and stream_id != self._head.stream_id):
            raise Violation(PROTOCOL_ERROR)
        if kind == PUSH_PROMISE or (kind in _OF_STREAMS and not stream_id) or (kind in _OF_CONNECTION and stream_id):
            raise Violation(PROTOCOL_ERROR)
        if length > _LONGEST or length != _LENGTHS.get(kind, length) or length < _SHORTEST.get(kind, 0):
            raise Violation(FRAME_SIZE_ERROR)
        if kind == SETTINGS:
            self._check_settings(length, acknowledges=bool(flags & ACK))

    def _check_settings(self, length: int, *, acknowledges: bool) -> None:
        if length % SETTING_SIZE or (acknowledges and length):
            raise Violation(FRAME_SIZE_ERROR)
        if length > SETTING_SIZE * self._limits.settings_entries:
            raise Violation(ENHANCE_YOUR_CALM)
        self._greeted = True

    def _whole(self, frame: Frame) -> Frame | None:
        """The frame to read: this one, or the HEADERS that it completes; None when that is not yet complete."""
        if frame.kind == DATA:
            _unpadded(frame)
            return frame
        if frame.kind == HEADERS:
            return self._gather(frame, _without_priority(frame, _unpadded(frame)), 0, frame.flags)
        if self._head is not None:
            return self._gather(self._head, self._block + frame.body, self._pieces + 1, frame.flags)
        return frame

    def _gather(self, head: Frame, block: bytes, pieces: int, flags: int) -> Frame | None:
        if pieces > self._limits.continuations or len(block) > self._largest_block:
            raise Violation(ENHANCE_YOUR_CALM)
        if flags & END_HEADERS:
            self._head, self._block, self._pieces = None, b"", 0
            return Frame(HEADERS, head.flags & END_STREAM | END_HEADERS, head.stream_id, block)
        self._head, self._block, self._pieces = head, block, pieces
        return None


def _unpadded(frame: Frame) -> bytes:
    """The body without padding.

    Raises:
        Violation: there is more padding than body.
    """
    body = frame.body
    if not frame.flags & PADDED:
        return body
    if not body:
        raise Violation(FRAME_SIZE_ERROR)
    if body[0] >= len(body):
        raise Violation(PROTOCOL_ERROR)
    return body[1 : len(body) - body[0]]


def _without_priority(frame: Frame, body: bytes) -> bytes:
    if not frame.flags & WITH_PRIORITY:
        return body
    if len(body) < _PRIORITY_SIZE:
        raise Violation(FRAME_SIZE_ERROR)
    # Priority means nothing any more; that a stream depends on itself is an error all the same, to libnghttp2 too.
    if int.from_bytes(body[:4], "big") & _STREAM_BITS == frame.stream_id:
        raise Violation(PROTOCOL_ERROR)
    return body[_PRIORITY_SIZE:]
