"""The plugin: which steps it brings, and what it starts and stops with the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from stigmer import ConfigurationError, Operation, Placement, after, before, hookimpl
from stigmer.pipeline import Handle
from stigmer_openfga.absence import hidden
from stigmer_openfga.authorize import Gate
from stigmer_openfga.background import Repairs
from stigmer_openfga.client import Client
from stigmer_openfga.coalesce import Checks
from stigmer_openfga.placement import authorization
from stigmer_openfga.policies import CleanupIamPolicies, CreateIamPolicies
from stigmer_openfga.settings import Settings, load_settings
from stigmer_openfga.visible import Sight

_CREATING = frozenset({"BuildNewState", "BuildApplyState"})


class OpenFga:
    """Authorization with OpenFGA, for one server at a time.

    Args:
        settings: those of the environment when left out, read when the first operation is put together.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._given = settings
        self._parts: _Parts | None = None

    @hookimpl
    def contribute_steps(self, op: Operation) -> Iterator[Placement]:
        """Authorize everywhere; CreateIamPolicies where something is stored, CleanupIamPolicies where it is removed."""
        parts = self._assembled()
        placement = authorization(op, parts.gate, parts.sight).placement
        if placement is not None:
            yield placement
        names = {step.name for step in op.steps}
        if names & _CREATING and "Persist" in names:
            yield before("Persist", CreateIamPolicies(parts.client, parts.sight))
        if "DeleteResource" in names:
            yield after("DeleteResource", CleanupIamPolicies(parts.client))

    @hookimpl
    def wrap_operation(self, op: Operation, call_next: Handle) -> Handle | None:
        """Nobody learns what does not exist."""
        parts = self._assembled()
        found = authorization(op, parts.gate, parts.sight)
        if found.requirement is None:
            return None
        return hidden(call_next, parts.gate, found.requirement, asked_first=found.asked_first)

    @hookimpl
    async def startup(self, app: Any) -> None:
        """Refuses to serve without a store and a model. That OpenFGA answers is not asked: until it does, nobody gets in."""
        settings = self._assembled().settings
        for name in ("store_id", "model_id"):
            if not getattr(settings, name):
                text = f"plugin 'openfga': STIGMER_OPENFGA_{name.upper()} is not set; `stigmer openfga init` prints it"
                raise ConfigurationError(text)
        self._assembled().repairs.start(app.store, app.assembly.kinds, settings.reconcile_seconds)

    @hookimpl
    async def shutdown(self) -> None:
        """Lets go of OpenFGA."""
        parts, self._parts = self._parts, None
        if parts is not None:
            await parts.close()

    @hookimpl
    def add_commands(self, cli: typer.Typer) -> None:
        """``stigmer openfga``."""
        from stigmer_openfga.commands import commands  # noqa: PLC0415 - serving needs no command line

        cli.add_typer(commands, name="openfga")

    def _assembled(self) -> _Parts:
        if self._parts is None:
            self._parts = _Parts(self._given or load_settings())
        return self._parts


class _Parts:
    """What the steps of one server share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = Client(settings)
        self._checks = Checks(self.client, size=settings.batch_size, batches=settings.batches, seconds=settings.timeout_seconds)
        self.gate = Gate(self._checks, fresh_reads=settings.fresh_reads)
        self.sight = Sight(self.client, fresh=settings.fresh_reads, keep_seconds=settings.list_cache_seconds)
        self.repairs = Repairs(self.client)

    async def close(self) -> None:
        await self.repairs.stop()
        await self._checks.close()
        self.client.close()
