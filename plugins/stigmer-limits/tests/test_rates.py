"""How fast callers and organizations may call."""

from __future__ import annotations

import pytest
from stigmer_limits import Limits, Settings
from stigmer_limits.buckets import Buckets
from stigmer_limits.settings import Pace
from stigmer_limits.steps import LimitCaller, LimitOrganization

from stigmer import Caller, PermissionDenied, ResourceExhausted, Stale, after, hookimpl
from stigmer.client import ResourceExhausted as TooFast
from stigmer.client import SessionClient
from stigmer.session import create
from stigmer.testing import StepConformance, make_context, serving

SLOW = 0.001
"""A rate at which nothing comes back while a test runs."""
ONE = '{"id": "ses-1", "name": "One", "org": "acme", "ownerScope": "organization"}'
ABOUT_ONE = {
    "apply": f'{{"metadata": {ONE}, "spec": {{"agentInstanceId": "ain-1", "subject": "new"}}}}',
    "update": '{"metadata": {"id": "ses-1"}, "spec": {"agentInstanceId": "ain-1", "subject": "new"}}',
    "get": '{"value": "ses-1"}',
    "get ": '{"value": "ses-1", "readMask": "spec.subject"}',
    "get_by_reference": '{"org": "acme", "slug": "one"}',
    "restore": '{"sessionId": "ses-1", "versionId": "%s"}',
    "delete": '{"value": "ses-1"}',
}
CREATE = f'{{"metadata": {ONE}, "spec": {{"agentInstanceId": "ain-1"}}}}'
FREE = {
    "list": "{}",
    "list_by_agent": '{"agentId": "ain-1"}',
    "batch_get": '{"ids": ["ses-1"]}',
    "list_versions": '{"sessionId": "ses-1"}',
}


async def refused(call):
    with pytest.raises(ResourceExhausted) as refusal:
        await call
    return refusal.value


async def test_a_caller_has_a_burst_and_others_have_their_own(limited):
    """So many calls at once, of whatever operation; then a refusal that says when there is room for another."""
    async with limited(caller_rate=SLOW, caller_burst=3) as call:
        await call.create("One")
        await call("list")
        await call("get_by_reference", '{"org": "acme", "slug": "one"}')
        refusal = await refused(call("list"))
        assert refusal.reason == "CALLER_TOO_FAST"
        assert 900 < refusal.retry_seconds <= 1000
        await call("list", by="ben")


async def test_a_refused_call_does_nothing(limited):
    """It is refused before it is even validated."""
    async with limited(caller_rate=SLOW, caller_burst=1) as call:
        await call("list")
        for request in ("{}", CREATE):
            assert (await refused(call("create", request))).reason == "CALLER_TOO_FAST"
        assert (await call("list", by="ben")).total_count == 0


async def test_room_comes_back_with_time(limited, monkeypatch):
    """After as long as the refusal says, and not before; what was refused has cost nothing."""
    now = 1000.0
    monkeypatch.setattr("stigmer.transport.bucket.time.monotonic", lambda: now)
    async with limited(caller_rate=4, caller_burst=1) as call:
        await call("list")
        for _ in range(10):
            assert (await refused(call("list"))).retry_seconds == 0.25
        now += 0.25
        await call("list")
        await refused(call("list"))


@pytest.mark.parametrize("verb", ABOUT_ONE)
async def test_calls_about_an_organizations_session_count(limited, verb):
    """All that is done to a session counts for the organization that owns it, whoever does it."""
    async with limited(organization_rate=SLOW, organization_burst=2) as call:
        version = (await call("create", CREATE)).metadata.version.id
        request = ABOUT_ONE[verb].replace("%s", version)
        await call(verb.strip(), request, by="ben")
        refusal = await refused(call("create", CREATE.replace("ses-1", "ses-2").replace("One", "Two"), by="eve"))
        assert refusal.reason == "ORGANIZATION_TOO_FAST"
        assert "acme" in refusal.text


async def test_other_organizations_and_accounts_do_not_count(limited):
    """Each organization has its own room; what accounts own has no organization."""
    async with limited(organization_rate=SLOW, organization_burst=1) as call:
        await call.create("One")
        await call.create("One", "globex")
        for number in range(5):
            await call.create(f"Mine {number}", "")
        await refused(call.create("Two"))


