"""The plugin ``observe``: decides from the settings which of log, metrics and spans are put around operations and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stigmer.hookspecs import hookimpl
from stigmer.observe.extra import needed_by
from stigmer.observe.request_log import RequestLog
from stigmer.observe.watchdog import Watchdog
from stigmer.operation import Operation
from stigmer.pipeline import Handle, Run
from stigmer.settings import Settings
from stigmer.store.cached import CachedStore

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from stigmer.observe.metrics import Metrics
    from stigmer.observe.spans import Spans


class Observe:
    """Log, metrics and spans of one server; each server has its own, so that two in one process share nothing.

    What is switched off is not imported, wraps nothing and costs nothing.
    """

    def __init__(self, *, exporter: SpanExporter | None = None) -> None:
        """Sends spans to ``exporter``; by default where the ``OTEL_EXPORTER_OTLP_*`` variables say."""
        self._exporter = exporter
        self._metrics: Metrics | None = None
        self._spans: Spans | None = None
        self._watchdog: Watchdog | None = None
        self._watchdog_seconds = 0.0

    @property
    def metrics_port(self) -> int | None:
        """The port on which metrics are served, or None while they are not."""
        return self._metrics.port if self._metrics is not None else None

    @hookimpl
    def wrap_operation(self, op: Operation, call_next: Handle, settings: Settings) -> Handle | None:
        """Puts the log line innermost, within the span whose trace it names.

        Raises:
            ConfigurationError: what the settings ask for is not installed.
        """
        self._prepare(settings)
        handle = call_next
        if RequestLog.listens(settings):
            handle = RequestLog(settings, self._spans.trace_id if self._spans else None).around(op, handle)
        if self._metrics is not None:
            handle = self._metrics.around_operation(op, handle)
        if self._spans is not None:
            handle = self._spans.around_operation(op, handle)
        return None if handle is call_next else handle

    @hookimpl
    def wrap_step(self, op: Operation, step: str, origin: str, call_next: Run, settings: Settings) -> Run | None:
        """Puts a duration and a span around a step; the log has no lines of steps."""
        self._prepare(settings)
        run = call_next
        if self._metrics is not None:
            run = self._metrics.around_step(op, step, run)
        if self._spans is not None:
            run = self._spans.around_step(op, step, origin, run)
        return None if run is call_next else run

    @hookimpl
    async def startup(self, app: Any) -> None:
        """Opens the metrics port and the way to the collector of spans, and begins to watch the loop."""
        if self._watchdog_seconds:
            self._watchdog = Watchdog(self._watchdog_seconds)
            self._watchdog.start()
        if self._metrics is not None:
            cache = app.store if isinstance(app.store, CachedStore) else None
            await self._metrics.start(app.statistics, cache, self._watchdog)
        if self._spans is not None:
            self._spans.start(self._exporter)

    @hookimpl
    async def shutdown(self) -> None:
        """Sends the spans that are still here and closes the metrics port."""
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._spans is not None:
            await self._spans.stop()
        if self._metrics is not None:
            await self._metrics.stop()

    def _prepare(self, settings: Settings) -> None:
        """Imports what the settings ask for, once. Nothing is opened: pipelines are also assembled just to be looked at."""
        is_heard = settings.log != "off" or settings.metrics_listen is not None
        self._watchdog_seconds = settings.watchdog_seconds if is_heard else 0.0
        if settings.metrics_listen and self._metrics is None:
            with needed_by("metrics_listen"):
                from stigmer.observe.metrics import Metrics  # noqa: PLC0415 - an optional extra
            self._metrics = Metrics(settings.metrics_listen)
        if settings.tracing and self._spans is None:
            with needed_by("tracing"):
                from stigmer.observe.spans import Spans  # noqa: PLC0415 - an optional extra
            self._spans = Spans()
