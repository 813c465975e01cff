"""Calls per second through the wire, each beside what it is compared with, in the same rounds.

Usage: python benchmarks/wire.py [--sessions 10000] [--rounds 3] [--seconds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from load import COMMAND, QUERY, create, measure, realistic
from servers import echo, pin_load, stigmer

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsRequest, SessionId

MOST_CREATES = 8000
"""More than any server here creates in a second, one after the other and at once together."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    return parser.parse_args()


def unique(count: int) -> Iterator[bytes]:
    """Requests to create sessions that are not there yet, made beforehand: the load must not wait for itself."""
    prefix = f"{random.getrandbits(40):x}"
    requests = []
    for number in range(count):
        session = realistic(number)
        session.metadata.name = f"{prefix} {number}"
        requests.append(session.to_binary())
    return iter(requests)


async def main() -> None:
    """Seeds, measures and prints."""
    options = arguments()
    pin_load()
    with tempfile.TemporaryDirectory() as folder, stigmer(f"sqlite:///{Path(folder) / 'bench.db'}") as (address, _):
        seeded = await create(address, [realistic(number).to_binary() for number in range(options.sessions)])
        ids = [Session.from_binary(answer).metadata.id for answer in seeded]
        size = int(statistics.median(map(len, seeded)))
        with echo(size) as (echo_address, _):
            await compare(options, address, echo_address, ids)


async def compare(options: argparse.Namespace, address: str, echo_address: str, ids: list[str]) -> None:
    """Measures each operation in turn, round by round."""
    gets = itertools.cycle([SessionId(value=id_).to_binary() for id_ in random.sample(ids, len(ids))])
    pages = itertools.repeat(ListSessionsRequest(page_size=50).to_binary())
    applies = itertools.cycle([realistic(number).to_binary() for number in range(len(ids))])
    creates = unique(int(options.rounds * options.seconds * MOST_CREATES))
    runs = {
        "echo": (echo_address, "/bench.Echo/Unary", gets, 64),
        "get": (address, f"{QUERY}/get", gets, 64),
        "page of 50": (address, f"{QUERY}/list", pages, 64),
        "unchanged apply": (address, f"{COMMAND}/apply", applies, 64),
        "create, one at a time": (address, f"{COMMAND}/create", creates, 1),
        "create, 64 in flight": (address, f"{COMMAND}/create", creates, 64),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    delays: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, (where, path, requests, in_flight) in runs.items():
            rate = await measure(where, path, requests, in_flight=in_flight, seconds=options.seconds)
            rates[name].append(rate.per_second)
            delays[name].append(rate.p50_us)
    table(rates, delays)


def table(rates: dict[str, list[float]], delays: dict[str, list[float]]) -> None:
    """Prints medians, and ratios of the same round."""
    print("| operation | calls/s | p50 µs | ratio to the echo of the round |\n|---|---|---|---|")
    for name, found in rates.items():
        ratio = statistics.median(rate / base for rate, base in zip(found, rates["echo"], strict=True))
        print(f"| {name} | {statistics.median(found):.0f} | {statistics.median(delays[name]):.0f} | {ratio:.2f} |")
    many, one = rates["create, 64 in flight"], rates["create, one at a time"]
    gain = statistics.median(m / o for m, o in zip(many, one, strict=True))
    print(f"\ndurable creates at 64 in flight: {gain:.1f} x one at a time (wanted: 5)")
    get = statistics.median(g / e for g, e in zip(rates["get"], rates["echo"], strict=True))
    print(f"get: {get:.2f} x a bare grpclib echo of the same bytes (wanted: 0.8)")


asyncio.run(main())
