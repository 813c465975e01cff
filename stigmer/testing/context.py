"""Contexts for steps that are tested without a server."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from stigmer.app import assembled
from stigmer.context import CallInfo, RequestContext, Services, Slot
from stigmer.errors import ConfigurationError
from stigmer.identity import SYSTEM, Caller, Clock, IdGenerator
from stigmer.kind import Kind
from stigmer.operation import Operation
from stigmer.payload import Payload
from stigmer.step import Step
from stigmer.store import Store
from stigmer.store.memory import MemoryStore
from stigmer.testing.settings import make_settings
from stigmer.watching import Hubs

_START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


class SteppingClock:
    """A clock that moves by one millisecond each time somebody looks at it."""

    def __init__(self, start_ns: int = _START_NS) -> None:
        self._now = start_ns

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        self._now += 1_000_000
        return self._now


def make_services(*kinds: Kind[Any], store: Store | None = None, clock: Clock | None = None) -> Services:
    """What every call uses: an empty in-memory store for ``kinds`` and a stepping clock unless others are given."""
    clock = clock or SteppingClock()
    store = store or MemoryStore(kinds)
    return Services(store, clock, IdGenerator(clock), Hubs(store))


def make_context(
    operation: Operation | str,
    request: Any,
    *,
    caller: Caller = SYSTEM,
    services: Services | None = None,
    metadata: Mapping[str, str | bytes] | None = None,
    slots: Mapping[Slot[Any], Any] | None = None,
) -> RequestContext:
    """A context as a step meets it.

    Args:
        operation: the operation, or the name of a built-in one such as ``session.create``.
        request: the request message.
        caller: who calls.
        services: of ``make_services``; contexts that share them share their store.
        metadata: request metadata.
        slots: what earlier steps are taken to have put there.
    """
    if isinstance(operation, str):
        operation = _built_in(operation)
    ctx = RequestContext(
        operation,
        Payload.of(request),
        services or make_services(operation.kind),
        caller=caller,
        info=CallInfo(metadata=dict(metadata or {})),
        request_id="test",
    )
    for slot, value in (slots or {}).items():
        ctx[slot] = value
    return ctx


async def run_steps(ctx: RequestContext, *steps: Step) -> RequestContext:
    """Runs ``steps`` one after the other and gives the context back; what they raise is raised."""
    for step in steps:
        ctx.step = step.name
        await step(ctx)
    return ctx


def _built_in(name: str) -> Operation:
    operations = _all_built_in()
    if name not in operations:
        raise ConfigurationError(f"no operation {name!r}; there are {', '.join(operations)}")
    return operations[name]


@functools.cache
def _all_built_in() -> Mapping[str, Operation]:
    pipelines = assembled(make_settings()).pipelines
    return {name: pipeline.operation for name, pipeline in pipelines.items()}
