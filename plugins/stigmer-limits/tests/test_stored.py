"""How much an owner may store."""

from __future__ import annotations

import asyncio

import pytest
from stigmer_limits import Settings
from stigmer_limits.steps import LimitStored

from stigmer import ResourceExhausted
from stigmer.session.create import CREATE
from stigmer.steps import MOST, STATE
from stigmer.testing import StepConformance, make_context


async def full(call):
    with pytest.raises(ResourceExhausted) as refusal:
        await call
    assert (refusal.value.reason, refusal.value.retry_seconds) == ("OWNER_FULL", None)
    return refusal.value


@pytest.mark.parametrize("verb", ["create", "apply"])
async def test_an_organization_may_have_so_many(limited, session_json, verb):
    """The next create is refused, also one that is an apply, and tells the limit."""
    async with limited(organization_stored=2) as call:
        for name in ("One", "Two"):
            await call(verb, session_json(name))
        refusal = await full(call(verb, session_json("Three")))
        assert refusal.metadata == {"limit": "2"}
        await call(verb, session_json("Three", "globex"))
        await call(verb, session_json("Three", ""))


async def test_what_is_there_can_be_changed_and_replaced(limited, session_json):
    """Updates and applies of what exists are no more; a deletion makes room."""
    async with limited(organization_stored=1) as call:
        one = await call("create", session_json("One"))
        await call("apply", session_json("One", subject="new"))
        await call("update", f'{{"metadata": {{"id": "{one.metadata.id}"}}, "spec": {{"agentInstanceId": "ain-2"}}}}')
        await call("delete", f'{{"value": "{one.metadata.id}"}}')
        await call("create", session_json("Two"))
        await full(call("create", session_json("Three")))


async def test_an_account_may_have_so_many(limited):
    """Each caller's own sessions are counted by themselves."""
    async with limited(account_stored=1) as call:
        for caller in ("ann", "ben"):
            await call.create("One", "", by=caller)
            await full(call.create("Two", "", by=caller))
            await call.create(f"Of {caller}")


async def test_one_organization_may_have_more_or_less(limited):
    """None at all, another number, or no limit."""
    organizations = {"none": {"stored": 0}, "two": {"stored": 2}, "free": {"stored": None}}
    async with limited(organization_stored=1, organizations=organizations) as call:
        for org, most in (("acme", 1), ("none", 0), ("two", 2)):
            for number in range(most):
                await call.create(f"Session {number}", org)
            await full(call.create("More", org))
        for number in range(5):
            await call.create(f"Session {number}", "free")


async def test_who_only_asks_is_told(limited, session_json):
    """A call with ``validate-only`` hears what the real one would."""
    asking = {"validate-only": "true"}
    async with limited(organization_stored=1) as call:
        await call("create", session_json("One"), metadata=asking)
        await call("create", session_json("One"))
        await full(call("create", session_json("Two"), metadata=asking))


@pytest.mark.parametrize("store", ["memory:", "sqlite:///{}/s.db"])
async def test_races_do_not_get_more_in(limited, tmp_path, store):
    """Of a hundred at once as many succeed as there is room for, and those who come back with the same get it."""
    async with limited(organization_stored=7, store=store.format(tmp_path)) as call:
        answers = await asyncio.gather(*(call.create(f"Session {n % 50}") for n in range(100)), return_exceptions=True)
        assert sum(not isinstance(answer, Exception) for answer in answers) == 7
        assert (await call("list")).total_count == 7


class TestLimitStored(StepConformance):
    """What holds for every step."""

    @pytest.fixture
    def step(self):
        return LimitStored(Settings(organization_stored=3))

    @pytest.fixture
    def ctx(self, session_json):
        request = CREATE.request.from_json(session_json("One"))
        return make_context("session.create", request, slots={STATE: request})

    async def test_says_how_many(self, step, ctx):
        """What the store is told."""
        await step(ctx)
        assert ctx[MOST] == 3
