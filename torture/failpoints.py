"""A server that kills itself at a named point.

Usage: python torture/failpoints.py STORE EVENTS [POINT NTH]. It says what it listens on, and writes what it publishes to the
file EVENTS.

Points are before and after each step of create, apply, update and delete, before and after a transaction, a few calls below
SQLite, and around what the relay sends: ``points`` has their names. At the NTH time that one of them is passed the process
sends itself SIGKILL.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from sqlite_vfs import OK, Watcher, available, watching

from stigmer import hookimpl
from stigmer.app import App, assembled
from stigmer.publishing import Relay, publishing
from stigmer.store.sqlite import writer
from stigmer.testing.settings import make_settings

_BELOW = ("write log", "sync log", "write database", "sync database", "truncate log")
_RELAY = ("before sending", "after sending", "before noting", "after noting")
_TRANSACTION = ("before transaction", "after transaction")
_VERBS = frozenset({"create", "apply", "update", "delete"})
"""What the clients do."""


def points() -> list[str]:
    """The names of all points."""
    pipelines = assembled(make_settings()).pipelines.values()
    steps = [(each.operation.verb, step.name) for each in pipelines if each.operation.verb in _VERBS for step in each.steps]
    around = [f"{when} {verb} {step}" for verb, step in steps for when in ("before", "after")]
    return [*around, *_TRANSACTION, *_RELAY, *(_BELOW if available() else ())]


class Fuse:
    """Ends the process when a point has been passed so often."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def passed(self, point: str) -> None:
        """A point is passed; in any thread."""
        if point == self._point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()


class Below(Watcher):
    """The points below SQLite."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def write(self, path: Path, offset: int, data: bytes) -> int:
        """See ``Watcher``."""
        return self._passed("write", path)

    def sync(self, path: Path) -> int:
        """See ``Watcher``."""
        return self._passed("sync", path)

    def truncate(self, path: Path, size: int) -> int:
        """See ``Watcher``."""
        return self._passed("truncate", path)

    def _passed(self, call: str, path: Path) -> int:
        self._fuse.passed(f"{call} {'log' if path.name.endswith('-wal') else 'database'}")
        return OK


class EventFile:
    """A sink: a line for each event, in a file."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        self._path = path
        self._fuse = fuse

    async def send(self, event) -> None:
        """Writes it down, durably."""
        self._fuse.passed("before sending")
        with self._path.open("a") as file:
            file.write(f"{int(event.attributes['sequence'])} {event.subject}\n")
            file.flush()
            os.fsync(file.fileno())
        self._fuse.passed("after sending")

    async def close(self) -> None:
        """Nothing is open."""


class Failpoints:
    """The plugin: points around steps, and a relay."""

    def __init__(self, fuse: Fuse, events: Path) -> None:
        self._fuse = fuse
        self._relay = Relay(EventFile(events, fuse), "failpoints", "torture")

    @hookimpl
    def wrap_step(self, op, step, call_next):
        """A point before and one after."""

        async def run(ctx) -> None:
            self._fuse.passed(f"before {op.verb} {step}")
            await call_next(ctx)
            self._fuse.passed(f"after {op.verb} {step}")

        return run if op.writes else None

    @hookimpl
    def contribute_steps(self, op):
        """Publish."""
        yield from publishing(op, self._relay)

    @hookimpl
    async def startup(self, app: App) -> None:
        """The relay begins; its notes are points."""
        advance = app.store.advance

        async def noted(*arguments):
            self._fuse.passed("before noting")
            result = await advance(*arguments)
            self._fuse.passed("after noting")
            return result

        app.store.advance = noted
        await self._relay.start(app.store, app.assembly.kinds, app.clock)

    @hookimpl
    async def shutdown(self) -> None:
        """The relay ends."""
        await self._relay.stop()


def arm_transactions(fuse: Fuse) -> None:
    """Points around each transaction of the writer."""
    together = writer.commit_together

    def run(connection, works, look=lambda: None):
        fuse.passed("before transaction")
        done = together(connection, works, look)
        fuse.passed("after transaction")
        return done

    writer.commit_together = run


async def serve(store: Path, events: Path, fuse: Fuse) -> None:
    """Serves until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = make_settings(store=f"sqlite:///{store}", cache_bytes=1_000_000, feed_changes=10**9)
    app = await App.start(settings, {"failpoints": Failpoints(fuse, events)})
    print(f"serving on {app.address}", flush=True)
    await stop.wait()
    await app.stop()


def main(store: str, events: str, point: str = "", nth: str = "0") -> None:
    """Serves with one point armed."""
    fuse = Fuse(point, int(nth))
    arm_transactions(fuse)
    with watching(Below(fuse)) if point in _BELOW else nullcontext():
        asyncio.run(serve(Path(store), Path(events), fuse))


if __name__ == "__main__":
    main(*sys.argv[1:])
