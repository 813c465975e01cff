"""A whole server on a free loopback port, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from stigmer.app import App
from stigmer.identity import Clock
from stigmer.settings import Settings


@asynccontextmanager
async def serving(
    plugins: Mapping[str, object] | None = None, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[App]:
    """Serves on ``app.address`` until the block is left.

    Args:
        plugins: plugins by name; those installed are named in the setting ``plugins`` instead.
        clock: the time; the machine's when left out.
        settings: fields of ``stigmer.Settings``; the store is in memory and the log off unless they say otherwise.
    """
    defaults: dict[str, Any] = {"listen": "127.0.0.1:0", "store": "memory:", "log": "off", "plugins": ()}
    app = await App.start(Settings(**{**defaults, **settings}), plugins, clock)
    try:
        yield app
    finally:
        await app.stop()
