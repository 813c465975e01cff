"""Realistic sessions through the API: loaded, listed, read back byte for byte; then the server is killed under load.

Usage: python benchmarks/real_input.py [--sessions 10000]

Exits with 1 when a byte differs or an acknowledged session is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import grpc.aio
from load import COMMAND, QUERY, realistic
from rich.progress import track
from servers import stigmer

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import ListSessionsRequest, SessionId, SessionList

IN_FLIGHT = 64
PAGE_SIZE = 250


async def load(channel: grpc.aio.Channel, sessions: list[bytes], title: str) -> dict[str, bytes]:
    """Creates all with a progress bar, and gives what was answered, by id."""
    call = channel.unary_unary(f"{COMMAND}/create")
    answers: dict[str, bytes] = {}
    left = iter(track(sessions, title))

    async def caller() -> None:
        for session in left:
            answer = await call(session)
            answers[Session.from_binary(answer).metadata.id] = answer

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return answers


async def listed(channel: grpc.aio.Channel) -> tuple[dict[str, bytes], int]:
    """Every session as the pages show it, by id, and the total that each page told."""
    call = channel.unary_unary(f"{QUERY}/list")
    found: dict[str, bytes] = {}
    totals, token = set(), ""
    while True:
        wire = await call(ListSessionsRequest(page_size=PAGE_SIZE, page_token=token).to_binary())
        page = SessionList.from_binary(wire)
        for entry in raw_entries(wire):
            found[Session.from_binary(entry).metadata.id] = entry
        totals.add(page.total_count)
        token = page.next_page_token
        if not token:
            (total,) = totals
            return found, total


def raw_entries(page: bytes) -> list[bytes]:
    """The bytes of the field ``entries`` (number 2) in a SessionList, undecoded."""
    entries, at = [], 0
    while at < len(page):
        tag, at = varint(page, at)
        size, at = varint(page, at)
        if tag & 7 == 2:
            if tag >> 3 == 2:
                entries.append(page[at : at + size])
            at += size
    return entries


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at``, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


async def read_back(channel: grpc.aio.Channel, ids: list[str]) -> dict[str, bytes]:
    """What get answers for each id; ids that are not found are left out."""
    call = channel.unary_unary(f"{QUERY}/get")
    found: dict[str, bytes] = {}
    left = iter(ids)

    async def caller() -> None:
        for id_ in left:
            try:
                found[id_] = await call(SessionId(value=id_).to_binary())
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return found


async def load_until_killed(address: str, pid: int, count: int) -> dict[str, bytes]:
    """Creates until the server is killed at a random moment, and gives what was acknowledged, by id."""
    acknowledged: dict[str, bytes] = {}
    kill_after = random.randint(count // 10, count // 2)
    numbers = itertools.count(count)
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(f"{COMMAND}/create")

        async def caller() -> None:
            for number in numbers:
                answer = await call(realistic(number).to_binary())
                acknowledged[Session.from_binary(answer).metadata.id] = answer
                if len(acknowledged) == kill_after:
                    os.kill(pid, signal.SIGKILL)

        results = await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)), return_exceptions=True)
    unexpected = [r for r in results if not (isinstance(r, grpc.aio.AioRpcError) and r.code() is grpc.StatusCode.UNAVAILABLE)]
    if unexpected:
        raise RuntimeError(f"the kill was felt as {unexpected}")
    return acknowledged


async def main(count: int) -> int:
    """Runs it all; 0 when nothing is missing or different."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'sessions.db'}"
        sessions = [realistic(number).to_binary() for number in range(count)]
        with stigmer(store) as (address, pid):
            async with grpc.aio.insecure_channel(address) as channel:
                answers = await load(channel, sessions, "creating")
                pages, total = await listed(channel)
                gets = await read_back(channel, list(answers))
            acknowledged = await load_until_killed(address, pid, count)
        started = time.perf_counter()
        with stigmer(store) as (address, _):
            back = time.perf_counter() - started
            async with grpc.aio.insecure_channel(address) as channel:
                survived = await read_back(channel, [*answers, *acknowledged])
                _, total_after = await listed(channel)
    missing = (answers | acknowledged).items() - survived.items()
    print(f"created {len(answers)}, listed {len(pages)} (total {total}), read back {len(gets)}")
    print(f"pages equal answers byte for byte: {pages == answers}; gets: {gets == answers}")
    print(f"killed with -9 after {len(acknowledged)} more were acknowledged; serving again after {back:.2f} s")
    print(f"acknowledged and missing or different afterwards: {len(missing)}; total now {total_after}")
    good = answers == pages == gets and total == count and not missing and total_after >= len(survived)
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    sys.exit(asyncio.run(main(parser.parse_args().sessions)))
