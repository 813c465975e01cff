"""The tuples of a session: written before it is stored, taken back when it is not, removed when it is gone."""

import asyncio
import contextlib

import pytest
from stigmer_openfga.policies import CreateIamPolicies, policies_of
from stigmer_openfga.visible import Sight

from stigmer import AlreadyExists, PermissionDenied, ResourceExhausted, Unavailable, after, before, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.steps import STATE
from stigmer.testing import StepConformance, make_context


def with_id(json, id_, who="acme"):
    """A session with the client's own id, in an organization."""
    return json.replace('"name"', f'"id": "{id_}", "name"').replace("acme", who)


async def test_what_is_written(server, world):
    """A session of an organization has owner and organization, one of one's own owner and account, a client's id is held."""
    before_ = await world.tuples()
    async with server() as call:
        id_ = await call.create()
        own = '{"metadata": {"id": "mine", "name": "x", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "a"}}'
        await call("odd:id/ä", "session.create", own)
        odd = "identity_account:odd%3Aid%2F%C3%A4"
        assert sorted(set(await world.tuples()) - set(before_)) == sorted(
            [
                f"session:{id_}#owner@identity_account:ann",
                f"session:{id_}#organization@organization:acme",
                f"session:mine#owner@{odd}",
                f"session:mine#identity_account@{odd}",
                "session:mine#reserved@server:stigmer",
            ]
        )
        await world.grant("eve", "viewer", f"session:{id_}")
        await call("ann", "session.delete", f'{{"value": "{id_}"}}')
        await call("odd:id/ä", "session.delete", '{"value": "mine"}')
        assert await world.tuples() == before_


@pytest.mark.parametrize("own_id", ["", "mine"])
async def test_a_create_that_fails_leaves_nothing(server, world, session_json, own_id):
    """When the session is not stored after all, its tuples are taken back, and nobody else's."""
    tuples = await world.tuples()
    async with server(zzz_plugin=_FailBefore("Persist")) as call:
        json = with_id(session_json, own_id) if own_id else session_json
        assert (await call.failure("ann", "session.create", json))[0] is ResourceExhausted
    assert await world.tuples() == tuples


class _FailBefore:
    """A plugin that fails right before a step."""

    class _Full:
        name = "Full"

        async def __call__(self, ctx):
            raise ResourceExhausted("full")

    def __init__(self, step):
        self.step = step

    @hookimpl
    def contribute_steps(self, op):
        if op.verb in {"create", "apply"}:
            yield before(self.step, self._Full())


async def test_one_of_many_creates_of_an_id(server, world, session_json):
    """Of 16 callers who choose the same id at once one gets it, and at no time may another one see what is stored there."""
    seen = []
    async with server() as call:
        everybody = [f"user{number}" for number in range(16)]
        for who in everybody:
            await world.grant(who, "member", f"organization:{who}")

        async def create(who):
            return (await call(who, "session.create", with_id(session_json, "same", who))).metadata.org

        async def peek(who):
            for _ in range(10):
                with contextlib.suppress(PermissionDenied):
                    seen.append((who, (await call(who, "session.get", '{"value": "same"}')).metadata.org))

        results = await asyncio.gather(*map(create, everybody), *map(peek, everybody), return_exceptions=True)
        won = [result for result in results if isinstance(result, str)]
        assert len(won) == 1
        assert [type(r) for r in results if isinstance(r, Exception) and not isinstance(r, AlreadyExists)] == []
        assert [each for each in seen if each != (won[0], won[0])] == []
        assert await world.tuples("session:same") == [
            f"session:same#organization@organization:{won[0]}",
            f"session:same#owner@identity_account:{won[0]}",
            "session:same#reserved@server:stigmer",
        ]


async def test_what_a_crash_left_admits_nobody(server, world, session_json):
    """While tuples of an id are left, whoever's, nobody can create under it; a chosen id is never one that others hold."""
    async with server() as call:
        for left in ("owner", "viewer", "editor"):
            await world.grant("eve", left, f"session:left-{left}")
            json = with_id(session_json, f"left-{left}").replace("One", left)
            kind, _ = await call.failure("ann", "session.create", json)
            assert issubclass(kind, AlreadyExists)
            assert await world.tuples(f"session:left-{left}") == [f"session:left-{left}#{left}@identity_account:eve"]


