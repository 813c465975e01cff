"""Calls over connections on libnghttp2, which are made and left as need be."""

from __future__ import annotations

import asyncio
import importlib.metadata
import ssl as _ssl
import time
from collections.abc import AsyncGenerator
from typing import TypeAlias

from grpclib.exceptions import StreamTerminatedError
from grpclib.metadata import encode_metadata, encode_timeout

from stigmer.addresses import host_and_port, joined, unix_path
from stigmer.client.greeting import greeted
from stigmer.client.line import Line
from stigmer.client.metadata import NOTHING, Metadata
from stigmer.client.streaming import Streaming

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

SILENT_SECONDS = 300.0
"""When nothing has come on a stream for so long, not even the server's PING, it is taken for lost."""
_AGENT = f"grpc-python-stigmer/{importlib.metadata.version('stigmer')}".encode()
_HEADS = 100
"""Of so many paths the headers are kept."""


class Lines:
    """See ``Calls``."""

    def __init__(self, address: str, *, metadata: Metadata, ssl: _ssl.SSLContext | None) -> None:
        self._address = address
        self._ssl = ssl
        self._metadata = _encoded(metadata)
        self._heads: dict[str, Headers] = {}
        self._line: Line | None = None
        self._lines: set[Line] = set()
        self._connecting = asyncio.Lock()
        self._closed = False

    async def messages(self, path: str, request: bytes, deadline: float | None, metadata: Metadata = NOTHING) -> list[bytes]:
        """See ``Calls``."""
        line = self._line
        if line is None or not line.open or line.closing:
            line = await self._connected()
        head = self._headers(path, metadata)
        if deadline is not None:
            head = (*head, (b"grpc-timeout", encode_timeout(max(0, deadline - time.monotonic())).encode()))
        return await line.messages(head, request)

    async def stream(self, path: str, request: bytes, metadata: Metadata = NOTHING) -> AsyncGenerator[bytes, None]:
        """See ``Calls``. The stream has a connection of its own: whoever takes its messages slowly holds nobody up."""
        line = await greeted(self._connect(paced=True))
        try:
            exchange = line.stream(self._headers(path, metadata), request)
            while True:
                message = await self._heard(line, exchange)
                if message is None:
                    return
                yield message
        finally:
            line.close()

    async def _heard(self, line: Line, exchange: Streaming) -> bytes | None:
        """The next message, from a server that shows now and then that it is there."""
        while True:
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + SILENT_SECONDS / 10):
                    return await exchange.next()
            except TimeoutError:
                if time.monotonic() - line.heard > SILENT_SECONDS:
                    raise StreamTerminatedError(f"nothing was heard for {SILENT_SECONDS:g} s") from None

    def _headers(self, path: str, metadata: Metadata) -> Headers:
        head = self._heads.get(path) or self._head(path)
        return (*head, *_encoded(metadata)) if metadata else head

    def close(self) -> None:
        """See ``Calls``."""
        self._closed = True
        for line in list(self._lines):
            line.close()

    def leave_silent(self, since: float) -> None:
        """See ``Calls``."""
        for line in list(self._lines):
            if line.heard < since:
                line.leave()

    def leave_older(self, than: float) -> None:
        """See ``Calls``."""
        for line in list(self._lines):
            if line.made < than:
                line.leave()

    def _head(self, path: str) -> Headers:
        """The headers of all calls of an rpc."""
        if len(self._heads) >= _HEADS:
            self._heads.clear()
        authority = "localhost" if unix_path(self._address) is not None else joined(*host_and_port(self._address))
        head = self._heads[path] = (
            (b":method", b"POST"),
            (b":scheme", b"https" if self._ssl else b"http"),
            (b":path", path.encode()),
            (b":authority", authority.encode()),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", _AGENT),
            *self._metadata,
        )
        return head

    async def _connected(self) -> Line:
        async with self._connecting:
            line = self._line
            if line is None or not line.open or line.closing:
                self._line = line = await greeted(self._connect())
            return line

    async def _connect(self, *, paced: bool = False) -> Line:
        loop = asyncio.get_running_loop()
        path = unix_path(self._address)
        if path is None:
            host, port = host_and_port(self._address)
            _, line = await loop.create_connection(lambda: Line(self._lines, paced=paced), host, port, ssl=self._ssl)
        else:
            _, line = await loop.create_unix_connection(lambda: Line(self._lines, paced=paced), path, ssl=self._ssl)
        if self._closed:
            line.close()
        return line


def _encoded(metadata: Metadata) -> Headers:
    return tuple((name.encode(), value.encode()) for name, value in encode_metadata(metadata))
