"""Load from grpcio, another implementation than ours: so many calls in flight for so long."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import grpc.aio

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata

PACKAGE = "/ai.stigmer.agentic.session.v1"
COMMAND = f"{PACKAGE}.SessionCommandController"
QUERY = f"{PACKAGE}.SessionQueryController"

SUBJECTS = ["Fix the build", "Vérifier la facture", "会話を要約する", "Сводка за неделю", "تلخيص الاجتماع", "🚀 launch plan"]


class Rate(NamedTuple):
    """Calls per second and the median of their durations in microseconds."""

    per_second: float
    p50_us: float


def realistic(number: int) -> Session:
    """A session like those that agents have: three organizations, five hundred agent instances, words in six scripts."""
    org = ["acme", "globex", "initech"][number % 3]
    return Session(
        metadata=ApiResourceMetadata(
            name=f"Session {number} of {org}",
            org=org,
            owner_scope=ApiResourceOwnerScope.organization,
            labels={"team": f"team-{number % 20}", "env": ["dev", "staging", "prod"][number % 3], "größe": "mittel"},
            annotations={"opened-by": f"user-{number % 300}@example.com"},
            tags=[f"tag-{number % 50}", "triage"] if number % 2 else [],
        ),
        spec=SessionSpec(
            agent_instance_id=f"ain-{number % 500:03d}",
            subject=f"{SUBJECTS[number % 6]} №{number}",
            thread_id=f"thread-{number:08x}",
            sandbox_id=f"sbx-{number % 977}",
            metadata={"model": "large", "locale": ["en", "fr", "ja", "ru", "ar", "en"][number % 6]},
        ),
    )


async def measure(address: str, path: str, requests: Iterator[bytes], *, in_flight: int, seconds: float) -> Rate:
    """Keeps ``in_flight`` calls under way for ``seconds`` and counts those that were answered OK; any other raises."""
    durations: list[float] = []
    channels = [grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(min(4, in_flight))]
    calls = itertools.cycle([channel.unary_unary(path) for channel in channels])
    end = time.perf_counter() + seconds

    async def caller(call: Callable[[bytes], object]) -> None:
        while time.perf_counter() < end:
            started = time.perf_counter()
            await call(next(requests))
            durations.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller(next(calls)) for _ in range(in_flight)))
    elapsed = time.perf_counter() - started
    await asyncio.gather(*(channel.close() for channel in channels))
    return Rate(len(durations) / elapsed, sorted(durations)[len(durations) // 2] * 1e6)


async def create(address: str, requests: list[bytes], in_flight: int = 64) -> list[bytes]:
    """Creates all, and gives the answers in the same order."""
    answers: list[bytes] = [b""] * len(requests)
    left = iter(range(len(requests)))
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(f"{COMMAND}/create")

        async def caller() -> None:
            for index in left:
                answers[index] = await call(requests[index])

        await asyncio.gather(*(caller() for _ in range(in_flight)))
    return answers
