"""Conversations changed at random, mostly frame by frame: bytes alone would seldom get past the first frame."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from byte_path import FRAME_HEAD, frames
from raw_http2 import END_HEADERS, HEADERS, frame, grpc_request, header_block, message, settings_payload

ODD_NUMBERS = (0, 1, 2, 3, 5, 7, 0x7F, 0x80, 0xFF, 0x100, 0x3FFF, 0x4000, 0x4001, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1)
ODD_FRAMES = (
    frame(0x0, 0, 1),
    frame(0x0, 0x1, 1, message(b"x")),
    frame(0x0, 0x8, 1, b"\x05abc"),
    frame(HEADERS, END_HEADERS | 0x1, 1, header_block([("trailer", "x")])),
    frame(HEADERS, END_HEADERS | 0x20, 3, bytes(5) + header_block(grpc_request("/bench.Echo/Unary"))),
    frame(HEADERS, END_HEADERS, 5, b"\x82\xff\xff\xff\x0f"),
    frame(0x2, 0, 1, b"\0\0\0\x01\0"),
    frame(0x3, 0, 1, b"\0\0\0\x08"),
    frame(0x4, 0, 0, settings_payload({4: 0})),
    frame(0x4, 0, 0, settings_payload({4: 2**31 - 1, 5: 16384, 1: 0})),
    frame(0x4, 1, 0),
    frame(0x5, END_HEADERS, 1, b"\0\0\0\x02"),
    frame(0x6, 0, 0, b"12345678"),
    frame(0x7, 0, 0, bytes(8)),
    frame(0x8, 0, 0, b"\x7f\xff\xff\xff"),
    frame(0x8, 0, 1, b"\0\0\0\x01"),
    frame(0x9, END_HEADERS, 1, header_block([("more", "x")])),
    frame(0x10, 0, 0, b"\0\0\0\x01u=1"),
    frame(0xFE, 0xFF, 9, b"unknown"),
)

Parts = list[bytes]


def _drop(parts: Parts, where: int, chance: random.Random) -> None:
    del parts[where]


def _repeat(parts: Parts, where: int, chance: random.Random) -> None:
    parts[where:where] = [parts[where]] * chance.choice((1, 1, 1, 3, 50))


def _swap(parts: Parts, where: int, chance: random.Random) -> None:
    other = chance.randrange(len(parts))
    parts[where], parts[other] = parts[other], parts[where]


def _insert(parts: Parts, where: int, chance: random.Random) -> None:
    parts.insert(where, chance.choice(ODD_FRAMES))


def _truncate(parts: Parts, where: int, chance: random.Random) -> None:
    parts[where] = parts[where][: chance.randrange(len(parts[where]) + 1)]


def _flip(parts: Parts, where: int, chance: random.Random) -> None:
    part = bytearray(parts[where])
    for _ in range(chance.choice((1, 1, 2, 8))):
        if part:
            part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
    parts[where] = bytes(part)


def _field(start: int, size: int) -> Callable[[Parts, int, random.Random], None]:
    """Changes some bytes of a frame's head to an odd number."""

    def change(parts: Parts, where: int, chance: random.Random) -> None:
        part = parts[where]
        if len(part) >= FRAME_HEAD:
            number = chance.choice((*ODD_NUMBERS, chance.randrange(12))) % 256**size
            parts[where] = part[:start] + number.to_bytes(size, "big") + part[start + size :]

    return change


def _odd_payload(parts: Parts, where: int, chance: random.Random) -> None:
    """Four bytes of the payload become an odd number."""
    part = parts[where]
    if len(part) >= FRAME_HEAD + 4:
        start = chance.randrange(FRAME_HEAD, len(part) - 3)
        parts[where] = part[:start] + chance.choice(ODD_NUMBERS).to_bytes(4, "big") + part[start + 4 :]


def _resize(parts: Parts, where: int, chance: random.Random) -> None:
    """The payload grows or shrinks, and the length with it."""
    part = parts[where]
    payload = (part[FRAME_HEAD:] * 2 + b"\0")[: chance.choice((0, 1, 4, 5, 8, len(part), 2 * len(part)))]
    parts[where] = len(payload).to_bytes(3, "big") + part[3:FRAME_HEAD] + payload


CHANGES = (_drop, _repeat, _swap, _insert, _truncate, _flip, _odd_payload, _resize, *map(_field, (0, 3, 4, 5), (3, 1, 1, 4)))
"""Length, type, flags and stream are the fields."""


def mutated(conversation: bytes, chance: random.Random, others: Sequence[bytes] = (b"\0",), *, most: int = 65536) -> bytes:
    """A conversation that differs in a few places, of at most so many bytes; it may go on like another."""
    manner, parts = conversation[:1] or b"\0", list(frames(conversation[1:]))
    if chance.random() < 0.3:
        manner = bytes([chance.randrange(128)])
    if chance.random() < 0.2:
        parts += list(frames(chance.choice(others)[1:]))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        if not parts:
            parts = [chance.choice(ODD_FRAMES)]
        chance.choice(CHANGES)(parts, chance.randrange(len(parts)), chance)
    return (manner + b"".join(parts))[:most]
