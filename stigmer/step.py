"""Steps, and the places that plugins give them."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, Protocol

from stigmer.context import RequestContext, Slot
from stigmer.errors import ConfigurationError

_NO_SLOTS: frozenset[Slot[Any]] = frozenset()


class Step(Protocol):
    """One small thing that happens to a request. Shared by all calls: state belongs into the context.

    A step may also have, and is checked at start for:

    * ``requires`` and ``provides``: frozensets of ``Slot``, what it reads and what it writes;
    * ``async undo(ctx)``: takes back what the step did outside the store, when a later step fails before the commit. It
      runs in reverse order of the steps and must bear to run twice;
    * ``commits``: True for the step that writes. When ``ctx.validate_only`` is set it writes nothing, and sets
      ``ctx.rehearsed`` instead of ``ctx.committed``;
    * ``foresees``: True for a step that only refuses early what the operation's own commit refuses as well. It is left to
      the commit where only steps of the same plugin stand in between: there is nothing to be spared.
    """

    @property
    def name(self) -> str:
        """The step's name; unique within a pipeline."""

    async def __call__(self, ctx: RequestContext) -> None:
        """Does it.

        Raises:
            StigmerError: the call fails with this status. Anything else is a bug and answered INTERNAL.
        """


def requires(step: Step) -> frozenset[Slot[Any]]:
    """The slots that ``step`` reads."""
    return frozenset(getattr(step, "requires", _NO_SLOTS))


def provides(step: Step) -> frozenset[Slot[Any]]:
    """The slots that ``step`` writes."""
    return frozenset(getattr(step, "provides", _NO_SLOTS))


def commits(step: Step) -> bool:
    """Whether ``step`` is the one that writes."""
    return bool(getattr(step, "commits", False))


def foresees(step: Step) -> bool:
    """Whether ``step`` only refuses early what the commit refuses as well."""
    return bool(getattr(step, "foresees", False))


@dataclasses.dataclass(frozen=True, slots=True)
class Placement:
    """Where a plugin wants a step. Of ``anchors`` the first one that the pipeline has counts; ``step`` is None to remove."""

    how: Literal["before", "after", "replace", "remove", "last"]
    anchors: tuple[str, ...]
    step: Step | None


def before(*anchors_and_step: str | Step) -> Placement:
    """Right before the first of the named steps that is there: ``before("Persist", MyStep())``."""
    return _placement("before", anchors_and_step)


def after(*anchors_and_step: str | Step) -> Placement:
    """Right after the first of the named steps that is there: ``after("CreateIamPolicies", "Persist", Publish())``."""
    return _placement("after", anchors_and_step)


def replace(anchor: str, step: Step) -> Placement:
    """In place of one of the operation's own steps, under its name."""
    return _placement("replace", (anchor, step))


def remove(anchor: str) -> Placement:
    """Takes one of the operation's own steps out."""
    return Placement("remove", (anchor,), None)


def last(step: Step) -> Placement:
    """After everything else; of several plugins' last steps, in the order of their names. Nothing can be put after it."""
    return Placement("last", (), step)


def _placement(how: Literal["before", "after", "replace"], anchors_and_step: tuple[str | Step, ...]) -> Placement:
    *anchors, step = anchors_and_step
    if not anchors or isinstance(step, str) or not all(isinstance(anchor, str) for anchor in anchors):
        text = f"{how}() takes the names of one or more steps, then a step; got {anchors_and_step!r}"
        raise ConfigurationError(text)
    return Placement(how, tuple(str(anchor) for anchor in anchors), step)
