"""One process that serves: its event loop, its signals, its memory, its files."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from loguru import logger

from stigmer.app import App
from stigmer.cli.text import visible
from stigmer.listening import Listener
from stigmer.settings import Settings

_OWN_FILES = 200
"""What a server has open beside its connections, and a reserve."""


class Watcher(Protocol):
    """Who follows how the server of this process is doing."""

    def serves(self, app: App) -> None:
        """Calls are answered from now on."""

    def stops(self) -> None:
        """No new calls are."""


def serve_here(
    settings: Settings, watcher: Watcher, listeners: Sequence[Listener] | None = None, parent: int | None = None
) -> None:
    """Serves until SIGTERM or SIGINT, or until the file descriptor ``parent`` becomes readable; SIGHUP reloads certificates.

    Raises:
        ConfigurationError: the server cannot start.
    """
    _allow_files(settings.limits.connections + _OWN_FILES)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, watcher, listeners, parent))


def _allow_files(wanted: int) -> None:
    """Lets the process have so many files open, or as many as it may: a connection is one, and 1,024 is a usual limit."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if least != resource.RLIM_INFINITY and allowed > least:
        with contextlib.suppress(OSError, ValueError):  # a system may have its own idea; then the limit is what it was
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    if allowed < wanted and least != resource.RLIM_INFINITY:
        logger.warning("{} files can be open at most, which is less than the limit of connections asks for", allowed)


def say(line: str) -> None:
    """Prints progress on a line of its own. That nobody reads any more is no reason to stop serving."""
    with contextlib.suppress(OSError):
        print(visible(line), file=sys.stderr, flush=True)  # noqa: T201 - rich would end the process when the pipe is gone


async def _serve(settings: Settings, watcher: Watcher, listeners: Sequence[Listener] | None, parent: int | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _nothing)
    app = await App.start(settings, listeners=listeners)
    loop.add_signal_handler(signal.SIGHUP, app.reload)
    if parent is not None:
        loop.add_reader(parent, _on_end_of, parent, stop)
    _settle_memory()
    try:
        watcher.serves(app)
        await stop.wait()
        watcher.stops()
    finally:
        await app.stop()


def _nothing() -> None:
    """There are no certificates yet that could be read again."""


def _on_end_of(parent: int, stop: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(parent)
    stop.set()


def _settle_memory() -> None:
    """Spares calls the garbage collector, which has little to find: what is here now stays, and cycles are rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is uvloop; else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - not every platform has it
    except ImportError:
        return None
    return uvloop.new_event_loop
