"""The built-in plugin ``stores``: opens the stores that come with the server, by the scheme of their URL."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from stigmer.hookspecs import hookimpl
from stigmer.kind import Kind
from stigmer.store import Store
from stigmer.store.memory import MemoryStore


@hookimpl
def open_store(url: str, kinds: Sequence[Kind[Any]]) -> Awaitable[Store] | None:
    """Opens ``memory:`` and ``sqlite:``."""
    if url == "memory:":
        return _memory(kinds)
    return None


async def _memory(kinds: Sequence[Kind[Any]]) -> Store:
    return MemoryStore(kinds)
