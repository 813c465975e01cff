"""What the cache remembers and how often that helps, for Prometheus: read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from stigmer.store.cached import CachedStore


class CacheCollector(Collector):
    """Knows the counters of one cache."""

    def __init__(self, cache: CachedStore) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """What they are now: numbers, each of which is read at once."""
        entries, pages = self._cache.entries, self._cache.pages
        yield _counter("stigmer_cache_reads", "Reads of single resources.", "result", hit=entries.hits, miss=entries.misses)
        yield _counter("stigmer_cache_page_reads", "Reads of pages.", "result", hit=pages.hits, miss=pages.misses)
        yield _counter(
            "stigmer_cache_removals",
            "Resources that the cache let go: they had changed, or there was no room.",
            "reason",
            changed=entries.dropped,
            evicted=entries.evicted,
        )
        yield GaugeMetricFamily("stigmer_cache_entries", "Resources in the cache.", value=len(entries))
        yield GaugeMetricFamily("stigmer_cache_pages", "Pages in the cache.", value=len(pages))
        yield GaugeMetricFamily("stigmer_cache_bytes", "Bytes that the cache takes, about.", value=entries.size + pages.size)


def _counter(name: str, text: str, label: str, **counts: int) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
