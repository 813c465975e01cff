"""Pipelines: steps run in order, are taken back in reverse, and stand by what is committed."""

import asyncio
import dataclasses

import pytest
from loguru import logger

from stigmer import RESPONSE, InvalidArgument, Payload, RequestContext, Slot, Stale
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.errors import Internal
from stigmer.pipeline import MAX_RUNS, Pipeline, PlacedStep
from stigmer.session.create import CREATE
from stigmer.testing import make_context

SEEN: Slot[str] = Slot("seen")
ANSWER = Payload.of(Session(kind="Session"))


class Script:
    """A pipeline of steps that write down what happens."""

    def __init__(self, restart=None):
        self.log = []
        self.steps = []
        self.restart = restart

    def step(self, name, *, does=None, undo=False, provides=(), commits=False):
        async def run(ctx):
            self.log.append(name)
            if does is not None:
                result = does(ctx)
                if asyncio.iscoroutine(result):
                    await result

        async def take_back(ctx):
            self.log.append(f"undo {name}")

        undoing = take_back if undo else None
        self.steps.append(PlacedStep(name, run, undoing, frozenset(), frozenset(provides), "test", commits=commits))
        return self

    async def run(self, ctx: RequestContext | None = None):
        ctx = ctx or make_context("session.create", Session())
        return await Pipeline(CREATE, tuple(self.steps), self.restart)(ctx)


def answer(ctx):
    ctx[RESPONSE] = ANSWER


def commit(ctx):
    ctx.committed = True


def commit_and_answer(ctx):
    commit(ctx)
    answer(ctx)


def registering(*callbacks):
    def step(ctx):
        for callback in callbacks:
            ctx.after_commit(callback)

    return step


def fail(error):
    def step(ctx):
        raise error

    return step


@pytest.fixture
def logged():
    """What is logged, as text."""
    lines = []
    sink = logger.add(lambda message: lines.append(str(message)), level="DEBUG")
    yield lines
    logger.remove(sink)


async def test_steps_run_in_order_and_the_response_comes_out():
    """The steps run once each, in order, and what they left in RESPONSE is the answer."""
    script = Script().step("A").step("B", does=answer).step("C")
    assert await script.run() is ANSWER
    assert script.log == ["A", "B", "C"]


async def test_a_failure_takes_back_earlier_steps_in_reverse():
    """When a step fails before the commit, the steps before it are taken back, the last one first, and only those."""
    script = Script().step("A", undo=True).step("B").step("C", undo=True)
    script.step("D", does=fail(InvalidArgument("a", "b")), undo=True).step("E", undo=True)
    with pytest.raises(InvalidArgument) as caught:
        await script.run()
    assert script.log == ["A", "B", "C", "D", "undo C", "undo A"]
    assert caught.value.__notes__ == ["in step D (test) of session.create"]


async def test_a_failing_undo_does_not_stop_the_others(logged):
    """An undo that raises is logged; the others still run and the client hears of the first failure."""
    script = Script().step("A", undo=True).step("B", undo=True).step("C", does=fail(KeyError("x")))
    broken = script.steps[1]

    async def raises(ctx):
        raise OSError("cannot take back")

    script.steps[1] = PlacedStep(broken.name, broken.run, raises, broken.requires, broken.provides, broken.origin)
    with pytest.raises(KeyError):
        await script.run()
    assert script.log == ["A", "B", "C", "undo A"]
    assert any("undo of step B failed" in line for line in logged)


async def test_cancelling_takes_back_too():
    """A cancelled call is taken back like a failed one."""
    waiting = asyncio.Event()

    async def wait(ctx):
        waiting.set()
        await asyncio.Event().wait()

    script = Script().step("A", undo=True).step("B", does=wait)
    task = asyncio.create_task(script.run())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.log == ["A", "B", "undo A"]


async def test_everything_is_taken_back_however_often_the_call_is_cancelled():
    """A cancellation that comes while steps are taken back waits until all of them are."""
    undoing = asyncio.Event()
    go_on = asyncio.Event()
    done = []

    async def slow_undo(ctx):
        undoing.set()
        await go_on.wait()
        done.append("undone")

    script = Script().step("A", undo=True).step("B", undo=True).step("C", does=fail(KeyError("x")))
    for index in (0, 1):
        script.steps[index] = dataclasses.replace(script.steps[index], undo=slow_undo)
    task = asyncio.create_task(script.run())
    await undoing.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["undone", "undone"]


async def test_what_follows_the_commit_is_finished_however_often_the_call_is_cancelled():
    """A deadline that passes after the commit cuts off neither callbacks nor steps; the call is cancelled afterwards."""
    started = asyncio.Event()
    go_on = asyncio.Event()
    log = []

    async def slow():
        started.set()
        await go_on.wait()
        log.append("callback")

    script = Script().step("A", does=registering(slow)).step("B", does=commit_and_answer)
    script.step("Publish", does=lambda ctx: log.append("published"))
    task = asyncio.create_task(script.run())
    await started.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["callback", "published"]


async def test_a_race_lost_before_the_load_step_does_not_skip_steps():
    """Stale from a step before the Load step fails the call: running on from Load would skip what stands between."""
    script = (
        Script(restart=2).step("A", undo=True).step("Authorize", does=fail(Stale())).step("Load").step("Persist", does=answer)
    )
    with pytest.raises(Stale):
        await script.run()
    assert script.log == ["A", "Authorize", "undo A"]


async def test_nothing_is_taken_back_after_the_commit(logged):
    """A step that fails after the commit is logged; the call succeeds, and the steps after it still run."""
    script = Script().step("A", undo=True).step("B", does=commit_and_answer)
    script.step("C", does=fail(OSError("bus down"))).step("D")
    assert await script.run() is ANSWER
    assert script.log == ["A", "B", "C", "D"]
    assert any("step C (test) failed after the commit" in line for line in logged)


