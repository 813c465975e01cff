"""How often, and for how long, the event loop has stood still, for Prometheus: read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from stigmer.observe.watchdog import Watchdog


class StallCollector(Collector):
    """Knows what one watchdog has seen."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog

    def collect(self) -> Iterator[Metric]:
        """What that is now; one that still lasts counts, and its time comes when it is over."""
        watchdog = self._watchdog
        yield CounterMetricFamily("stigmer_loop_stalls", "Times that the event loop stood still.", value=watchdog.stalls)
        yield CounterMetricFamily(
            "stigmer_loop_stalled_seconds", "How long it stood still, all together.", value=watchdog.stalled_seconds
        )
