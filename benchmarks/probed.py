"""The service that odd requests are sent to: it answers with what it got, in calls of all four kinds.

Usage: python benchmarks/probed.py ngh2|h2
"""

from __future__ import annotations

import asyncio
import sys

from grpclib.const import Cardinality, Handler

from stigmer.transport.codec import BytesCodec
from stigmer.transport.limits import MIB, Limits
from stigmer.transport.server import Server

MESSAGE_BYTES = 4 * MIB
"""The limit of a message: grpc-go's, unless it is told another."""


class Echo:
    """The rpcs."""

    def __mapping__(self):
        """Path → handler."""
        kinds = {
            "Unary": (self.unary, Cardinality.UNARY_UNARY),
            "Twice": (self.twice, Cardinality.UNARY_STREAM),
            "Collect": (self.collect, Cardinality.STREAM_UNARY),
            "Stream": (self.stream, Cardinality.STREAM_STREAM),
        }
        return {f"/bench.Echo/{name}": Handler(func, kind, bytes, bytes) for name, (func, kind) in kinds.items()}

    async def unary(self, stream):
        """One for one."""
        await stream.send_message(await stream.recv_message())

    async def twice(self, stream):
        """Two for one."""
        message = await stream.recv_message()
        await stream.send_message(message)
        await stream.send_message(message)

    async def collect(self, stream):
        """One for all."""
        await stream.send_message(b"".join([message async for message in stream]))

    async def stream(self, stream):
        """Each for each."""
        async for message in stream:
            await stream.send_message(message)


def make(engine: str) -> Server:
    """The server, not started."""
    return Server([Echo()], codec=BytesCodec(), limits=Limits(message_bytes=MESSAGE_BYTES), engine=engine)


async def main() -> None:
    """Serves until it is killed."""
    server = make(sys.argv[1])
    await server.start("127.0.0.1", 0)
    print(f"serving on {server.addresses[0]}", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