async def test_a_response_that_cannot_be_made_fails_the_call_closed(logged):
    """A step that provides the response and fails after the commit fails the call: what it would have hidden stays hidden."""
    script = Script().step("A", undo=True).step("B", does=commit_and_answer)
    script.step("C", does=fail(OSError("no mask")), provides={RESPONSE})
    with pytest.raises(Internal):
        await script.run()
    assert script.log == ["A", "B", "C"]


async def test_callbacks_run_once_after_the_commit():
    """``after_commit`` callbacks run once each, also those that later steps register, before the answer."""
    log = []

    async def first():
        log.append("first")

    async def second():
        log.append("second")

    script = Script().step("A", does=lambda ctx: ctx.after_commit(first))
    script.step("B", does=commit_and_answer)
    script.step("C", does=lambda ctx: log.append("C")).step("D", does=registering(second))
    await script.run()
    assert log == ["first", "C", "second"]


async def test_callbacks_do_not_run_without_a_commit():
    """A call that commits nothing calls nothing back."""

    async def callback():
        raise AssertionError("nothing was committed")

    await Script().step("A", does=lambda ctx: ctx.after_commit(callback)).step("B", does=answer).run()


async def test_a_failing_callback_is_logged_and_no_more(logged):
    """A callback that raises neither fails the call nor keeps the others from running."""
    log = []

    async def broken():
        raise OSError("cache gone")

    async def fine():
        log.append("fine")

    script = Script().step("A", does=registering(broken, fine))
    script.step("B", does=commit_and_answer)
    assert await script.run() is ANSWER
    assert log == ["fine"]
    assert any("after_commit callback failed" in line for line in logged)


async def test_a_lost_race_runs_again_from_the_load_step():
    """Stale takes back what came after the Load step, empties its slots and begins there again; earlier steps stand."""
    attempts = []

    def lose_twice(ctx):
        attempts.append(SEEN in ctx)
        if len(attempts) < 3:
            ctx[SEEN] = "dirty"
            raise Stale
        answer(ctx)

    script = Script(restart=1).step("A", undo=True).step("Load", undo=True).step("B", undo=True)
    script.step("Persist", does=lose_twice, provides={SEEN})
    assert await script.run() is ANSWER
    again = ["undo B", "undo Load", "Load", "B", "Persist"]
    assert script.log == ["A", "Load", "B", "Persist", *again, *again]
    assert attempts == [False, False, False]


async def test_a_lost_race_without_a_load_step_is_the_clients_answer():
    """Where there is nothing to begin again at, the client gets ABORTED and everything is taken back."""
    script = Script().step("A", undo=True).step("B", does=fail(Stale()))
    with pytest.raises(Stale):
        await script.run()
    assert script.log == ["A", "B", "undo A"]


async def test_a_race_that_is_never_won_ends():
    """A write that loses every race is given up in the end, and everything is taken back."""
    script = Script(restart=1).step("A", undo=True).step("Load", does=fail(Stale()))
    with pytest.raises(Stale):
        await script.run()
    assert script.log == ["A", *["Load"] * MAX_RUNS, "undo A"]


async def test_callbacks_of_a_lost_race_are_forgotten():
    """Callbacks of the run that lost are not called."""
    calls = []

    def register_and_lose_once(ctx):
        run = len(calls)

        async def callback():
            calls.append(f"callback of run {run}")

        ctx.after_commit(callback)
        calls.append("run")
        if calls == ["run"]:
            raise Stale
        commit(ctx)
        answer(ctx)

    await Script(restart=0).step("A", does=register_and_lose_once).run()
    assert calls == ["run", "run", "callback of run 1"]


async def test_the_context_knows_the_step_that_runs():
    """``ctx.step`` names the step that runs, for logs."""
    seen = []
    script = Script().step("A", does=lambda ctx: seen.append(ctx.step)).step("B", does=answer)
    ctx = make_context("session.create", Session())
    await script.run(ctx)
    assert (seen, ctx.step) == (["A"], "B")


def rehearse(ctx):
    ctx.rehearsed = True
    answer(ctx)


async def test_a_rehearsal_ends_where_the_commit_would_be():
    """Of what follows only steps that change the answer run; what came before is taken back, and no callback is called."""
    called = []
    script = Script().step("A", undo=True, does=registering(lambda: called.append("callback")))
    script.step("Commit", does=rehearse, commits=True).step("Publish", undo=True).step("Mask", provides={RESPONSE})
    assert await script.run() is ANSWER
    assert script.log == ["A", "Commit", "Mask", "undo A"]
    assert called == []


async def test_a_rehearsal_that_fails():
    """Where the answer cannot be made, what came before is taken back, once."""
    script = Script().step("A", undo=True).step("Commit", does=rehearse, commits=True)
    script.step("Mask", does=fail(InvalidArgument("a", "b")), provides={RESPONSE})
    with pytest.raises(InvalidArgument):
        await script.run()
    assert script.log == ["A", "Commit", "Mask", "undo A"]


async def test_repeating_an_answer():
    """Nothing runs but what changes answers after the commit."""
    script = Script().step("A", provides={RESPONSE}).step("Commit", provides={RESPONSE}, commits=True)
    script.step("Publish").step("Mask", provides={RESPONSE})
    ctx = make_context("session.create", Session())
    assert await Pipeline(CREATE, tuple(script.steps)).repeat(ctx, ANSWER) is ANSWER
    assert script.log == ["Mask"]
