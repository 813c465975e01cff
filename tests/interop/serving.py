"""Servers for foreign clients: ours on each of its engines, and grpclib's own to compare with."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import grpclib.server

from stigmer.transport.limits import Limits
from stigmer.transport.server import Server

from .certificates import Certificates

ENGINES = ("ngh2", "h2")
STOCK = "grpclib"
SECONDS = 10.0
"""How long anything may take that happens at once on an idle machine."""


class Served(NamedTuple):
    """A server that runs, and where."""

    server: grpclib.server.Server
    port: int
    certificates: Certificates | None


def make_server(engine: str, handlers: Collection, limits: Limits | None = None) -> grpclib.server.Server:
    """Our server on that engine, or grpclib's own, which has no limits."""
    if engine == STOCK:
        return grpclib.server.Server(handlers)
    return Server(handlers, engine=engine, limits=limits)


@contextlib.asynccontextmanager
async def serving(
    engine: str,
    handlers: Collection,
    certificates: Certificates | None = None,
    *,
    asks: bool = False,
    limits: Limits | None = None,
    prepare: Callable[[grpclib.server.Server], None] = lambda server: None,
):
    """Serves on a free port of the loopback.

    What a call has taken must be given back when its client is gone, and no error may be left to the loop.

    Args:
        engine: of the server, see ``make_server``.
        handlers: what it serves.
        certificates: of which it shows one; without them it speaks plainly.
        asks: clients must show one too.
        limits: of our server; the usual ones when left out.
        prepare: is given the server before it starts.
    """
    server = make_server(engine, handlers, limits)
    unhandled: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unhandled.append(context))
    prepare(server)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    context = certificates and certificates.server_context(asks=asks)
    await server.start(sock=listener, ssl=context)
    try:
        yield Served(server, listener.getsockname()[1], certificates)
        await eventually(lambda: not _held(server))
        assert engine == STOCK or unhandled == []
    finally:
        server.close()
        async with asyncio.timeout(SECONDS):
            await server.wait_closed()


def _held(server) -> dict[str, int]:
    """What calls hold of the server, by name; of grpclib's own, how many connections are open."""
    if type(server) is grpclib.server.Server:
        return {handler: 1 for handler in server._handlers if not handler.closing}
    held = {name: getattr(server.statistics, name) for name in ("calls", "streams", "request_bytes", "answer_bytes")}
    return {name: number for name, number in held.items() if number}


async def eventually(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Waits until ``condition()`` is true, by looking often."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)
