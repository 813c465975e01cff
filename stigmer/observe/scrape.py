"""Serves metrics over HTTP/1.1 on a port of their own: GET /metrics and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from stigmer.addresses import host_and_port
from stigmer.errors import ConfigurationError

_LONGEST_HEAD = 16 * 1024
_SECONDS = 10.0
"""How long a client may take to ask and to read."""


class ScrapeServer:
    """Answers scrapes. The text is made in a thread, so that calls do not wait for it."""

    def __init__(self, listen: str, registry: CollectorRegistry, before: Callable[[], None]) -> None:
        """Prepares to serve ``registry`` at ``listen``, ``HOST:PORT``; port 0 takes a free one.

        ``before`` is called before each answer, not in the thread but in the event loop.
        """
        self._listen = listen
        self._registry = registry
        self._before = before
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int | None:
        """The port it listens on, or None while it does not."""
        if self._server is None:
            return None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listens.

        Raises:
            ConfigurationError: the address is in use or not this machine's.
        """
        host, port = host_and_port(self._listen)
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=_LONGEST_HEAD)
        except OSError as error:
            raise ConfigurationError(f"metrics_listen: cannot listen on {self._listen}: {error.strerror}") from error

    async def stop(self) -> None:
        """Listens no more and drops whoever is connected."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request; a client that breaks off, dawdles or says too much is left alone."""
        self._writers.add(writer)
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.decode("latin-1")))
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, head: str) -> bytes:
        request, *headers = head.split("\r\n")
        method, _, rest = request.partition(" ")
        target = rest.partition(" ")[0].partition("?")[0]
        if target != "/metrics":
            return _response(HTTPStatus.NOT_FOUND, "text/plain", b"metrics are at /metrics\n")
        if method != "GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"GET only\n", "Allow: GET\r\n")
        accept = next((line.partition(":")[2] for line in headers if line.lower().startswith("accept:")), "")
        encode, content_type = choose_encoder(accept)
        self._before()
        return _response(HTTPStatus.OK, content_type, await asyncio.to_thread(encode, self._registry))


def _response(status: HTTPStatus, content_type: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
