"""Durations and statuses for Prometheus, on a port of their own."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stigmer import ConfigurationError, NotFound, Settings
from stigmer.observe import Observe
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.cached import CachedStore
from stigmer.store.memory import MemoryStore
from stigmer.testing.store import make_stored_session
from stigmer.transport.statistics import Statistics


class _Named:
    name = "Session"


async def _ask(port: int, request: str) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode("latin-1"))
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return head, body


async def _scrape(observe: Observe) -> dict[tuple, float]:
    head, body = await _ask(observe.metrics_port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body.encode())}\r\n" in head + "\r\n"
    families = text_string_to_metric_families(body)
    return {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}


async def _is_dropped(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionError:
        return True


@pytest.fixture
def settings():
    """Only metrics are on."""
    return Settings(plugins=(), log="off", metrics_listen="127.0.0.1:0")


@pytest.fixture
def app():
    """A server, as far as metrics look at it."""
    statistics = Statistics([SimpleNamespace(streams=range(4))], running=range(3))
    return SimpleNamespace(statistics=statistics, store=CachedStore(MemoryStore([SESSION]), 1 << 20))


@pytest.fixture
async def observe(settings, op, app):
    """A plugin that serves metrics."""
    plugin = Observe()
    plugin.wrap_operation(op, None, settings)
    await plugin.startup(app)
    yield plugin
    await plugin.shutdown()


async def test_counts_operations_by_status(observe, settings, op, make_call, answering):
    """Each call counts once, under its operation and status."""
    good = observe.wrap_operation(op, answering(), settings)
    bad = observe.wrap_operation(op, answering(NotFound(_Named, "ses-1")), settings)
    await good(make_call())
    await good(make_call())
    with pytest.raises(NotFound):
        await bad(make_call())
    found = await _scrape(observe)
    assert found["stigmer_operation_duration_seconds_count", "OK", "session.create"] == 2
    assert found["stigmer_operation_duration_seconds_count", "NOT_FOUND", "session.create"] == 1
    assert found["stigmer_operations_in_flight", "session.create"] == 0


async def test_times_steps(observe, settings, op, make_call):
    """Each run of a step is timed under operation and step, failing runs too."""

    async def step(_ctx):
        raise NotFound(_Named, "ses-1")

    run = observe.wrap_step(op, "LoadTarget", "session", step, settings)
    with pytest.raises(NotFound):
        await run(make_call())
    found = await _scrape(observe)
    assert found["stigmer_step_duration_seconds_count", "LoadTarget", "session.create"] == 1


async def test_counts_what_is_in_flight(observe, settings, op, make_call):
    """A call that runs is in flight until it ends."""
    go_on, runs = asyncio.Event(), asyncio.Event()

    async def wait(_ctx):
        runs.set()
        await go_on.wait()

    call = asyncio.ensure_future(observe.wrap_operation(op, wait, settings)(make_call()))
    await runs.wait()
    assert (await _scrape(observe))["stigmer_operations_in_flight", "session.create"] == 1
    go_on.set()
    await call
    assert (await _scrape(observe))["stigmer_operations_in_flight", "session.create"] == 0


async def test_tells_about_the_process(observe):
    """Memory and CPU of the process are among the metrics."""
    assert ("process_resident_memory_bytes",) in await _scrape(observe)


async def test_tells_what_the_transport_counts(observe, app):
    """What the transport counts is read when somebody scrapes; reasons are names of limits."""
    app.statistics.connections = 7
    app.statistics.request_bytes, app.statistics.answer_bytes = 5_000_000, 6_000_000
    app.statistics.limited["calls"] += 2
    found = await _scrape(observe)
    assert found["stigmer_transport_limited_total", "calls"] == 2
    assert found["stigmer_transport_limited_total", "idle_seconds"] == 0
    names = ("connections", "calls", "streams", "request_bytes", "answer_bytes")
    assert [found[(f"stigmer_transport_{name}",)] for name in names] == [7, 3, 4, 5_000_000, 6_000_000]
    app.statistics.connections = 0
    assert (await _scrape(observe))[("stigmer_transport_connections",)] == 0


async def test_tells_how_often_the_cache_helps(observe, app):
    """Hits, misses and what was let go are counted; entries, pages and bytes are what there is now."""
    stored = await app.store.insert(SESSION, make_stored_session("ses-1"))
    for _ in range(3):
        await app.store.get(SESSION, "ses-1")
    for _ in range(2):
        await app.store.page(SESSION, Query())
    found = await _scrape(observe)
    assert [found["stigmer_cache_reads_total", result] for result in ("hit", "miss")] == [2, 1]
    assert [found["stigmer_cache_page_reads_total", result] for result in ("hit", "miss")] == [1, 1]
    assert found[("stigmer_cache_pages",)] == 1
    assert found[("stigmer_cache_entries",)] == 1
    assert found[("stigmer_cache_bytes",)] > len(stored.wire)
    await app.store.delete(SESSION, "ses-1", 1)
    found = await _scrape(observe)
    assert [found["stigmer_cache_removals_total", reason] for reason in ("changed", "evicted")] == [1, 0]


async def test_speaks_openmetrics_when_asked(observe):
    """A scraper that prefers OpenMetrics gets it."""
    head, body = await _ask(
        observe.metrics_port, "GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text;version=1.0.0\r\n\r\n"
    )
    assert "Content-Type: application/openmetrics-text; version=1.0.0" in head
    assert body.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET / HTTP/1.1", 404),
        ("GET /metrics/../x HTTP/1.1", 404),
        ("POST /metrics HTTP/1.1", 405),
        ("HEAD /metrics HTTP/1.1", 405),
        ("GET /metrics?x=1 HTTP/1.0", 200),
        ("nonsense", 404),
    ],
)
async def test_serves_get_metrics_only(observe, request_line, status):
    """There is one page, and it can only be read."""
    head, _ = await _ask(observe.metrics_port, f"{request_line}\r\nHost: x\r\n\r\n")
    assert re.match(rf"HTTP/1.1 {status} ", head)
    assert "Connection: close" in head


async def test_drops_an_endless_head(observe):
    """A client that never comes to the end of its request is dropped."""
    reader, writer = await asyncio.open_connection("127.0.0.1", observe.metrics_port)
    writer.write(b"GET /metrics HTTP/1.1\r\n" + b"x" * 200_000)
    assert await _is_dropped(reader)
    writer.close()


async def test_stops_although_a_client_is_connected(op, settings, app):
    """An idle client does not keep the server from stopping."""
    plugin = Observe()
    plugin.wrap_operation(op, None, settings)
    await plugin.startup(app)
    reader, writer = await asyncio.open_connection("127.0.0.1", plugin.metrics_port)
    writer.write(b"GET /met")
    await _scrape(plugin)  # by now the idle connection has been accepted too
    await asyncio.wait_for(plugin.shutdown(), 5)
    assert await _is_dropped(reader)
    writer.close()
    assert plugin.metrics_port is None


async def test_two_servers_share_nothing(observe, settings, op, make_call, answering):
    """Each plugin object has its own metrics."""
    other = Observe()
    handle = other.wrap_operation(op, answering(), settings)
    await other.startup(SimpleNamespace(statistics=Statistics(), store=MemoryStore([SESSION])))
    await handle(make_call())
    assert (await _scrape(other))["stigmer_operation_duration_seconds_count", "OK", "session.create"] == 1
    assert (await _scrape(observe))["stigmer_operation_duration_seconds_count", "OK", "session.create"] == 0
    await other.shutdown()


async def test_refuses_an_address_in_use(observe, op, app):
    """A port that is taken is a configuration error that names the setting."""
    plugin = Observe()
    taken = f"127.0.0.1:{observe.metrics_port}"
    plugin.wrap_operation(op, None, Settings(plugins=(), log="off", metrics_listen=taken))
    with pytest.raises(ConfigurationError, match=f"metrics_listen: cannot listen on {taken}"):
        await plugin.startup(app)
    await plugin.shutdown()


def test_names_the_extra_when_a_package_is_missing(monkeypatch, op, settings):
    """Without prometheus-client the start is refused, and the text says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    monkeypatch.delitem(__import__("sys").modules, "stigmer.observe.metrics", raising=False)
    with pytest.raises(ConfigurationError, match=r"metrics_listen .* prometheus_client .*stigmer\[observe\]"):
        Observe().wrap_operation(op, None, settings)
