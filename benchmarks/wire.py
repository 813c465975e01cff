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
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference

OURS, GO = "our transport, echo", "grpc-go, echo"
DURABLE, ONE_BY_ONE = "create, durable", "create, durable, one at a time"
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
        sessions = [Session.from_binary(answer) for answer in seeded]
        size = int(statistics.median(map(len, seeded)))
        with echo("stock", size) as (stock, _), echo("ngh2", size) as (bare, _), go_echo() as go:
            echoes = {"stock grpclib, echo": stock, OURS: bare} | ({GO: go[0]} if go else {})
            runs = {name: (where, "/bench.Echo/Unary", itertools.repeat(bytes(size)), 64) for name, where in echoes.items()}
            runs |= {name: (address, *run) for name, run in operations(options, sessions).items()}
            compare(options, runs)


def operations(options: argparse.Namespace, sessions: list[Session]) -> dict[str, tuple[str, Iterator[bytes], int]]:
    """The operations that are measured: (path, requests, how many at once)."""
    some = random.sample(sessions, len(sessions))
    references = [ApiResourceReference(org=each.metadata.org, slug=each.metadata.slug).to_binary() for each in some]
    by_agent = ListSessionsByAgentRequest(agent_id="ain-007", page_size=50)
    half = len(sessions) // 2  # the rest is changed
    applies = itertools.cycle([realistic(number).to_binary() for number in range(half)])
    creates = unique(int(options.rounds * options.seconds * 2 * MOST_CREATES))
    return {
        "get": (f"{QUERY}/get", itertools.cycle([SessionId(value=each.metadata.id).to_binary() for each in some]), 64),
        "get by reference": (f"{QUERY}/getByReference", itertools.cycle(references), 64),
        "page of 50": (f"{QUERY}/list", itertools.repeat(ListSessionsRequest(page_size=50).to_binary()), 64),
        "page of 50 of an agent's": (f"{QUERY}/listByAgent", itertools.repeat(by_agent.to_binary()), 64),
        "apply that changes nothing": (f"{COMMAND}/apply", applies, 64),
        "update, durable": (f"{COMMAND}/update", changes(sessions[half:]), 64),
        DURABLE: (f"{COMMAND}/create", creates, 64),
        ONE_BY_ONE: (f"{COMMAND}/create", creates, 1),
    }


def changes(sessions: list[Session]) -> Iterator[bytes]:
    """Requests that change one session after the other, each time to something new."""
    for number, session in enumerate(itertools.cycle(sessions)):
        session.spec.subject = f"Changed for the {number}th time"
        yield session.to_binary()


def compare(options: argparse.Namespace, runs: dict[str, tuple[str, str, Iterator[bytes], int]]) -> None:
    """Measures each in turn, round by round."""
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
    others = [name for name in (OURS, GO) if name in rates]
    print(f"| | calls/s | p50 µs | {' | '.join(f'of {name}' for name in others)} |\n|---|---|---|{'---|' * len(others)}")
    for name, found in rates.items():
        rate, delay = statistics.median(found), statistics.median(delays[name])
        ratios = " | ".join(f"{gain(rates, name, other):.3f}" for other in others)
        print(f"| {name} | {rate:,.0f} | {delay:,.0f} | {ratios} |")
    print(f"\ndurable creates at 64 in flight: {gain(rates, DURABLE, ONE_BY_ONE):.1f} x one at a time (wanted: 5)")


def gain(rates: dict[str, list[float]], one: str, other: str) -> float:
    """How many times faster one is than the other."""
    return statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))


if __name__ == "__main__":
    main()
