"""A grpclib channel that a server can part from without failing the calls in flight.

On GOAWAY grpclib's own channel drops everything, also what the server has promised to answer yet. This one leaves those
calls alone, gives up only those that the server says it will not answer, and makes new calls on a new connection.
"""

from __future__ import annotations

from typing import Any

from grpclib.client import Channel, Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import EventsProcessor, H2Protocol
from h2.config import H2Configuration
from hyperframe.frame import GoAwayFrame


class NotProcessed(StreamTerminatedError):
    """The server has not looked at the call and will not: it can be made again, whatever it is."""


class PartingChannel(Channel):
    """A channel that outlives its connections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._parting: set[EventsProcessor] = set()

    def close(self) -> None:
        """Closes the connection, and those that still wait for their last answers."""
        super().close()
        for processor in list(self._parting):
            processor.close()

    def _protocol_factory(self) -> H2Protocol:
        return _PartingProtocol(Handler(), self._config, self._h2_config, self._parting)


class _PartingProtocol(H2Protocol):
    """A connection that may be told to go away."""

    def __init__(self, handler: Handler, config: Any, h2_config: H2Configuration, parting: set[EventsProcessor]) -> None:
        super().__init__(handler, config, h2_config)
        self._client_handler = handler
        self._parting = parting

    def connection_made(self, transport: Any) -> None:
        """Begins to listen for GOAWAY, in place of h2: to h2 the connection would be closed from then on."""
        super().connection_made(transport)
        # h2 has no setting for this. The table is grpclib's business too: it empties it when a connection closes.
        self.connection._connection._frame_dispatch_table[GoAwayFrame] = self._part  # noqa: SLF001 - as above

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone, wanted or not."""
        self._parting.discard(self.processor)
        super().connection_lost(exc)

    def _part(self, frame: GoAwayFrame) -> tuple[list[Any], list[Any]]:
        self._client_handler.connection_lost = True  # the channel connects anew for the next call
        self._parting.add(self.processor)
        for number, stream in list(self.processor.streams.items()):
            if number > frame.last_stream_id and stream.wrapper is not None:
                stream.wrapper.cancel(NotProcessed("the server is going away"))
        if not self.processor.streams:
            self.connection.close()
        return [], []
