"""A bare server on uvloop: one unary rpc that reads its request and answers fixed bytes, one that streams small answers.

Usage: python benchmarks/echo_server.py stock|ngh2|h2 SIZE [CERTIFICATE KEY]
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys

import grpclib.server
import uvloop
from grpclib.const import Cardinality, Handler

from stigmer.transport.codec import BytesCodec
from stigmer.transport.server import Server

UNARY, STREAM = "/bench.Echo/Unary", "/bench.Echo/Stream"
MESSAGES = 1000
"""Of a streaming answer."""
SMALL = b"x" * 16


class Echo:
    """Two rpcs that do nothing."""

    def __init__(self, size: int) -> None:
        self._answer = b"x" * size

    def __mapping__(self):
        """Path → handler."""
        return {
            UNARY: Handler(self.unary, Cardinality.UNARY_UNARY, bytes, bytes),
            STREAM: Handler(self.stream, Cardinality.UNARY_STREAM, bytes, bytes),
        }

    async def unary(self, stream):
        """Reads and answers."""
        await stream.recv_message()
        await stream.send_message(self._answer)

    async def stream(self, stream):
        """Reads and answers many times."""
        await stream.recv_message()
        for _ in range(MESSAGES):
            await stream.send_message(SMALL)


def tls(certificate: str, key: str) -> ssl.SSLContext:
    """What a TLS server needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    return context


async def main(kind: str, size: str, *certificate: str) -> None:
    """Serves until it is killed."""
    echo = [Echo(int(size))]
    server = (
        grpclib.server.Server(echo, codec=BytesCodec()) if kind == "stock" else Server(echo, codec=BytesCodec(), engine=kind)
    )
    await server.start("127.0.0.1", 0, ssl=tls(*certificate) if certificate else None)
    host, port = server._server.sockets[0].getsockname()  # noqa: SLF001 - the only way to learn the port of a stock server
    gc.freeze()
    print(f"serving on {host}:{port}", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
