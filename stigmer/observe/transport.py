"""What the transport counts, for Prometheus: read when somebody scrapes, so that calls pay nothing for it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from stigmer.transport.statistics import Statistics

_GAUGES = {
    "connections": "Connections that are open.",
    "streams": "HTTP/2 streams that are open.",
    "calls": "Calls whose handlers run.",
    "request_bytes": "Bytes of large requests in flight.",
    "answer_bytes": "Bytes of large answers that wait for their readers.",
}
"""The attributes of ``Statistics`` that say how much there is now."""


class TransportCollector(Collector):
    """Knows the counters of one server as they were when ``look`` was called last."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self.look()

    def look(self) -> None:
        """Reads the counters. To be called in the thread of the server's event loop: in others they do not hold still."""
        self._limited = list(self._statistics.limited.items())
        self._now = [(name, text, getattr(self._statistics, name)) for name, text in _GAUGES.items()]

    def collect(self) -> Iterator[Metric]:
        """What was read."""
        limited = CounterMetricFamily(
            "stigmer_transport_limited", "How often a limit of the transport was reached, by its name.", labels=["reason"]
        )
        for reason, count in self._limited:
            limited.add_metric([reason], count)
        yield limited
        for name, text, value in self._now:
            yield GaugeMetricFamily(f"stigmer_transport_{name}", text, value=value)
