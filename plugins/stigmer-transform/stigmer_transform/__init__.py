"""A plugin for stigmer that hides fields of responses from callers who lack a role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stigmer import Operation, Placement, after, hookimpl, last
from stigmer_transform.mask import Mask
from stigmer_transform.rules import check_operations, load_rules
from stigmer_transform.steps import KeepHidden, TransformResponse

_BUILDERS = ("BuildUpdateState", "BuildApplyState")


@hookimpl
def contribute_steps(op: Operation) -> Iterator[Placement]:
    """Hides last, after whatever else answers; keeps what is hidden right after the new state is built."""
    mask = Mask.of(op, load_rules())
    if mask is not None:
        yield last(TransformResponse(mask))
        if any(step.name in _BUILDERS for step in op.steps):
            yield after(*_BUILDERS, KeepHidden(mask))


@hookimpl
async def startup(app: Any) -> None:
    """Refuses rules about operations and kinds that this server does not have: they would hide nothing."""
    check_operations(load_rules(), [pipeline.operation for pipeline in app.assembly.pipelines.values()])
