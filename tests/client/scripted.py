"""A server whose every frame the test decides."""

from __future__ import annotations

import asyncio
import socket
import struct

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingAckReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame, PingFrame

EVERYTHING = 2**31 - 1


class Scripted:
    """Answers every call with an empty message, once it is told to.

    Attributes:
        address: where clients connect.
        streams: that a connection may have.
        busy: so many connections are told to go away in the same breath as they are greeted.
        connections: all that there were.
        arrived: calls whose request is complete, as (connection, stream).
    """

    def __init__(self):
        self.address = ""
        self.streams, self.busy = 1000, 0
        self.arrived: asyncio.Queue[tuple[_Connection, int]] = asyncio.Queue()
        self.connections: list[_Connection] = []

    async def open(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())

    async def next(self):
        """The connection and stream of the next call."""
        async with asyncio.timeout(10):
            return await self.arrived.get()

    async def close(self):
        self._server.close()
        for connection in self.connections:
            connection.transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, server):
        self._server = server
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self.agents: set[bytes] = set()
        self.heads: dict[int, dict[bytes, bytes]] = {}
        self.resets: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self.reads = 0
        self.lost = asyncio.Event()
        self.pong = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self._server.connections.append(self)
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._server.streams})
        goaway = GoAwayFrame(0, last_stream_id=0).serialize() if self._server.busy else b""
        self._server.busy -= bool(goaway)
        transport.write(self._h2.data_to_send() + goaway)

    def connection_lost(self, exc):
        self.lost.set()

    def data_received(self, data):
        self.reads += 1
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self.heads[event.stream_id] = dict(event.headers)
                self.agents.add(self.heads[event.stream_id][b"user-agent"])
            elif isinstance(event, DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self._server.arrived.put_nowait((self, event.stream_id))
            elif isinstance(event, StreamReset):
                self.resets.put_nowait((event.stream_id, event.error_code))
            elif isinstance(event, PingAckReceived):
                self.pong.set()
        self.transport.write(self._h2.data_to_send())

    async def seen(self):
        """Returns when the client has read all that was written: it answers a ping after that."""
        self.pong.clear()
        self._h2.ping(b"--seen--")
        self.transport.write(self._h2.data_to_send())
        async with asyncio.timeout(10):
            await self.pong.wait()

    def answer(self, stream):
        self._h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        self._h2.send_data(stream, bytes(5))
        self._h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
        self.transport.write(self._h2.data_to_send())

    def say(self, stream, head, data=None, trailers=None):
        """An answer of any kind, which ends with what is given last."""
        self._h2.send_headers(stream, head, end_stream=data is None and trailers is None)
        if data is not None:
            self._h2.send_data(stream, data, end_stream=trailers is None)
        if trailers is not None:
            self._h2.send_headers(stream, trailers, end_stream=True)
        self.transport.write(self._h2.data_to_send())

    def reset(self, stream, code=ErrorCodes.REFUSED_STREAM):
        self._h2.reset_stream(stream, code)
        self.transport.write(self._h2.data_to_send())

    def vanish(self):
        """Closes in such a way that the client's next write fails."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def go_away(self, last_stream, *, ping=False):
        frames = [GoAwayFrame(0, last_stream_id=last_stream), *([PingFrame(0, b"together")] if ping else [])]
        self.transport.write(b"".join(frame.serialize() for frame in frames))
