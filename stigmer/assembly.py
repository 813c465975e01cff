"""Makes a pipeline of an operation and what plugins contribute to it: a pure function, the same for every order of plugins."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from stigmer.context import MESSAGES, RESPONSE, RequestContext
from stigmer.errors import ConfigurationError
from stigmer.operation import Operation
from stigmer.pipeline import Pipeline, PlacedStep, Run
from stigmer.step import Placement, Step, commits, foresees, provides, requires
from stigmer.streaming import StreamingPipeline

AUTHORIZE = "Authorize"
"""The contract's name of the step that decides who may do what."""


class Contribution(NamedTuple):
    """A placement and the plugin that asks for it."""

    plugin: str
    placement: Placement


StepWrapper = Callable[[Operation, PlacedStep], Run]
"""Takes the operation and a placed step; gives what runs in its place."""


def assemble(
    operation: Operation,
    origin: str,
    contributions: Sequence[Contribution],
    wrappers: Sequence[StepWrapper] = (),
) -> Pipeline:
    """The pipeline of ``operation``, which the plugin ``origin`` registered.

    The operation's own steps keep their order. Contributions count in the order of their plugins' names, within a plugin in
    the order given. ``wrappers[0]`` is outermost.

    Raises:
        ConfigurationError: the contributions do not add up; the text names operation, step and plugins.
    """
    ordered = sorted(contributions, key=lambda contribution: contribution.plugin)
    draft = _Draft(operation, origin)
    for plugin, placement in ordered:
        if placement.how in {"replace", "remove"}:
            draft.take_over(plugin, placement)
    draft.append([(plugin, placement) for plugin, placement in ordered if placement.how == "last"])
    draft.insert([(plugin, placement) for plugin, placement in ordered if placement.how in {"before", "after"}])
    steps = _leave_to_commit(draft.in_order())
    _check_slots(operation, steps)
    kind = StreamingPipeline if operation.streams else Pipeline
    return kind(operation, tuple(_wrapped(operation, step, wrappers) for step in steps), _restart(operation, steps))


class _Draft:
    """A pipeline while it is put together: the operation's own steps and, hung to them and to each other, the plugins'."""

    def __init__(self, operation: Operation, origin: str) -> None:
        self._operation = operation
        self._spine = [step.name for step in operation.steps]
        self._tail: list[str] = []
        self._placed: dict[str, PlacedStep] = {}
        self._changed_by: dict[str, str] = {}
        self._removed: set[str] = set()
        self._hung: dict[tuple[str, str], list[str]] = {}
        for step in operation.steps:
            self._add(step.name, step, origin, "")

    def take_over(self, plugin: str, placement: Placement) -> None:
        """Replaces or removes one of the operation's own steps; each can be changed once."""
        target = placement.anchors[0]
        if target not in self._spine:
            raise self._unknown(plugin, placement, self._spine)
        if target in self._changed_by:
            text = f"step {target!r} is replaced or removed by both {self._changed_by[target]!r} and {plugin!r}"
            raise self._error(f"{text}; turn one of them off")
        self._changed_by[target] = plugin
        if placement.step is None:
            self._removed.add(target)
        else:
            old = self._placed.pop(target)
            self._add(target, placement.step, plugin, f"replaces {old.origin}'s {target}")
            self._placed[target] = dataclasses.replace(self._placed[target], commits=old.commits or commits(placement.step))

    def append(self, contributions: Sequence[tuple[str, Placement]]) -> None:
        """Puts these steps after the operation's own; whatever hangs on the operation's own stands before them."""
        for plugin, placement in contributions:
            if placement.step is not None:
                self._add(placement.step.name, placement.step, plugin, "last")
                self._tail.append(placement.step.name)

    def insert(self, contributions: Sequence[tuple[str, Placement]]) -> None:
        """Hangs each step to the first of its anchors that is there."""
        for plugin, placement in contributions:
            if placement.step is not None:
                self._add(placement.step.name, placement.step, plugin, "")
        present = [name for name in self._placed if name not in self._removed]
        for plugin, placement in contributions:
            there = [name for name in present if placement.how == "before" or name not in self._tail]
            anchor = next((anchor for anchor in placement.anchors if anchor in there), None)
            if anchor is None or placement.step is None:
                raise self._unknown(plugin, placement, there)
            name = placement.step.name
            self._hung.setdefault((placement.how, anchor), []).append(name)
            self._placed[name] = dataclasses.replace(self._placed[name], why=f"{placement.how} {anchor}")

    def in_order(self) -> list[PlacedStep]:
        """All steps in order.

        Raises:
            ConfigurationError: some hang only on each other.
        """
        names: list[str] = []
        for name in [*self._spine, *self._tail]:
            self._walk(name, names)
        lost = [step for name, step in self._placed.items() if name not in names]
        if lost:
            circle = ", ".join(f"{step.name} ({step.origin}: {step.why})" for step in lost)
            raise self._error(f"steps are placed only in relation to each other: {circle}")
        return [self._placed[name] for name in names if name not in self._removed]

    def _walk(self, name: str, out: list[str]) -> None:
        for earlier in self._hung.get(("before", name), ()):
            self._walk(earlier, out)
        out.append(name)
        for later in self._hung.get(("after", name), ()):
            self._walk(later, out)

    def _add(self, name: str, step: Step, origin: str, why: str) -> None:
        if name in self._placed:
            text = f"two steps are called {name!r}: one of {self._placed[name].origin!r}, one of {origin!r}"
            raise self._error(text)
        undo = getattr(step, "undo", None)
        if isinstance(step, type) or not all(
            inspect.iscoroutinefunction(each) for each in (step.__call__, undo or step.__call__)
        ):
            raise self._error(f"step {name!r} of {origin!r} must be an object whose __call__, and undo if any, are async")
        self._placed[name] = PlacedStep(
            name, step.__call__, undo, requires(step), provides(step), origin, why, commits(step), foresees(step)
        )

    def _unknown(self, plugin: str, placement: Placement, there: Collection[str]) -> ConfigurationError:
        what = placement.step.name if placement.step is not None else ""
        wanted = " or ".join(map(repr, placement.anchors))
        near = [match for anchor in placement.anchors for match in difflib.get_close_matches(anchor, sorted(there), 1)]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        verb = {"before": "places", "after": "places", "replace": "offers", "remove": "wants"}[placement.how]
        how = {"replace": "in place of", "remove": "to remove"}.get(placement.how, placement.how)
        text = f"plugin {plugin!r} {verb} {what} {how} {wanted}, but there is only {', '.join(there)}{hint}"
        return self._error(" ".join(text.split()))

    def _error(self, text: str) -> ConfigurationError:
        return ConfigurationError(f"{self._operation.name}: {text}")


