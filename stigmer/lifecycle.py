"""Starts and stops what plugins run beside calls, whatever their hooks do."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from loguru import logger

from stigmer.plugins import Plugins, refusal

SHUTDOWN_SECONDS = 30.0
"""So long one plugin may take to shut down."""


async def start_up(plugins: Plugins, app: Any) -> None:
    """Awaits the hook ``startup`` of each plugin, by name.

    Raises:
        ConfigurationError: one failed, or would end the process; the text names it.
    """
    for plugin, startup in plugins.implementations("startup"):
        waiting = startup(app=app)
        try:
            await _finished(waiting)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if _is_cancelled(error):
                raise
            raise refusal(f"plugin {plugin!r}, hook startup", error) from error


async def shut_down(plugins: Plugins, app: Any) -> None:
    """Awaits the hook ``shutdown`` of each plugin, by name; one that fails, or hangs, keeps none of the others from hearing.

    A cancellation from outside counts once all have heard.
    """
    cancelled: BaseException | None = None
    for plugin, shutdown in plugins.implementations("shutdown"):
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await _finished(shutdown(app=app))
        except BaseException as error:  # noqa: BLE001 - the server is stopping; there is nobody to tell but the log
            if _is_cancelled(error):
                cancelled = error
            else:
                logger.opt(exception=error).error("plugin {} failed to shut down", plugin)
    if cancelled is not None:
        raise cancelled


def _is_cancelled(error: BaseException) -> bool:
    """Whether somebody wants the task itself to end, as opposed to a hook that says so."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def _finished(waiting: Any) -> None:
    """Awaits what a hook gave, if it is to be awaited."""
    if inspect.isawaitable(waiting):
        await waiting
