"""Store URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmer.errors import ConfigurationError
from stigmer.store.memory import MemoryStore
from stigmer.store.sqlite import SqliteStore
from stigmer.stores import MemoryPlugin, SqlitePlugin, sqlite_path
from stigmer.testing.store import KINDS


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/stigmer.db", "/var/lib/stigmer.db"),
        ("sqlite:///stigmer.db", "stigmer.db"),
        ("sqlite:///a/b.db", "a/b.db"),
        ("SQLITE:///a.db", "a.db"),
        ("sqlite:////tmp/a%3Fb%23c%20d.db", "/tmp/a?b#c d.db"),
    ],
)
def test_a_url_names_a_file(url, path):
    """Four slashes are absolute, three relative; other characters may be percent-encoded."""
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite:////a/",
        "sqlite:a.db",
        "sqlite:/a.db",
        "sqlite://host/a.db",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a.db?",
        "sqlite:///a.db#x",
        "sqlite:///a%00b",
    ],
)
def test_a_url_without_a_file_is_refused(url):
    """No path, a host, options: one clear line that quotes the URL."""
    with pytest.raises(ConfigurationError) as raised:
        SqlitePlugin().open_store(url, KINDS)
    assert url in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_plugins_know_their_scheme(tmp_path):
    """Each opens its own scheme and leaves the others alone."""
    url = f"sqlite:///{tmp_path}/stigmer.db"
    assert MemoryPlugin().open_store(url, KINDS) is None
    assert SqlitePlugin().open_store("memory:", KINDS) is None
    memory = await MemoryPlugin().open_store("memory:", KINDS)
    sqlite = await SqlitePlugin().open_store(url, KINDS)
    assert isinstance(memory, MemoryStore)
    assert isinstance(sqlite, SqliteStore)
    assert (tmp_path / "stigmer.db").exists()
    await sqlite.close()


@pytest.mark.parametrize("url", ["memory:x", "memory://", "memory:?a", "memory"])
def test_memory_takes_nothing(url):
    """There is nothing to say about a store in memory."""
    with pytest.raises(ConfigurationError, match="nothing behind it"):
        MemoryPlugin().open_store(url, KINDS)
