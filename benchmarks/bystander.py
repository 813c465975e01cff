"""A well-behaved client beside an attack: unary calls at a steady rate on one connection, each of them timed.

    python benchmarks/bystander.py HOST PORT CALLS_PER_SECOND

It is a process of its own, so that it waits for nobody but the server, and does without an event loop, whose turns would be
measured too. For each line on standard input it prints what it saw since the last one, as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import statistics
import sys
import time

import hpack
from attacked import UNARY
from raw_http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAGIC,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    grpc_request,
    header_block,
    message,
)

PATIENCE = 10.0
QUESTION = b"how are you?"
_WINDOW = (2**31 - 1 - 65535).to_bytes(4, "big")
_REPLIES = {SETTINGS, PING}


class Unwell(Exception):
    """A call did not end as it should."""


class Client:
    """A connection that makes one call after the other."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(MAGIC + frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, _WINDOW))
        self._buffer = b""
        self._decoder = hpack.Decoder()
        self._block = header_block(grpc_request(UNARY))
        self._stream = -1

    def call(self) -> None:
        """One call; raises when it is not answered OK with what was sent."""
        self._stream += 2
        body = message(QUESTION)
        self._socket.sendall(
            frame(HEADERS, END_HEADERS, self._stream, self._block) + frame(DATA, END_STREAM, self._stream, body)
        )
        received, fields = b"", {}
        while True:
            kind, flags, stream, payload = self._frame()
            if kind == GOAWAY or (kind == RST_STREAM and stream == self._stream):
                raise Unwell(f"frame {kind} with {payload!r}")
            if kind == DATA:
                received += payload
            if kind == HEADERS:
                fields.update(self._decoder.decode(payload))
            if flags & END_STREAM and kind in {HEADERS, DATA}:
                break
        if fields.get("grpc-status") != "0" or received != body:
            raise Unwell(f"{fields} {received!r}")

    def close(self) -> None:
        """Without a word."""
        self._socket.close()

    def _frame(self) -> tuple[int, int, int, bytes]:
        while len(self._buffer) < 9 or len(self._buffer) < 9 + int.from_bytes(self._buffer[:3], "big"):
            self._read()
        end = 9 + int.from_bytes(self._buffer[:3], "big")
        whole, self._buffer = self._buffer[:end], self._buffer[end:]
        kind, flags, stream, payload = whole[3], whole[4], int.from_bytes(whole[5:9], "big"), whole[9:]
        if kind in _REPLIES and not flags & ACK:
            self._socket.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
        return kind, flags, stream, payload

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise Unwell("the connection was closed")
        self._buffer += data


class Diary:
    """What happened since it was last read."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, port)
        self._client: Client | None = None
        self._seconds: list[float] = []
        self._errors: list[str] = []

    def add_call(self) -> None:
        """Makes a call and notes how it went; after one that failed the next has a connection of its own."""
        try:
            self._client = self._client or Client(*self._where)
            began = time.perf_counter()
            self._client.call()
            self._seconds.append(time.perf_counter() - began)
        except (OSError, Unwell, hpack.HPACKError) as error:
            self._errors.append(f"{type(error).__name__}: {error}")
            if self._client is not None:
                self._client.close()
                self._client = None

    def read(self) -> str:
        """As JSON: calls, their median and the longest in milliseconds, what went wrong."""
        seconds, self._seconds = self._seconds, []
        errors, self._errors = self._errors, []
        return json.dumps(
            {
                "calls": len(seconds),
                "p50": statistics.median(seconds) * 1000 if seconds else None,
                "longest": max(seconds) * 1000 if seconds else None,
                "errors": errors,
            }
        )


def live(host: str, port: int, per_second: float) -> None:
    """Calls until standard input ends."""
    diary = Diary(host, port)
    due = time.perf_counter()
    while True:
        if select.select([sys.stdin], [], [], max(0.0, due - time.perf_counter()))[0]:
            if not sys.stdin.readline():
                break
            print(diary.read(), flush=True)
            continue
        due = max(due + 1 / per_second, time.perf_counter())
        diary.add_call()


if __name__ == "__main__":
    live(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