def _leave_to_commit(steps: Sequence[PlacedStep]) -> list[PlacedStep]:
    """``steps``; those that foresee do nothing where only their own plugin's stand between them and its commit."""
    end = next((at for at, step in enumerate(steps) if step.commits), -1)
    return [
        dataclasses.replace(step, run=_pass, why=f"left to {steps[end].name}")
        if step.foresees and {later.origin for later in steps[at : end + 1]} == {step.origin}
        else step
        for at, step in enumerate(steps)
    ]


async def _pass(_: RequestContext) -> None:
    """What the commit does need not be done twice."""


def _check_slots(operation: Operation, steps: Sequence[PlacedStep]) -> None:
    """Makes sure that each step finds what it reads, and that the last one leaves an answer."""
    filled: set[object] = set()
    for step in steps:
        missing = sorted(slot.name for slot in step.requires - filled)
        if missing:
            what = ", ".join(missing)
            raise ConfigurationError(
                f"{operation.name}: step {step.name!r} ({step.origin}) needs {what}, which no earlier step provides"
            )
        filled |= step.provides
        if MESSAGES in step.provides:
            filled.add(RESPONSE)  # as which each message goes through the steps that follow
    if operation.streams and MESSAGES not in filled:
        raise ConfigurationError(f"{operation.name}: no step provides the messages of its answer")
    if RESPONSE not in filled:
        raise ConfigurationError(f"{operation.name}: no step provides the response")


def _restart(operation: Operation, steps: Sequence[PlacedStep]) -> int | None:
    """The index of the step at which a lost race begins again."""
    if operation.restart_at is None:
        return None
    names = [step.name for step in steps]
    if operation.restart_at not in names:
        raise ConfigurationError(f"{operation.name}: restarts at {operation.restart_at!r}, which is not there")
    # What was allowed before the race may not be allowed after it.
    return min(names.index(name) for name in (operation.restart_at, AUTHORIZE) if name in names)


def _wrapped(operation: Operation, step: PlacedStep, wrappers: Sequence[StepWrapper]) -> PlacedStep:
    for wrap in reversed(wrappers):
        step = dataclasses.replace(step, run=wrap(operation, step))
    return step
