"""What writes may be asked: keys and rehearsals, without a server."""

import pytest

from stigmer import InvalidArgument, Payload
from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer.app import assembled
from stigmer.errors import KeyUsed
from stigmer.session.kind import SESSION
from stigmer.store.feed import Answer
from stigmer.testing import make_context, make_services, make_settings
from stigmer.writing import writing

PIPELINES = assembled(make_settings()).pipelines


def handle(verb="create"):
    return writing(PIPELINES[f"session.{verb}"])


def request():
    text = '{"metadata": {"name": "x", "ownerScope": "identity_account"}, "spec": {"agentInstanceId": "a"}}'
    return Session.from_json(text)


def context(services=None, **metadata):
    metadata = {name.replace("_", "-"): value for name, value in metadata.items()}
    return make_context("session.create", request(), services=services, metadata=metadata)


def test_reads_cost_nothing():
    """What writes nothing is as it was."""
    wrapped = {name for name, pipeline in PIPELINES.items() if writing(pipeline) is not pipeline}
    assert wrapped == {f"session.{verb}" for verb in ("create", "update", "apply", "delete", "restore")}


@pytest.mark.parametrize("key", ["", "x" * 129, "tab\t", "ä", b"bytes"])
async def test_bad_keys(key):
    """A key is 1 to 128 printable ASCII characters."""
    ctx = context(idempotency_key=key)
    with pytest.raises(InvalidArgument, match="idempotency-key: value must be 1 to 128"):
        await handle()(ctx)


@pytest.mark.parametrize("value", ["", "True", b"true"])
async def test_bad_truths(value):
    """Nothing but ``true`` and ``false`` is one."""
    with pytest.raises(InvalidArgument, match="validate-only: value must be `true` or `false`"):
        await handle()(context(validate_only=value))


async def test_the_other_was_faster():
    """A write that finds at its end that another has been answered with its key gives that answer."""
    services = make_services(SESSION)
    first = context(services, idempotency_key="k")
    answer = await handle()(first)
    ctx = context(services, idempotency_key="k")
    looked = []

    class Late:
        """A store that tells of the answer only when it is asked again."""

        def __getattr__(self, name):
            return getattr(services.store, name)

        async def answer(self, key):
            looked.append(key)
            return None if len(looked) == 1 else await services.store.answer(key)

    ctx._services = make_services(SESSION, store=Late())
    assert (await handle()(ctx)).wire == answer.wire
    assert len(looked) == 2
    assert len(await services.store.feed(SESSION, 0)) == 1


async def test_a_key_that_nobody_has():
    """A write that fails with a key that has not been answered fails as it would without."""
    services = make_services(SESSION)
    await handle()(context(services))
    with pytest.raises(Exception, match="Session already exists: x"):
        await handle()(context(services, idempotency_key="k"))


async def test_an_apply_that_meets_itself():
    """Where an apply has nothing to write, and the same one has been answered meanwhile, the store says so."""
    services = make_services(SESSION)
    key = {"idempotency-key": "k"}
    ctx = make_context("session.apply", request(), services=services, metadata=key)
    await handle("apply")(ctx)
    again = make_context("session.apply", request(), services=services)
    again.repeatable = ctx.repeatable
    with pytest.raises(KeyUsed):
        await PIPELINES["session.apply"](again)


async def test_what_is_remembered():
    """The answer as it was stored, under a key that says nothing of the caller or of what the client wrote."""
    services = make_services(SESSION)
    ctx = context(services, idempotency_key="secret")
    answer = await handle()(ctx)
    found = await services.store.answer(ctx.repeatable.key)
    assert isinstance(found, Answer)
    assert (found.wire, len(found.key), len(found.request)) == (answer.wire, 32, 32)
    assert Payload(Session, wire=found.wire).message.metadata.slug == "x"
