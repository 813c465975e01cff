"""A whole server on a free loopback port, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from stigmer.app import App
from stigmer.identity import Clock
from stigmer.testing.settings import make_settings


@asynccontextmanager
async def serving(
    extra: Mapping[str, object] | None = None, *, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[App]:
    """Serves on ``app.address`` until the block is left.

    Args:
        extra: plugins by name, beside installed ones that the setting ``plugins`` names.
        clock: the time; the machine's when left out.
        settings: fields of ``stigmer.Settings``; the store is in memory and the log off unless they say otherwise. The
            environment is not looked at.
    """
    app = await App.start(make_settings(**settings), extra, clock)
    try:
        yield app
    finally:
        await app.stop()
