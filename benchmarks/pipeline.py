"""What a pipeline costs: six steps that do nothing, run as a pipeline and called one after the other.

Usage: python benchmarks/pipeline.py
"""

from __future__ import annotations

import statistics
import time

import uvloop

from stigmer import RESPONSE, Payload
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.assembly import assemble
from stigmer.operation import Operation
from stigmer.session.create import CREATE
from stigmer.testing import make_context

ANSWER = Payload.of(Session())
CALLS = 20_000


class Noop:
    """A step that only fills the response."""

    provides = frozenset({RESPONSE})

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, ctx) -> None:
        """Fills RESPONSE."""
        ctx[RESPONSE] = ANSWER


async def main() -> None:
    """Measures and prints."""
    steps = tuple(Noop(f"Step{number}") for number in range(6))
    pipeline = assemble(Operation(CREATE.method, CREATE.kind, steps), "bench", [])
    ctx = make_context("session.create", Session())
    costs = []
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(CALLS):
            for step in steps:
                await step(ctx)
        bare = time.perf_counter() - started
        started = time.perf_counter()
        for _ in range(CALLS):
            await pipeline(ctx)
        costs.append((time.perf_counter() - started - bare) / CALLS * 1e6)
    print(f"pipeline overhead of a six-step operation: {statistics.median(costs):.2f} µs (wanted: at most 5)")


uvloop.run(main())
