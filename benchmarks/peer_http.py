"""Load over HTTP/1.1: so many connections, each of which sends a request when it has the answer to the one before."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from load import Rate

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Request(NamedTuple):
    """A request, with a JSON body if there is one."""

    method: str
    path: str
    body: dict[str, Any] | None = None

    def wire(self) -> bytes:
        """Its bytes."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def closed_loop(port: int, request: Callable[[], Request], *, in_flight: int, seconds: float = 1e9, count: int = 2**62) -> Rate:
    """Sends requests for ``seconds``, or ``count`` of them; every answer must be a 2xx."""
    return asyncio.run(_closed_loop(port, request, in_flight, seconds, count))


async def _closed_loop(port: int, request: Callable[[], Request], in_flight: int, seconds: float, count: int) -> Rate:
    took: list[float] = []
    began = time.perf_counter()
    left = count

    async def caller() -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**28)
        while left > 0 and time.perf_counter() < began + seconds:
            left -= 1
            sent = time.perf_counter()
            writer.write(request().wire())
            await _answer(reader)
            took.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return Rate(len(took) / (time.perf_counter() - began), sorted(took)[len(took) // 2] * 1e6)


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if found := _LENGTH.search(head):
        body = await reader.readexactly(int(found[1]))
    else:
        body = b""
        while size := int((await reader.readline()).strip() or b"0", 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    if not head.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")):
        raise RuntimeError((head + body)[:500].decode(errors="replace"))
    return body
