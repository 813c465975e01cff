"""The built-in plugins that open stores: ``sqlite:`` and ``memory:``."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stigmer.errors import ConfigurationError
from stigmer.hookspecs import hookimpl
from stigmer.kind import Kind
from stigmer.store import Store
from stigmer.store.memory import MemoryStore
from stigmer.store.sqlite import open_sqlite


class SqlitePlugin:
    """Opens ``sqlite:////absolute/path.db`` and ``sqlite:///relative.db``."""

    @hookimpl
    def open_store(self, url: str, kinds: Sequence[Kind[Any]]) -> Awaitable[Store] | None:
        """The store in the file that ``url`` names; None for another scheme.

        Raises:
            ConfigurationError: the URL names no file.
        """
        return open_sqlite(sqlite_path(url), kinds) if _scheme(url) == "sqlite" else None


class MemoryPlugin:
    """Opens ``memory:``."""

    @hookimpl
    def open_store(self, url: str, kinds: Sequence[Kind[Any]]) -> Awaitable[Store] | None:
        """An empty store in memory; None for another scheme.

        Raises:
            ConfigurationError: the URL says more than ``memory:``.
        """
        if _scheme(url) != "memory":
            return None
        if not url.endswith(":") or url.count(":") != 1:
            raise ConfigurationError(f"store {url!r}: write memory: and nothing behind it")
        return _in_memory(kinds)


def sqlite_path(url: str) -> Path:
    """The path that a ``sqlite:`` URL names; percent-encoded characters are decoded.

    Raises:
        ConfigurationError: it names none, or says anything else.
    """
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if not url[len("sqlite:") :].startswith("///"):
        raise ConfigurationError(f"store {url!r}: write sqlite:////absolute/path.db or sqlite:///relative.db")
    if not path or path.endswith("/") or "\0" in path:
        raise ConfigurationError(f"store {url!r}: it names no file")
    if "?" in url or "#" in url:
        raise ConfigurationError(f"store {url!r}: a sqlite: URL takes no options; write %3F for ? and %23 for # in a path")
    return Path(path)


async def _in_memory(kinds: Sequence[Kind[Any]]) -> Store:
    return MemoryStore(kinds)


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()
