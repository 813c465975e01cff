"""What holds for every step, as a test class to inherit from."""

from __future__ import annotations

import inspect

import pytest

from stigmer.context import RequestContext, Slot
from stigmer.step import Step, provides, requires


class StepConformance:
    """Inherit from it, and give the fixtures ``step`` and ``ctx``: a context in which the step succeeds."""

    @pytest.fixture
    def step(self) -> Step:
        """The step under test."""
        raise NotImplementedError("give a fixture `step`")

    @pytest.fixture
    def ctx(self) -> RequestContext:
        """A context in which the step succeeds; every slot that it requires is filled."""
        raise NotImplementedError("give a fixture `ctx`")

    def test_has_a_name_in_upper_camel_case(self, step: Step) -> None:
        """The name is one word in UpperCamelCase, as all steps' names are."""
        assert step.name.isidentifier()
        assert step.name[0].isupper()
        assert "_" not in step.name

    def test_declares_slots(self, step: Step) -> None:
        """``requires`` and ``provides`` hold slots."""
        assert all(isinstance(slot, Slot) for slot in requires(step) | provides(step))

    def test_is_a_coroutine_function(self, step: Step) -> None:
        """The step, and its undo if it has one, are awaited."""
        assert inspect.iscoroutinefunction(step.__call__)
        undo = getattr(step, "undo", None)
        assert undo is None or inspect.iscoroutinefunction(undo)

    async def test_fills_what_it_provides(self, step: Step, ctx: RequestContext) -> None:
        """After the step ran, every slot that it provides is filled."""
        await step(ctx)
        assert all(slot in ctx for slot in provides(step))

    async def test_leaves_the_request_alone(self, step: Step, ctx: RequestContext) -> None:
        """The request is the same before and after."""
        before = ctx.request.to_binary()
        await step(ctx)
        assert ctx.request.to_binary() == before

    async def test_needs_what_it_requires(self, step: Step, ctx: RequestContext) -> None:
        """Each slot that the step declares as required is filled in the context that it succeeds in."""
        assert all(slot in ctx for slot in requires(step))

    async def test_undo_bears_to_run_twice(self, step: Step, ctx: RequestContext) -> None:
        """Taking back twice is as good as once."""
        undo = getattr(step, "undo", None)
        if undo is None:
            return
        await step(ctx)
        await undo(ctx)
        await undo(ctx)
