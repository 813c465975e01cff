"""Counts and times operations and steps for Prometheus. Imported only when ``metrics_listen`` is set."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector

from stigmer.context import RequestContext
from stigmer.observe.cache import CacheCollector
from stigmer.observe.outcome import OK, STATUS_NAMES, status_of
from stigmer.observe.scrape import ScrapeServer
from stigmer.observe.stalls import StallCollector
from stigmer.observe.transport import TransportCollector
from stigmer.observe.watchdog import Watchdog
from stigmer.operation import Operation
from stigmer.payload import Payload
from stigmer.pipeline import Handle, Run
from stigmer.store.cached import CachedStore
from stigmer.transport.statistics import Statistics

_OPERATION_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STEP_BUCKETS = (0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)


class Metrics:
    """The metrics of one server. Labels are names of operations, steps and statuses: never anything a client chooses."""

    def __init__(self, listen: str) -> None:
        """``listen`` is the ``HOST:PORT`` to serve them on, once started."""
        self._registry = CollectorRegistry()
        self._server = ScrapeServer(listen, self._registry, self._look)
        self._transport: TransportCollector | None = None
        self._operations = Histogram(
            "stigmer_operation_duration_seconds",
            "Time from the request to the answer, by the status of the answer.",
            ["operation", "status"],
            registry=self._registry,
            buckets=_OPERATION_BUCKETS,
        )
        self._steps = Histogram(
            "stigmer_step_duration_seconds",
            "Time a step takes, whether it fails or not.",
            ["operation", "step"],
            registry=self._registry,
            buckets=_STEP_BUCKETS,
        )
        self._in_flight = Gauge(
            "stigmer_operations_in_flight", "Operations that run now.", ["operation"], registry=self._registry
        )
        ProcessCollector(registry=self._registry)

    @property
    def port(self) -> int | None:
        """The port they are served on, or None while they are not."""
        return self._server.port

    async def start(self, statistics: Statistics, cache: CachedStore | None, watchdog: Watchdog | None) -> None:
        """Serves them, and with them what the transport, the cache and the watchdog count.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        self._transport = TransportCollector(statistics)
        self._registry.register(self._transport)
        if cache is not None:
            self._registry.register(CacheCollector(cache))
        if watchdog is not None:
            self._registry.register(StallCollector(watchdog))
        await self._server.start()

    async def stop(self) -> None:
        """Serves them no more."""
        await self._server.stop()

    def around_operation(self, op: Operation, call_next: Handle) -> Handle:
        """``call_next``, counted and timed."""
        in_flight = self._in_flight.labels(op.name)
        by_status = [self._operations.labels(op.name, status) for status in STATUS_NAMES]

        async def handle(ctx: RequestContext) -> Payload[Any]:
            status = OK
            in_flight.inc()
            start = perf_counter()
            try:
                return await call_next(ctx)
            except BaseException as error:
                status = status_of(ctx, error)
                raise
            finally:
                by_status[status].observe(perf_counter() - start)
                in_flight.dec()

        return handle

    def around_step(self, op: Operation, step: str, call_next: Run) -> Run:
        """``call_next``, timed."""
        observe = self._steps.labels(op.name, step).observe

        async def run(ctx: RequestContext) -> None:
            start = perf_counter()
            try:
                await call_next(ctx)
            finally:
                observe(perf_counter() - start)

        return run

    def _look(self) -> None:
        if self._transport is not None:
            self._transport.look()
