"""Asks a server whether it serves; the exit code tells. Usage: ``python examples/health.py HOST:PORT|unix:PATH``."""

from __future__ import annotations

import asyncio
import sys

from grpclib.client import Channel
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse


async def serves(address: str) -> bool:
    """Whether the server at ``address``, HOST:PORT or unix:PATH, says within two seconds that it serves."""
    host, _, port = address.rpartition(":")
    async with Channel(path=port) if host == "unix" else Channel(host, int(port)) as channel:
        try:
            response = await HealthStub(channel).Check(HealthCheckRequest(), timeout=2)
        except (OSError, TimeoutError, GRPCError, StreamTerminatedError):
            return False
    return response.status == HealthCheckResponse.SERVING


if __name__ == "__main__":
    sys.exit(not asyncio.run(serves(sys.argv[1])))