async def test_a_write_that_ends_after_it_was_cancelled(server, world):
    """A create that is cancelled while it is stored either is there with its tuples, or neither is."""
    async with server(zzz_plugin=_CancelAfter()) as call:
        tuples = await world.tuples()
        with pytest.raises(asyncio.CancelledError):
            await call.create()
        assert await call.total("ann") == 1
        assert len(await world.tuples()) == len(tuples) + 2


class _CancelAfter:
    """A plugin in which a create is cancelled right after the store has written."""

    @hookimpl
    def wrap_step(self, op, step, origin, call_next, settings):
        if (op.verb, step) != ("create", "Persist"):
            return None

        async def cancelled(ctx):
            await call_next(ctx)
            ctx.committed = False
            raise asyncio.CancelledError

        return cancelled


async def test_racing_applies_leave_one_session(server, world):
    """Of 16 concurrent applies of one new name all are answered, one session is there, and its tuples alone."""
    tuples = await world.tuples()
    json = '{"metadata": {"name": "N", "ownerScope": "organization", "org": "acme"}, "spec": {"agentInstanceId": "a"}}'
    async with server() as call:
        ids = {r.metadata.id for r in await asyncio.gather(*(call("ann", "session.apply", json) for _ in range(16)))}
        assert len(ids) == 1
        assert len(await world.tuples()) == len(tuples) + 2
        assert await call.total("ann") == 1


async def test_a_failing_cleanup_does_not_fail_the_delete(server, world):
    """A delete is answered also when the tuples cannot be removed; they admit nobody to anything."""
    async with server(zzz_plugin=_NoCleanup()) as call:
        id_ = await call.create()
        await call("ann", "session.delete", f'{{"value": "{id_}"}}')
        assert len(await world.tuples(f"session:{id_}")) == 2
        assert (await call.failure("ann", "session.get", f'{{"value": "{id_}"}}'))[0] is PermissionDenied


class _NoCleanup:
    """A plugin in which CleanupIamPolicies fails."""

    @hookimpl
    def wrap_step(self, op, step, origin, call_next, settings):
        async def failing(ctx):
            raise Unavailable("no")

        return failing if step == "CleanupIamPolicies" else None


async def test_no_call_while_the_writer_is_held(server, world):
    """While OpenFGA is slow for one create, others that need it not are stored."""
    own = '{"metadata": {"name": "x", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "a"}}'
    held = asyncio.Event()

    class Slow:
        name = "Slow"

        async def __call__(self, ctx):
            if ctx.caller.id == "ann":
                await held.wait()

    class Plugin:
        @hookimpl
        def contribute_steps(self, op):
            if op.verb == "create":
                yield after("CreateIamPolicies", Slow())

    async with server(zzz_plugin=Plugin()) as call:
        slow = asyncio.create_task(call.create())
        await call.create("eve", own)
        assert not slow.done()
        held.set()
        await slow


class TestCreateIamPolicies(StepConformance):
    """What holds for every step."""

    @pytest.fixture
    def step(self, world):
        return CreateIamPolicies(world.client, Sight(world.client, fresh=True))

    @pytest.fixture
    async def ctx(self, server):
        async with server() as call:
            request = call.pipelines["session.create"].operation.request.from_json('{"metadata": {"name": "x"}}')
            operation = call.pipelines["session.create"].operation
            state = operation.request.from_json(
                '{"metadata": {"id": "ses-1", "org": "acme", "ownerScope": "organization"}, '
                '"status": {"audit": {"specAudit": {"createdBy": {"id": "ann"}}}}}'
            )
            yield make_context(operation, request, slots={STATE: state})


def test_nobody_owns_what_nobody_made():
    """What was stored while callers were not told apart gets no owner: somebody might be called system."""
    text = (
        '{"metadata": {"id": "a", "ownerScope": "SCOPE", "org": "acme"}, '
        '"status": {"audit": {"specAudit": {"createdBy": {"id": "system"}}}}}'
    )
    assert policies_of("session", Session.from_json(text.replace("SCOPE", "identity_account"))) == []
    (only,) = policies_of("session", Session.from_json(text.replace("SCOPE", "organization")))
    assert only == ("organization:acme", "organization", "session:a")
