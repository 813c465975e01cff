"""What a call costs the caller: our client on ngh2 and through grpclib, and grpc.aio, against one echo server.

Usage: python benchmarks/client.py [--rounds 3] [--seconds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc.aio
from servers import CORES, pin_load, process

import stigmer.client.calls
from stigmer.client.connection import Connection

PATH, SIZE = "/bench.Echo/Unary", 200
REQUEST = b"x" * 40
Call = Callable[[], Awaitable[object]]


@contextlib.asynccontextmanager
async def ours(address: str) -> AsyncIterator[Call]:
    """Our client, with all that it does for its callers."""
    connection = Connection(address)
    try:
        yield lambda: connection.call(PATH, REQUEST, repeatable=True)
    finally:
        connection.close()


@contextlib.asynccontextmanager
async def through_grpclib(address: str) -> AsyncIterator[Call]:
    """The same where ngh2 cannot be imported."""
    lines, stigmer.client.calls.Lines = stigmer.client.calls.Lines, None
    try:
        async with ours(address) as call:
            await call()
            yield call
    finally:
        stigmer.client.calls.Lines = lines


@contextlib.asynccontextmanager
async def grpc_aio(address: str) -> AsyncIterator[Call]:
    """Google's client in C."""
    async with grpc.aio.insecure_channel(address) as channel:
        method = channel.unary_unary(PATH)
        yield lambda: method(REQUEST, timeout=30)


WAYS = {"ours, ngh2": ours, "ours, grpclib": through_grpclib, "grpc.aio": grpc_aio}


async def measure(call: Call, in_flight: int, seconds: float) -> tuple[float, float]:
    """(microseconds of a call, median; calls a second)."""
    took: list[float] = []
    await call()
    end = time.perf_counter() + seconds

    async def caller() -> None:
        while (began := time.perf_counter()) < end:
            await call()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return statistics.median(took) * 1e6, len(took) / (time.perf_counter() - began)


async def main() -> None:
    """Measures in turns and prints medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    pin_load()
    gc.freeze()
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with process(str(Path(__file__).parent / "echo_server.py"), "ngh2", str(SIZE)) as (address, _):
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                for in_flight in (1, 64):
                    async with way(address) as call:
                        found.setdefault((name, in_flight), []).append(await measure(call, in_flight, options.seconds))
    print(f"{len(CORES)} cores\n\n| client | one in flight, p50 µs | 64 in flight, calls/s | µs a call |\n|---|---|---|---|")
    for name in WAYS:
        delay = statistics.median(each[0] for each in found[name, 1])
        rate = statistics.median(each[1] for each in found[name, 64])
        print(f"| {name} | {delay:.0f} | {rate:.0f} | {1e6 / rate:.0f} |")


asyncio.run(main())
