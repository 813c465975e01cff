"""The yardstick of the transport: stock grpclib on uvloop, one unary rpc that reads its request and answers fixed bytes."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.server import Server

PATH = "/bench.Echo/Unary"


class Bytes(CodecBase):
    """No messages, only bytes."""

    __content_subtype__ = "proto"

    def encode(self, message, message_type):
        """As it is."""
        return message

    def decode(self, data, message_type):
        """As it is."""
        return data


class Echo:
    """The one rpc."""

    def __init__(self, size: int) -> None:
        self._answer = b"x" * size

    def __mapping__(self):
        """Path → handler."""
        return {PATH: Handler(self.unary, Cardinality.UNARY_UNARY, bytes, bytes)}

    async def unary(self, stream):
        """Reads and answers."""
        await stream.recv_message()
        await stream.send_message(self._answer)


async def main() -> None:
    """Serves until it is killed."""
    server = Server([Echo(int(sys.argv[1]))], codec=Bytes())
    await server.start("127.0.0.1", 0)
    host, port = server._server.sockets[0].getsockname()  # noqa: SLF001 - the only way to learn the port
    print(f"serving on {host}:{port}", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


uvloop.run(main())