@pytest.mark.parametrize("verb", FREE)
async def test_lists_count_for_their_caller_alone(limited, verb):
    """They are about no one organization."""
    async with limited(organization_rate=SLOW, organization_burst=1) as call:
        await call("create", CREATE)
        for _ in range(3):
            await call(verb, FREE[verb])


async def test_one_organization_may_have_another_pace(limited):
    """More, less, or no limit at all."""
    organizations = {"big": {"rate": SLOW, "burst": 3}, "free": {"rate": None}}
    async with limited(organization_rate=SLOW, organization_burst=1, organizations=organizations) as call:
        for org, calls in (("acme", 1), ("big", 3), ("free", 9)):
            for number in range(calls):
                await call.create(f"Session {number}", org)
        for org in ("acme", "big"):
            await refused(call.create("More", org))


class Strangers:
    """Lets in whom the metadata name, and lets ``eve`` do nothing."""

    @hookimpl
    def authenticator(self):
        async def identify(info):
            return Caller(info.metadata["x-user"])

        return identify

    @hookimpl
    def contribute_steps(self, op):
        class Authorize:
            name = "Authorize"

            async def __call__(self, ctx):
                if ctx.caller.id == "eve":
                    raise PermissionDenied("no")

        yield after("LoadByReference" if op.verb == "get_by_reference" else "ValidateProto", Authorize())


@pytest.mark.parametrize("verb", ["create", *ABOUT_ONE])
async def test_strangers_use_up_nothing_of_an_organization(limited, verb):
    """Who may not make a call does not take from the room of those who may."""
    others = {"strangers": Strangers()}.items()
    async with limited(others, organization_rate=SLOW, organization_burst=2) as call:
        await call("create", CREATE, metadata={"x-user": "ann"})
        for _ in range(5):
            with pytest.raises(PermissionDenied):
                await call(verb.strip(), ABOUT_ONE.get(verb, CREATE), metadata={"x-user": "eve"})
        await call("get", '{"value": "ses-1"}', metadata={"x-user": "ann"})


class LosesRaces:
    """Lets each write lose a few races."""

    @hookimpl
    def wrap_step(self, op, step, origin, call_next):
        left = iter(range(3))

        async def lose(ctx):
            if next(left, None) is not None:
                raise Stale
            await call_next(ctx)

        return lose if (op.verb, step) == ("update", "Persist") else None


async def test_a_lost_race_is_no_further_call(limited):
    """An update that begins again is counted once."""
    async with limited({"races": LosesRaces()}.items(), organization_rate=SLOW, organization_burst=3) as call:
        await call("create", CREATE)
        await call("update", ABOUT_ONE["update"])
        await call("get", ABOUT_ONE["get"])
        await refused(call("get", ABOUT_ONE["get"]))


async def test_clients_learn_when_to_come_back():
    """Over the wire it is RESOURCE_EXHAUSTED with RetryInfo, which the client gives in seconds; the connection stays."""
    async with (
        serving({"limits": Limits(Settings(caller_rate=SLOW, caller_burst=1))}) as app,
        SessionClient(app.address) as client,
    ):
        await client.list()
        for _ in range(2):
            with pytest.raises(TooFast, match=r"try again in \S+ s") as refusal:
                await client.list()
            assert (refusal.value.reason, refusal.value.retry_seconds > 900) == ("CALLER_TOO_FAST", True)


def test_buckets_that_were_asked_for_longest_ago_are_forgotten():
    """However many callers there are, the memory has an end."""
    buckets, pace = Buckets(most=2), Pace(SLOW, 1)
    refused = [step for step, name in enumerate("abacba") if buckets.take(name, pace) is not None]
    assert refused == [2]  # the second "a" of three: "b" has been forgotten since, and then "a"


class TestLimitCaller(StepConformance):
    """What holds for every step."""

    @pytest.fixture
    def step(self):
        return LimitCaller(Pace(1000, 1000), Buckets())

    @pytest.fixture
    def ctx(self):
        return a_create()


class TestLimitOrganization(StepConformance):
    """What holds for every step."""

    @pytest.fixture
    def step(self):
        return LimitOrganization(Settings(organization_rate=1000), Buckets())

    @pytest.fixture
    def ctx(self):
        return a_create()


def a_create():
    """A create as the steps meet it."""
    return make_context("session.create", create.CREATE.request.from_json(CREATE))
