"""Every place where a plugin can take part. All hooks are called while the server starts or stops, none while it serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from stigmer.context import CallInfo
from stigmer.identity import Caller
from stigmer.kind import Kind
from stigmer.operation import Operation
from stigmer.pipeline import Handle, Run
from stigmer.settings import Settings
from stigmer.step import Placement
from stigmer.store import Store

if TYPE_CHECKING:
    import typer

hookspec = pluggy.HookspecMarker("stigmer")
hookimpl = pluggy.HookimplMarker("stigmer")
"""Marks a function of a plugin as the implementation of the hook of the same name. It may take fewer arguments."""

Authenticator = Callable[[CallInfo], Awaitable[Caller]]
"""Tells from a call's metadata and certificate who calls; raises ``Unauthenticated`` when that is not proven."""


@hookspec
def register_operations() -> Iterable[Operation]:  # type: ignore[empty-body]
    """Gives the operations that this plugin serves."""


@hookspec
def contribute_steps(op: Operation) -> Iterable[Placement]:  # type: ignore[empty-body]
    """Gives the steps that this plugin adds to ``op``: ``before``, ``after``, ``replace``, ``remove`` or ``last``."""


@hookspec
def wrap_operation(op: Operation, call_next: Handle, settings: Settings) -> Handle | None:
    """Gives what runs in place of the whole of ``op``, authentication included, or None to leave it as it is."""


@hookspec
def wrap_step(op: Operation, step: str, origin: str, call_next: Run, settings: Settings) -> Run | None:
    """Gives what runs in place of one step of ``op``, which the plugin ``origin`` brought, or None to leave it as it is."""


@hookspec
def open_store(url: str, kinds: Sequence[Kind[Any]]) -> Awaitable[Store] | None:
    """Opens the store that ``url`` names for these kinds, or gives None when the scheme is not this plugin's."""


@hookspec
def authenticator(settings: Settings) -> Authenticator | None:
    """Gives what tells who calls; at most one plugin may. Without any, every caller is ``system``."""


@hookspec
def startup(app: Any) -> Awaitable[None] | None:
    """Starts what this plugin needs; awaited before the server listens. ``app`` is the ``stigmer.app.App``."""


@hookspec
def shutdown(app: Any) -> Awaitable[None] | None:
    """Stops what ``startup`` started; awaited after the last call, before the store closes, for 30 s at most.

    Also called when the start failed, so ``startup`` may not have been, or not have come to its end.
    """


@hookspec
def add_commands(cli: typer.Typer) -> None:
    """Adds commands of its own to ``stigmer``."""
