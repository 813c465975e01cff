"""What watchers cost: memory of those who wait, and how long a write takes to reach one.

Usage: python benchmarks/watch.py [WATCHERS]; 10,000 unless told otherwise.

The server is a process of its own with a SQLite store; the watchers are HTTP/2 streams of another process, a hundred on a
connection, opened with prepared frames, so that what is measured is the server.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import grpc
from load import realistic

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.watch_pb import SessionEvent, WatchSessionsRequest

WATCH = "/ai.stigmer.agentic.session.v1.SessionWatchController/watch"
CREATE = "/ai.stigmer.agentic.session.v1.SessionCommandController/create"
ON_A_CONNECTION = 100
WRITES, PER_SECOND = 500, 100
LIMITS = {"calls": 20_000, "calls_per_address": 20_000, "streams_per_address": 20_000, "calls_per_connection": 200}


class Server:
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    @classmethod
    async def start(cls, folder: str) -> Server:
        """Starts it and waits until it serves."""
        limits = [argument for name, value in LIMITS.items() for argument in ("--limit", f"{name}={value}")]
        arguments = ("serve", "--store", f"sqlite:///{folder}/watch.db", "--listen", "127.0.0.1:0", "--log", "off", *limits)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stigmer", *arguments, stderr=asyncio.subprocess.PIPE
        )
        while True:
            line = (await process.stderr.readline()).decode()
            if found := re.search(r"serving on (\S+)", line):
                return cls(process, found[1])
            if not line:
                raise SystemExit("the server did not start")

    def memory(self) -> float:
        """Resident, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000

    async def stop(self) -> None:
        """Ends it."""
        self.process.kill()
        await self.process.wait()


def channel(address: str, number: int) -> grpc.aio.Channel:
    """A connection of its own."""
    options = (("grpc.use_local_subchannel_pool", 1), ("stigmer.number", number))
    return grpc.aio.insecure_channel(address, options=options)


def watch(on: grpc.aio.Channel, request: WatchSessionsRequest) -> grpc.aio.UnaryStreamCall:
    """Begins to watch."""
    rpc = on.unary_stream(
        WATCH, request_serializer=lambda each: each.to_binary(), response_deserializer=SessionEvent.from_binary
    )
    return rpc(request)


class Latency(NamedTuple):
    """Milliseconds from before a create is sent until it is answered, and until a watcher has it."""

    answered: list[float]
    told: list[float]

    def __str__(self) -> str:
        told, answered = statistics.median(self.told), statistics.median(self.answered)
        slowest = sorted(self.told)[-len(self.told) // 100]
        return f"p50 {told:.2f} ms (p99 {slowest:.2f} ms), where the create itself takes {answered:.2f} ms"


async def latency(address: str) -> Latency:
    """Creates sessions while somebody watches."""
    async with channel(address, -1) as watching, channel(address, -2) as writing:
        watcher = watch(watching, WatchSessionsRequest())
        await watcher.read()
        create = writing.unary_unary(
            CREATE, request_serializer=lambda each: each.to_binary(), response_deserializer=Session.from_binary
        )
        sent: dict[str, float] = {}
        answered: list[float] = []
        found: list[float] = []

        async def read() -> None:
            while len(found) < WRITES:
                event = await watcher.read()
                if event.session is not None:
                    found.append((time.perf_counter() - sent[event.session.metadata.id]) * 1000)

        reading = asyncio.create_task(read())
        for number in range(WRITES):
            session = realistic(number)
            session.metadata.id = f"lat-{os.urandom(6).hex()}-{number}"
            session.metadata.name = session.metadata.slug = session.metadata.id
            sent[session.metadata.id] = time.perf_counter()
            await create(session)
            answered.append((time.perf_counter() - sent[session.metadata.id]) * 1000)
            await asyncio.sleep(1 / PER_SECOND)
        await reading
        watcher.cancel()
    return Latency(answered, found)


async def main(watchers: int) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        server = await Server.start(folder)
        try:
            await latency(server.address)
            print(f"write to watcher: {await latency(server.address)}")
            before = server.memory()
            channels = [channel(server.address, number) for number in range(-(-watchers // ON_A_CONNECTION))]
            calls = []
            for each in channels:
                calls += [watch(each, WatchSessionsRequest(filter='name = "nobody"')) for _ in range(ON_A_CONNECTION)]
                await asyncio.gather(*(call.read() for call in calls[-ON_A_CONNECTION:]))
            after = server.memory()
            print(
                f"{len(calls)} idle watchers on {len(channels)} connections: {after - before:.0f} MB more than {before:.0f} MB"
            )
            print(f"write to watcher beside them: {await latency(server.address)}")
            for call in calls:
                call.cancel()
        finally:
            await server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
