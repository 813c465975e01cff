"""Calls per second through the wire, each beside bare echoes of as many bytes, in the same rounds; one core for the server.

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

from load import COMMAND, QUERY, create, realistic
from quick_load import measure
from servers import echo, go_echo, pin_load, stigmer

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsByAgentRequest, ListSessionsRequest, SessionId

MOST_CREATES = 16_000
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


def main() -> None:
    """Seeds, measures and prints."""
    options = arguments()
    pin_load()
    with tempfile.TemporaryDirectory() as folder, stigmer(f"sqlite:///{Path(folder) / 'bench.db'}") as (address, _):
        seeded = asyncio.run(create(address, [realistic(number).to_binary() for number in range(options.sessions)]))
        ids = [Session.from_binary(answer).metadata.id for answer in seeded]
        size = int(statistics.median(map(len, seeded)))
        with echo("stock", size) as (stock, _), echo("ngh2", size) as (bare, _), go_echo() as go:
            echoes = {"stock grpclib, echo": stock, "our transport, echo": bare} | ({"grpc-go, echo": go[0]} if go else {})
            compare(options, address, echoes, ids)


def compare(options: argparse.Namespace, address: str, echoes: dict[str, str], ids: list[str]) -> None:
    """Measures each operation in turn, round by round."""
    gets = itertools.cycle([SessionId(value=id_).to_binary() for id_ in random.sample(ids, len(ids))])
    by_agent = ListSessionsByAgentRequest(agent_id="ain-007", page_size=50)
    applies = itertools.cycle([realistic(number).to_binary() for number in range(len(ids))])
    creates = unique(int(options.rounds * options.seconds * 2 * MOST_CREATES))
    same = itertools.repeat
    runs = {
        **{name: (where, "/bench.Echo/Unary", gets, 64) for name, where in echoes.items()},
        "get": (address, f"{QUERY}/get", gets, 64),
        "page of 50": (address, f"{QUERY}/list", same(ListSessionsRequest(page_size=50).to_binary()), 64),
        "page of an agent": (address, f"{QUERY}/listByAgent", same(by_agent.to_binary()), 64),
        "unchanged apply": (address, f"{COMMAND}/apply", applies, 64),
        "create, one at a time": (address, f"{COMMAND}/create", creates, 1),
        "create, 64 in flight": (address, f"{COMMAND}/create", creates, 64),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    delays: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, (where, path, requests, in_flight) in runs.items():
            rate = measure(where, path, requests, in_flight=in_flight, seconds=options.seconds)
            rates[name].append(rate.per_second)
            delays[name].append(rate.p50_us)
    table(rates, delays)


def table(rates: dict[str, list[float]], delays: dict[str, list[float]]) -> None:
    """Prints medians, and ratios of the same round."""
    print("| | calls/s | p50 µs | of our echo |\n|---|---|---|---|")
    for name, found in rates.items():
        print(
            f"| {name} | {statistics.median(found):,.0f} | {statistics.median(delays[name]):,.0f} | {gain(rates, name):.2f} |"
        )
    durable = gain(rates, "create, 64 in flight", "create, one at a time")
    print(f"\ndurable creates at 64 in flight: {durable:.1f} x one at a time (wanted: 5)")


def gain(rates: dict[str, list[float]], one: str, other: str = "our transport, echo") -> float:
    """How many times faster one is than the other."""
    return statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))


if __name__ == "__main__":
    main()
