"""Lets clients of a TLS port in, before anybody has spent a byte or a key on them, and shakes hands with them."""

from __future__ import annotations

import asyncio
import ssl as _ssl
from typing import TYPE_CHECKING, Any

from stigmer.transport.connection import Connection

if TYPE_CHECKING:
    from stigmer.transport.admission import Address
    from stigmer.transport.server import Server


class Doorman(asyncio.Protocol):
    """One client, until it speaks TLS: then a ``Connection`` takes over, with what has come by then."""

    def __init__(self, server: Server, context: _ssl.SSLContext) -> None:
        self._server = server
        self._context = context
        self._early = b""
        self._shaking: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Asks for a handshake, if the client may be here."""
        address, reached = self._server.admission.enter(transport.get_extra_info("peername"))
        if reached is not None:
            self._server.statistics.reached(reached, address.key)
            transport.abort()
            return
        transport.pause_reading()  # its first bytes are for TLS, not for this protocol
        self._shaking = self._server.loop.create_task(self._shake_hands(transport, address))

    def data_received(self, data: bytes) -> None:
        """Keeps what comes together with the last of the handshake."""
        self._early += data

    async def _shake_hands(self, transport: Any, address: Address) -> None:
        seconds = self._server.serving.limits.handshake_seconds
        try:
            tls = await self._server.loop.start_tls(
                transport, self, self._context, server_side=True, ssl_handshake_timeout=seconds
            )
        except (OSError, asyncio.CancelledError) as error:
            if isinstance(error, ConnectionAbortedError):  # how loops say that it took too long
                self._server.statistics.reached("handshake_seconds", address.key)
            self._server.admission.leave(address)
            transport.abort()
            return
        if tls is None or tls.is_closing():
            self._server.admission.leave(address)
            return
        connection = Connection(self._server, address)
        tls.set_protocol(connection)
        connection.connection_made(tls)
        if self._early:
            connection.data_received(self._early)
