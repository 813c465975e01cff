"""An odd request: what a client writes, and what it may get for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from raw_answer import Answer
from raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    Fields,
    RawClient,
    frame,
    grpc_request,
    header_block,
    message,
)

PATH = "/bench.Echo/Unary"
"""Of a unary call that answers with what it got."""
HELLO = message(b"hello")
ECHO = "grpc 0 hello"
REFUSED = ("rst 1", "goaway 1")
"""A malformed request: RFC 9113 section 8.1.1 makes it an error of the stream, or of the connection."""
CANCELLED = frame(RST_STREAM, 0, 1, b"\0\0\0\x08")
CLOSES = "grpc-go closes without a word; GOAWAY says why"
LENIENT = "malformed, RFC 9113 section 8.1.1: the stream is reset, or the connection; grpc-go does not look"
_AFTERWARDS = 1001
"""The stream of the ordinary call that follows on the same connection."""
_SHORT = 20

Replaced = Mapping[str, str | None]


@dataclasses.dataclass(frozen=True)
class Probe:
    """One odd request.

    Attributes:
        name: what is odd, in a few words.
        sends: what is written, after the preface.
        expects: the outcomes of which any will do, as ``outcome`` words them.
        why: why it need not be what grpc-go answers; empty where it is that and nothing else.
        keeps: an ordinary call on the same connection must succeed afterwards, unless the outcome is its end.
        stream: whose answer is looked at; 0: the fate of the connection.
        first: written before, and answered on stream 1 before the rest follows.
        preface: the client begins as HTTP/2 wants it.
        half_closes: the client closes its side at the end.
    """

    name: str
    sends: bytes
    expects: tuple[str, ...]
    why: str = ""
    keeps: bool = True
    stream: int = 1
    first: bytes = b""
    preface: bool = True
    half_closes: bool = False


def because(why: str, *probes: Probe) -> tuple[Probe, ...]:
    """Probes whose outcomes have the same reason."""
    return tuple(dataclasses.replace(probe, why=why) for probe in probes)


def gone(name: str, sends: bytes, *codes: int) -> Probe:
    """A probe that the connection does not survive: GOAWAY with one of those codes."""
    return Probe(name, sends, tuple(f"goaway {code}" for code in codes), stream=0)


class Result(NamedTuple):
    """What became of a probe.

    Attributes:
        found: the outcome.
        text: the ``grpc-message``.
        faults: what is not as it must be, in words.
    """

    found: str
    text: str
    faults: list[str]


def head(stream: int = 1, more: Fields = (), instead: Replaced | None = None, *, path: str = PATH, end: bool = False) -> bytes:
    """HEADERS of a call; ``instead`` replaces some of them, or leaves them out (None); ``more`` follow."""
    return raw_head(stream, grpc_request(path, more, replace=instead), end=end)


def raw_head(stream: int, fields: Fields, *, end: bool = False) -> bytes:
    """HEADERS with exactly those fields."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, header_block(fields))


def body(stream: int = 1, data: bytes = HELLO, *, end: bool = True) -> bytes:
    """DATA, the last of the call unless something else is said."""
    return frame(DATA, END_STREAM if end else 0, stream, data)


def call(
    stream: int = 1, more: Fields = (), instead: Replaced | None = None, *, data: bytes = HELLO, path: str = PATH
) -> bytes:
    """A whole call with that body."""
    return head(stream, more, instead, path=path) + body(stream, data)


def outcome(answer: Answer, rest: bytes = b"") -> str:
    """An answer in a few words: its statuses and messages, or how the stream or the connection ended.

    Args:
        answer: as it was read.
        rest: what came and is no frame.
    """
    if answer.ended and answer.headers:
        words = [f"http {answer.http_status}"] if answer.http_status != 200 else []
        words += [f"grpc {answer.grpc_status}"] if answer.grpc_status is not None else []
        return " ".join(
            [*words, *(text.decode("latin-1") if len(text) <= _SHORT else f"{len(text)} bytes" for text in answer.messages)]
        )
    if answer.rst_code is not None:
        return f"rst {answer.rst_code}"
    if answer.goaway:
        return f"goaway {answer.goaway}"
    if rest[:9] == b"HTTP/1.1 ":
        return f"plain http {rest[9:12].decode('ascii')}"
    if rest[:2] == b"\x15\x03":
        return "tls alert"
    return "closed" if answer.closed else "nothing"


async def run(probe: Probe, host: str, port: int) -> Result:
    """Sends it, and looks at what came back, at the connection afterwards, and at how another client fares."""
    async with await RawClient.connect(host, port) as client:
        if probe.preface:
            client.preface()
        if probe.first:
            client.write(probe.first)
            await client.answer(1)
        client.write(probe.sends)
        if probe.half_closes:
            client.half_close()
        answer = await client.answer(probe.stream)
        found = outcome(answer, client.rest)
        faults = [] if found in probe.expects else [f"{found!r} is not what it expects: {probe.expects}"]
        faults += await _faults_of_connection(probe, client, is_over=found.split()[0] not in {"grpc", "http", "rst"})
    faults += await _faults_of_others(host, port)
    return Result(found, answer.grpc_message or "", faults)


async def _faults_of_connection(probe: Probe, client: RawClient, *, is_over: bool) -> list[str]:
    if is_over:
        return [] if await client.wait_closed() else ["the connection stays open"]
    if not probe.keeps:
        return []
    found = await _ordinary(client, _AFTERWARDS)
    return [] if found == ECHO else [f"the next call on the connection: {found!r}"]


async def _faults_of_others(host: str, port: int) -> list[str]:
    async with await RawClient.connect(host, port) as other:
        other.preface()
        found = await _ordinary(other, 1)
    return [] if found == ECHO else [f"the call of another client: {found!r}"]


async def _ordinary(client: RawClient, stream: int) -> str:
    client.write(call(stream))
    return outcome(await client.answer(stream))
