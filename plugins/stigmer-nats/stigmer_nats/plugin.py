"""The plugin: a relay that begins and ends with the server, and the step that wakes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from stigmer import Operation, Placement, hookimpl
from stigmer.publishing import Relay, publishing
from stigmer_nats.settings import Settings, load_settings
from stigmer_nats.sink import NatsSink


class Nats:
    """Publishes to NATS JetStream, for one server at a time.

    Args:
        settings: those of the environment when left out, read when the first operation is put together.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._given = settings
        self._relay: Relay | None = None

    @hookimpl
    def contribute_steps(self, op: Operation) -> Iterator[Placement]:
        """Publish, after whatever commits."""
        yield from publishing(op, self._assembled())

    @hookimpl
    async def startup(self, app: Any) -> None:
        """From here on every change is published. That NATS answers is not asked: what happens until it does waits."""
        await self._assembled().start(app.store, app.assembly.kinds, app.clock)

    @hookimpl
    async def shutdown(self) -> None:
        """Notes how far it has come, and lets go of NATS."""
        relay, self._relay = self._relay, None
        if relay is not None:
            await relay.stop()

    @hookimpl
    def add_commands(self, cli: typer.Typer) -> None:
        """``stigmer events``."""
        from stigmer_nats.commands import commands  # noqa: PLC0415 - serving needs no command line

        cli.add_typer(commands, name="events")

    def _assembled(self) -> Relay:
        if self._relay is None:
            settings = self._given or load_settings()
            self._relay = Relay(NatsSink(settings), settings.consumer, settings.source)
        return self._relay
