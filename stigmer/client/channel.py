"""A grpclib channel that a server can part from without failing the calls in flight, and messages that are bytes already."""

from __future__ import annotations

from typing import Any, Self, cast

from grpclib.client import Channel

from stigmer.client.greeting import greeted
from stigmer.client.parting import PartingProtocol


class Wire(bytes):
    """A message that is encoded already, in the form that grpclib's codec takes and gives.

    As the request type of a call it takes what was encoded elsewhere, as the answer type it gives what is decoded elsewhere.
    """

    __slots__ = ()

    def SerializeToString(self) -> bytes:  # noqa: N802 - grpclib asks for this name
        """The message itself."""
        return self

    @classmethod
    def FromString(cls, data: bytes) -> Self:  # noqa: N802 - grpclib asks for this name
        """The message in ``data``."""
        return cls(data)


class PartingChannel(Channel):
    """A channel that outlives its connections.

    On GOAWAY the calls that the server still answers go on, those that it will not fail with ``NotProcessed``, and new ones
    are made on a new connection. A call that the server refuses for want of room fails with ``Refused``, one that was never
    sent with ``Unused``. Nothing is sent to a server that has not spoken yet: if it closes, it has begun with nothing.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connections: set[PartingProtocol] = set()
        self._closed = False

    def close(self) -> None:
        """Closes the connection, those that still wait for their last answers, and one that is being made."""
        self._closed = True
        super().close()
        for connection in list(self._connections):
            connection.close()

    def leave_silent(self, since: float) -> None:
        """Begins no call any more where nothing was heard since then, on ``time.monotonic``: perhaps nothing ever will be."""
        for connection in self._connections:
            if connection.heard < since:
                connection.leave()

    def leave_older(self, than: float) -> None:
        """Begins no call any more on a connection that was made before then, on ``time.monotonic``."""
        for connection in self._connections:
            if connection.made < than:
                connection.leave()

    def _protocol_factory(self) -> PartingProtocol:
        return PartingProtocol(self._config, self._h2_config, self._connections)

    @property
    def _connected(self) -> bool:
        # asyncio tells that a connection is lost one turn after it has closed the socket.
        return super()._connected and not self._protocol.connection.is_closing()  # type: ignore[union-attr] # it is connected

    async def _create_connection(self) -> PartingProtocol:
        return await greeted(self._connect())

    async def _connect(self) -> PartingProtocol:
        protocol = cast("PartingProtocol", await super()._create_connection())
        if self._closed:
            protocol.close()
        return protocol
