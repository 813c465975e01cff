"""A connection that has yet to shake hands in TLS. It is let in, and counted, from the moment it is accepted.

An event loop that listens with TLS tells nobody of a client before the handshake is over: who begins any number of them, and
ends none, would be met by no limit. So it listens without, and TLS begins here.
"""

from __future__ import annotations

import asyncio
import ssl
import types
from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from stigmer.transport.connection import Connection

if TYPE_CHECKING:
    from stigmer.transport.server import Server


class Door(asyncio.Protocol):
    """Stands in front of one ``Connection``, which takes over when the handshake is done."""

    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self._server = server
        self._context = context
        self._connection = Connection(server)
        self._early = bytearray()
        self._lost = False
        self._transport: Any = None
        self._shaking: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Begins the handshake with a client that may connect; afterwards it is called again, and need not do anything."""
        if self._transport is not None:
            return
        self._transport = transport
        if not self._connection.lets_in(transport.get_extra_info("peername")):
            self._leave()
            return
        self._server.doors.add(self)
        loop, seconds = self._server.loop, self._server.serving.limits.handshake_seconds
        begun = _begun(loop.start_tls(transport, self, self._context, server_side=True, ssl_handshake_timeout=seconds))
        self._shaking = loop.create_task(self._shake_hands(begun))

    def data_received(self, data: bytes) -> None:
        """What comes together with the end of the handshake."""
        self._early += data

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002 - why does not matter
        """There is nobody to hand over any more."""
        self._lost = True

    def close(self) -> None:
        """Breaks the handshake off."""
        self._transport.abort()

    async def _shake_hands(self, begun: Awaitable[Any]) -> None:
        try:
            secured = await begun
        except OSError as error:  # TLS's own among them
            if isinstance(error, ConnectionAbortedError):
                self._server.statistics.reached("handshake_seconds", self._connection.address.key)
            secured = None
        finally:
            self._server.doors.discard(self)
        if secured is None or self._lost or secured.is_closing():
            self._leave()
        else:
            self._hand_over(secured)

    def _hand_over(self, secured: Any) -> None:
        secured.set_protocol(self._connection)
        self._connection.connection_made(secured)
        if self._early and not secured.is_closing():
            self._connection.data_received(bytes(self._early))

    def _leave(self) -> None:
        self._transport.abort()
        self._connection.connection_lost(None)


def _begun(coroutine: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
    """Makes the first step now, up to where it waits: a task would make it only after uvloop has read the first bytes."""
    rest: Awaitable[Any] = _rest(coroutine, coroutine.send(None))
    return rest


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    while True:
        try:
            step = partial(coroutine.send, (yield waits_for))
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's to deal with
            step = partial(coroutine.throw, error)
        try:
            waits_for = step()
        except StopIteration as over:
            return over.value
