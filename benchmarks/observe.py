"""Prints what observing costs: µs for an operation of six steps that do nothing, with each part on. Run it as a script."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from types import SimpleNamespace

from loguru import logger
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from stigmer import Kind, Operation, Payload, RequestContext, Settings, method
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.command_pb import desc
from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer.observe import Observe, configure_logging
from stigmer.transport.statistics import Statistics

CALLS, ROUNDS = 2000, 7
OFF = {"log": "off", "plugins": ()}
CASES = {
    "off": OFF,
    "log, level WARNING": {**OFF, "log": "plain", "log_level": "WARNING"},
    "log, plain": {**OFF, "log": "plain"},
    "log, json": {**OFF, "log": "json"},
    "metrics": {**OFF, "metrics_listen": "127.0.0.1:0"},
    "spans": {**OFF, "tracing": True},
    "spans, not sampled": {**OFF, "tracing": True},
    "all (json)": {**OFF, "log": "json", "metrics_listen": "127.0.0.1:0", "tracing": True},
}
NOT_SAMPLED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}

OP = Operation(method(desc(), "SessionCommandController", "create"), Kind.of(ApiResourceKind.session, Session, {}), steps=())


class Nowhere(SpanExporter):
    """Takes spans and drops them: what a collector costs is not asked here."""

    def export(self, spans):
        """Drops them."""
        return SpanExportResult.SUCCESS


def pipeline(observe, settings):
    """An operation of six steps with the plugin around it."""

    async def nothing(_ctx):
        pass

    names = ("ValidateProto", "ResolveSlug", "CheckDuplicate", "BuildNewState", "Persist", "Publish")
    steps = [(name, observe.wrap_step(OP, name, "bench", nothing, settings) or nothing) for name in names]
    answer = Payload.of(Session())

    async def handle(ctx):
        for name, step in steps:
            ctx.step = name
            await step(ctx)
        return answer

    return observe.wrap_operation(OP, handle, settings) or handle


async def measure(name):
    """Microseconds an operation, of one round."""
    settings = Settings(**CASES[name])
    with open(os.devnull, "w", encoding="utf-8") as sink:  # noqa: ASYNC230, PTH123 - nothing is read or waited for
        configure_logging(settings, sink)
        observe = Observe(exporter=Nowhere())
        handle = pipeline(observe, settings)
        await observe.startup(SimpleNamespace(statistics=Statistics()))
        ctx = RequestContext(OP, Payload.of(Session()), None, request_id="0123456789abcdef")
        if "not sampled" in name:
            ctx.info.metadata.update(NOT_SAMPLED)
        start = time.perf_counter()
        for _ in range(CALLS):
            await handle(ctx)
        elapsed = time.perf_counter() - start
        await observe.shutdown()
        logger.remove()
    return elapsed / CALLS * 1e6


def main():
    """Rounds alternate between the cases, so that noise of the machine meets all alike."""
    rounds = [{name: asyncio.run(measure(name)) for name in CASES} for _ in range(ROUNDS)]
    base = statistics.median(taken["off"] for taken in rounds)
    for name in CASES:
        median = statistics.median(taken[name] for taken in rounds)
        print(f"{name:<20} {median:8.2f} µs an operation   {median - base:+8.2f}")


if __name__ == "__main__":
    main()
