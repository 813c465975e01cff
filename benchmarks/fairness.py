"""How long a get of one client takes beside another client that has 1,000 lists under way at any time, and alone.

Usage: python benchmarks/fairness.py [LISTS]; 1,000 unless told otherwise. The store has 10,000 sessions, a list answers 100 of
them. Exits with 1 when the median beside the lists is more than five times that alone.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import growth
import servers

from stigmer.client import SessionClient, SessionError

SIZE = 10_000
SECONDS = 5.0
CALLS_OF_A_CONNECTION = 200
ROUNDS = 3
WORST = 5.0


async def lists(address: str, count: int) -> None:
    """Keeps so many lists under way, over as many connections as the server's limits ask for."""
    clients = [SessionClient(address, timeout=None) for _ in range(-(-count // CALLS_OF_A_CONNECTION))]

    async def again(client: SessionClient) -> None:
        while True:
            try:
                await client.list(page_size=100)
            except SessionError:
                await asyncio.sleep(0.01)

    print("listing", flush=True)
    await asyncio.gather(*(again(client) for client, _ in zip(itertools.cycle(clients), range(count), strict=False)))


async def gets(address: str, ids: list[str]) -> list[float]:
    """How long each of a series of gets takes, in seconds, one after the other."""
    taken = []
    async with SessionClient(address) as client:
        await client.get(ids[0])
        end = time.perf_counter() + SECONDS
        for id_ in itertools.cycle(ids):
            began = time.perf_counter()
            await client.get(id_)
            taken.append(time.perf_counter() - began)
            if taken[-1] + began > end:
                return taken
    return taken


async def some_ids(address: str) -> list[str]:
    """Of a hundred sessions."""
    async with SessionClient(address) as client:
        return [session.metadata.id for session in (await client.list(page_size=100)).entries]


def beside(address: str, ids: list[str], count: int) -> list[float]:
    """The same while another process lists."""
    command = [sys.executable, __file__, "--lists", address, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        time.sleep(1.0)
        try:
            return asyncio.run(gets(address, ids))
        finally:
            other.kill()


def _line(name: str, taken: list[float]) -> str:
    cuts = statistics.quantiles(taken, n=100)
    return f"{name}: {len(taken):,} gets, p50 {cuts[49] * 1000:.2f} ms, p99 {cuts[98] * 1000:.2f} ms"


def main(count: int) -> int:
    """Measures in pairs; gives the exit code."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stigmer.db"
        asyncio.run(growth.seed(path, SIZE))
        with servers.stigmer(f"sqlite:///{path}") as (address, _):
            ids = asyncio.run(some_ids(address))
            for _ in range(ROUNDS):
                alone, crowded = asyncio.run(gets(address, ids)), beside(address, ids, count)
                ratios.append(statistics.median(crowded) / statistics.median(alone))
                print(_line("alone", alone), _line(f"beside {count:,} lists", crowded), f"{ratios[-1]:.1f} times", sep="; ")
    print(f"median of {ROUNDS}: {statistics.median(ratios):.1f} times")
    return int(statistics.median(ratios) > WORST)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--lists"]:
        asyncio.run(lists(sys.argv[2], int(sys.argv[3])))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
