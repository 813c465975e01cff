"""Trying a write with the metadata ``validate-only``: everything runs, and nothing is written."""

import pytest

from stigmer import PermissionDenied, after, before, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import RestoreSessionRequest
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer.context import RESPONSE
from stigmer.session.kind import SESSION

TRIED = (("validate-only", "true"),)
WRITES = ("create", "apply", "update", "restore", "delete")


def of(subject: str) -> SessionSpec:
    return SessionSpec(agent_instance_id="ain-1", subject=subject)


def settled(session):
    """A session without what is made anew by every write."""
    session.status = session.metadata.version = None
    session.metadata.id = ""
    return session


async def state(wire):
    """Everything that is stored, and every change."""
    return (await wire.list()).entries, await wire.app.store.feed(SESSION, 0)


@pytest.fixture
async def requests(wire, a_session):
    """A request of each operation that writes."""
    stored = await wire.create(a_session("Old", id="x"))
    await wire.update(a_session("New", id="x", tags=["t"]))
    return {
        "create": a_session(spec=of("create")),
        "apply": a_session("Applied", spec=of("apply")),
        "update": a_session(id="x", spec=of("update")),
        "restore": RestoreSessionRequest(session_id="x", version_id=stored.metadata.version.id),
        "delete": SessionId(value="x"),
    }


@pytest.mark.parametrize("method", WRITES)
async def test_nothing_is_written(wire, requests, method):
    """The answer of each operation is what would have been stored or deleted; nothing is, and no change is told."""
    before_ = await state(wire)
    tried = await wire.call(method, requests[method], metadata=TRIED)
    assert await state(wire) == before_
    assert settled(tried) == settled(await wire.call(method, requests[method]))


async def test_an_apply_that_would_write_nothing(wire, a_session):
    """It answers what is stored."""
    stored = await wire.apply(a_session())
    assert await wire.apply(a_session(), metadata=TRIED) == stored


@pytest.mark.parametrize("value", ["false"])
async def test_false(wire, a_session, value):
    """``false`` is as good as nothing."""
    await wire.create(a_session(), metadata=(("validate-only", value),))
    assert await wire.count() == 1


@pytest.mark.parametrize("value", ["", "TRUE", "1", "yes", "true,true"])
async def test_neither(wire, a_session, value):
    """Any other value is INVALID_ARGUMENT: who mistypes it must not write by mistake."""
    refusal = await wire.refused(wire.create(a_session(), metadata=(("validate-only", value),)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["validate-only"])
    assert await wire.count() == 0


async def test_refusals(wire, a_session):
    """What would be refused is refused, with the same text."""
    stored = await wire.create(a_session(id="x"))
    await wire.update(a_session(id="x", spec=of("2")))
    stale = a_session(id="x", version=stored.metadata.version)
    for method, request in (
        ("create", a_session()),
        ("create", a_session("Other", id="x")),
        ("create", a_session("")),
        ("create", a_session("Large", annotations={"big": "x" * (10 * 1024 * 1024 - 64 * 1024)})),
        ("update", a_session(id="nobody")),
        ("update", stale),
        ("apply", a_session(spec=False)),
        ("delete", SessionId(value="nobody")),
        ("restore", RestoreSessionRequest(session_id="x", version_id="nothing")),
    ):
        tried = await wire.refused(wire.call(method, request, metadata=TRIED))
        refused = await wire.refused(wire.call(method, request))
        if refused.reason == "RESOURCE_TOO_LARGE":  # by how much depends on what time it is
            assert (tried.code, tried.reason) == (refused.code, refused.reason)
        else:
            assert tried == refused


async def test_keys_are_left_alone(wire, a_session):
    """An idempotency-key is neither remembered nor looked up when a call is only tried; a bad one is bad all the same."""
    both = (*TRIED, ("idempotency-key", "k"))
    assert (await wire.create(a_session(), metadata=both)).metadata.slug == "deploy"
    created = await wire.create(a_session(spec=of("2")), metadata=(("idempotency-key", "k"),))
    assert (await wire.refused(wire.create(a_session(), metadata=both))).code == "ALREADY_EXISTS"
    assert list((await wire.list()).entries) == [created]
    bad = (*TRIED, ("idempotency-key", ""))
    assert (await wire.refused(wire.create(a_session("New"), metadata=bad))).fields == ["idempotency-key"]


async def test_an_apply_that_writes_nothing_with_a_key(wire, a_session):
    """It remembers nothing either."""
    await wire.apply(a_session())
    await wire.apply(a_session(), metadata=(*TRIED, ("idempotency-key", "k")))
    await wire.apply(a_session(spec=of("2")))
    assert (await wire.apply(a_session(), metadata=(("idempotency-key", "k"),))).spec.subject == "ship it"


class Steps:
    """Steps before and after the commit, which tell what they see and what is taken back."""

    def __init__(self):
        self.told: list[str] = []
        self.allowed = True
        self.moved = ""

    @hookimpl
    def contribute_steps(self, op):
        if op.verb in {"create", "update"}:
            yield before("Persist", _Reserve(self))
            yield after("Persist", _Publish(self))
            yield after("Publish", _Transform(self))
        if op.verb == "delete":
            yield after("DeleteResource", _Publish(self))


class _Reserve:
    name = "Reserve"

    def __init__(self, steps):
        self.steps = steps

    async def __call__(self, ctx):
        if not self.steps.allowed:
            raise PermissionDenied("no")
        self.steps.told.append(f"reserved {ctx.validate_only}")
        ctx.after_commit(self._done)

    async def _done(self):
        self.steps.told.append("committed")

    async def undo(self, ctx):
        self.steps.told.append("taken back")


class _Publish:
    name = "Publish"

    def __init__(self, steps):
        self.steps = steps

    async def __call__(self, ctx):
        self.steps.told.append("published")


class _Transform:
    name = "Transform"
    requires = provides = frozenset({RESPONSE})

    def __init__(self, steps):
        self.steps = steps

    async def __call__(self, ctx):
        self.steps.told.append("transformed")


async def test_steps_of_plugins(served, store_url, a_session):
    """Those before the commit run and are taken back, those that change answers run, the others do not."""
    steps = Steps()
    wire = await served(steps, store=store_url)
    await wire.create(a_session(), metadata=TRIED)
    assert steps.told == ["reserved True", "transformed", "taken back"]
    steps.told.clear()
    await wire.create(a_session(id="x"))
    assert steps.told == ["reserved False", "committed", "published", "transformed"]
    steps.told.clear()
    await wire.delete("x", metadata=TRIED)
    assert steps.told == []


async def test_refusals_of_plugins(served, store_url, a_session):
    """A step that would refuse the call refuses it."""
    steps = Steps()
    steps.allowed = False
    wire = await served(steps, store=store_url)
    assert (await wire.refused(wire.create(a_session(), metadata=TRIED))).code == "PERMISSION_DENIED"


class Renames:
    """Changes the slug of what is stored."""

    @hookimpl
    def contribute_steps(self, op):
        from stigmer.steps import STATE

        class Rename:
            name = "Rename"

            async def __call__(self, ctx):
                ctx[STATE].metadata.slug = "taken"

        if op.verb == "create":
            yield before("Persist", Rename())


async def test_what_only_the_store_would_refuse(served, store_url, a_session):
    """A slug that a step has chosen is looked up as the store would look it up."""
    wire = await served(Renames(), store=store_url)
    await wire.create(a_session("One"))
    refusal = await wire.refused(wire.create(a_session("Two"), metadata=TRIED))
    assert (refusal.code, refusal.text) == ("ALREADY_EXISTS", "Session already exists: taken")
