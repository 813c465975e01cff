"""A server process that holds unary calls: says when it has so many, drains at SIGTERM, and lets them go at SIGUSR1."""

from __future__ import annotations

import asyncio
import signal
import sys

from stigmer.transport.server import Server

from .service import InteropService

SECONDS = 60


class Held(InteropService):
    """The interoperability service, whose unary calls wait for ``go``."""

    def __init__(self, calls: int):
        super().__init__()
        self.go = asyncio.Event()
        self._missing = calls

    async def _unary(self, stream):
        self._missing -= 1
        if not self._missing:
            _say("holding")
        await self.go.wait()
        await super()._unary(stream)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def main(calls: int) -> int:
    """Serves until SIGTERM, then for as long as calls wait; 0 when all could finish."""
    service, stopping = Held(calls), asyncio.Event()
    for number, event in ((signal.SIGTERM, stopping), (signal.SIGUSR1, service.go)):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    server = Server([service])
    await server.start("127.0.0.1", 0)
    _say(f"serving on {server.addresses[0]}")
    await stopping.wait()
    finished = await server.drain(SECONDS)
    await server.wait_closed()
    return 0 if finished else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]))))
