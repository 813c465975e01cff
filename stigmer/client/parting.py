"""One connection of a ``PartingChannel``. Each call on it learns what the server says about it.

grpclib drops all calls on GOAWAY, also what the server has promised to answer yet; has calls that wait for a free stream wait
for ever once the connection is gone; and does not tell why a stream was reset.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections.abc import Callable
from typing import Any

from grpclib.client import Handler
from grpclib.metadata import USER_AGENT
from grpclib.protocol import H2Protocol, Stream
from grpclib.utils import Wrapper
from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import RemoteSettingsChanged, StreamReset
from h2.exceptions import NoAvailableStreamIDError
from hyperframe.frame import GoAwayFrame

from stigmer.client.last_words import unread
from stigmer.client.unanswered import NotProcessed, Refused, Unused

_AGENT = USER_AGENT.replace("grpclib", "stigmer-grpclib", 1)
"""Servers that know grpclib's own client spare it GOAWAY, because of what it does then."""


class PartingHandler(Handler):
    """What grpclib asks and tells about a connection as a whole.

    Attributes:
        unsent: calls that wait for a free stream.
    """

    def __init__(self) -> None:
        self.unsent: set[Wrapper] = set()

    def close(self) -> None:
        """No call begins on this connection any more."""
        super().close()
        for call in list(self.unsent):
            call.cancel(Unused("the connection was given up before the call was sent"))


class PartingProtocol(H2Protocol):
    """A connection that may be told to go away.

    Attributes:
        greeted: done when the server has said that it speaks HTTP/2, with None, or when it will not any more, with the reason.
        made: when it was, on ``time.monotonic``.
        heard: when the last bytes came, on ``time.monotonic``.
    """

    handler: PartingHandler

    def __init__(self, config: Any, h2_config: H2Configuration, connections: set[PartingProtocol]) -> None:
        super().__init__(PartingHandler(), config, h2_config)
        self._connections = connections
        self.greeted: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.made = self.heard = time.monotonic()

    def connection_made(self, transport: Any) -> None:
        """Begins to listen for what grpclib does not tell."""
        super().connection_made(transport)
        self._transport = transport
        self._connections.add(self)
        # In place of h2, to which the connection would be closed from then on; it has no setting for this. The table is
        # grpclib's business too: it empties it when a connection closes.
        self.connection._connection._frame_dispatch_table[GoAwayFrame] = self._part  # noqa: SLF001 - as above
        self.processor.processors |= {StreamReset: self._reset, RemoteSettingsChanged: self._settled}
        stream = functools.partial(self._stream, self.connection.create_stream)
        self.connection.create_stream = stream  # type: ignore[method-assign] # no hook and no factory leads there

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone, wanted or not."""
        self._connections.discard(self)
        if isinstance(exc, ConnectionError) and (left := unread(self._transport)):
            super().data_received(left)
        self.handler.close()
        if not self.greeted.done():
            gone = exc if isinstance(exc, ssl.SSLError) else Unused(f"the server closed the connection at once: {exc or 'EOF'}")
            self.greeted.set_result(gone)
        # Not before those who wait have taken what came last.
        self.greeted.get_loop().call_soon(super().connection_lost, exc)

    def data_received(self, data: bytes) -> None:
        """Reads, and hangs up when that was the last thing to wait for."""
        self.heard = time.monotonic()
        super().data_received(data)
        self._close_when_idle()

    def leave(self) -> None:
        """Begins no call here any more; those that were begun may finish."""
        self.handler.close()
        self._close_when_idle()

    def close(self) -> None:
        """Hangs up."""
        self.processor.close()

    def _close_when_idle(self) -> None:
        if self.handler.connection_lost and not self.processor.streams:
            self.connection.close()

    def _settled(self, event: RemoteSettingsChanged) -> None:
        if not self.greeted.done():
            self.greeted.set_result(None)
        self.processor.process_remote_settings_changed(event)

    def _part(self, frame: GoAwayFrame) -> tuple[list[Any], list[Any]]:
        self.handler.close()
        for number, stream in self.processor.streams.items():
            if number > frame.last_stream_id:
                _give_up(stream, NotProcessed("the server is going away"))
        return [], []

    def _reset(self, event: StreamReset) -> None:
        stream = self.processor.streams.get(event.stream_id)
        if stream is not None and event.error_code == ErrorCodes.REFUSED_STREAM and event.remote_reset:
            _give_up(stream, Refused("it had no room for the call"))
        else:
            self.processor.process_stream_reset(event)

    def _still_open(self) -> None:
        if self.handler.connection_lost:
            raise Unused("the connection was given up before the call was sent")

    def _stream(self, create: Callable[..., Stream], *, wrapper: Wrapper) -> Stream:
        self._still_open()
        stream = create(wrapper=wrapper)
        begin = functools.partial(self._begin, wrapper, stream.send_request)
        stream.send_request = begin  # type: ignore[method-assign] # likewise
        return stream

    async def _begin(self, wrapper: Wrapper, send: Callable[..., Any], headers: Any, **options: Any) -> Callable[[], None]:
        """Sends the head of a call once there is a free stream; gives what to call when the call is over."""
        self._still_open()
        headers = [(name, _AGENT if name == "user-agent" else value) for name, value in headers]
        self.handler.unsent.add(wrapper)
        try:
            return functools.partial(self._end, await send(headers, **options))
        except NoAvailableStreamIDError:
            self.leave()
            raise Unused("the connection has no stream left") from None
        finally:
            self.handler.unsent.discard(wrapper)

    def _end(self, release: Callable[[], None]) -> None:
        release()
        self._close_when_idle()


def _give_up(stream: Stream, error: NotProcessed) -> None:
    stream.wrapper.cancel(error)  # type: ignore[union-attr] # all streams of a client have one
