"""Repeating a write with the metadata ``idempotency-key``: it gets the first answer, and nothing is done twice."""

import asyncio
import signal

import grpc
import pytest

from stigmer import Internal, after, before, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import RestoreSessionRequest
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer.context import RESPONSE

KEY = (("idempotency-key", "key-1"),)
MANY = 32


def of(subject: str) -> SessionSpec:
    return SessionSpec(agent_instance_id="ain-1", subject=subject)


@pytest.fixture
async def requests(wire, a_session):
    """A request of each operation that writes."""
    stored = await wire.create(a_session("Old", id="x"))
    await wire.create(a_session("Gone", id="y"))
    return {
        "create": a_session(spec=of("create")),
        "apply": a_session("Applied", spec=of("apply")),
        "update": a_session(id="x", spec=of("update")),
        "restore": RestoreSessionRequest(session_id="x", version_id=stored.metadata.version.id),
        "delete": SessionId(value="y"),
    }


WRITES = ("create", "apply", "update", "restore", "delete")


@pytest.mark.parametrize("method", WRITES)
async def test_first_answer(wire, requests, method):
    """The repeated call of each operation gets the first answer, byte for byte, and writes nothing."""
    first = await wire.call(method, requests[method], metadata=KEY)
    versions = await outcome(wire.list_versions("x"))
    count = await wire.count()
    assert await wire.call(method, requests[method], metadata=KEY) == first
    assert await outcome(wire.list_versions("x")) == versions
    assert await wire.count() == count


async def outcome(call):
    """The answer, or the name of the status."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return error.code().name


async def test_whatever_happened_since(wire, a_session):
    """It gets the first answer even if the session has changed, or is gone."""
    first = await wire.create(a_session(id="x"), metadata=KEY)
    await wire.update(a_session(id="x", spec=of("2")))
    assert await wire.create(a_session(id="x"), metadata=KEY) == first
    await wire.delete("x")
    assert await wire.create(a_session(id="x"), metadata=KEY) == first
    assert await wire.count() == 0


async def test_an_apply_that_writes_nothing(wire, a_session):
    """Its answer is remembered as well."""
    first = await wire.apply(a_session(id="", spec=of("1")))
    assert await wire.apply(a_session(spec=of("1")), metadata=KEY) == first
    await wire.apply(a_session(spec=of("2")))
    assert await wire.apply(a_session(spec=of("1")), metadata=KEY) == first


async def test_another_request(wire, a_session):
    """Another request with the same key is INVALID_ARGUMENT; the same one in other words is not another."""
    first = await wire.create(a_session(labels={"a": "1", "b": "2"}), metadata=KEY)
    assert await wire.create(a_session(labels={"b": "2", "a": "1"}), metadata=KEY) == first
    for other in (a_session(), a_session(labels={"a": "1", "b": "3"}), a_session("Other", labels={"a": "1", "b": "2"})):
        refusal = await wire.refused(wire.create(other, metadata=KEY))
        assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["idempotency-key"])
    newer = a_session(labels={"a": "1", "b": "2"}).to_binary() + b"\xfa\x01\x03abc"
    assert (await wire.refused(wire.create(newer, metadata=KEY))).code == "INVALID_ARGUMENT"
    assert await wire.count() == 1


async def test_operations_are_apart(wire, a_session):
    """A key means something else in each operation."""
    created = await wire.create(a_session(), metadata=KEY)
    assert (await wire.apply(a_session(spec=of("2")), metadata=KEY)).spec == of("2")
    assert (await wire.delete(created.metadata.id, metadata=KEY)).spec == of("2")


async def test_callers_are_apart(users, a_session):
    """A key means something else for each caller."""
    for user in ("ann", "bob"):
        metadata = (*KEY, ("x-user", user))
        answer = await users.create(a_session(user), metadata=metadata)
        assert answer == await users.create(a_session(user), metadata=metadata)
        assert answer.status.audit.spec_audit.created_by.id == user
    assert await users.as_user("ann").count() == 2


@pytest.mark.parametrize("key", ["", "x" * 129])
async def test_bad_keys(wire, a_session, key):
    """A key has 1 to 128 characters."""
    refusal = await wire.refused(wire.create(a_session(), metadata=(("idempotency-key", key),)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["idempotency-key"])


@pytest.mark.parametrize("key", ["x", "~" * 128, "a b", '{"k": "v"}'])
async def test_good_keys(wire, a_session, key):
    """Whatever else is a key."""
    metadata = (("idempotency-key", key),)
    assert await wire.create(a_session(), metadata=metadata) == await wire.create(a_session(), metadata=metadata)


async def test_failures_are_not_remembered(wire, a_session):
    """A call that failed has not been answered: it is tried again."""
    assert (await wire.refused(wire.update(a_session(id="x"), metadata=KEY))).code == "NOT_FOUND"
    await wire.create(a_session(id="x"))
    assert (await wire.update(a_session(id="x"), metadata=KEY)).metadata.id == "x"


async def test_reads_take_no_key(wire, a_session):
    """A read is answered anew, whatever key it carries."""
    await wire.create(a_session(id="x"))
    for subject in ("1", "2"):
        await wire.update(a_session(id="x", spec=of(subject)))
        assert (await wire.get("x", metadata=KEY)).spec.subject == subject


@pytest.mark.parametrize("method", ["create", "apply", "update", "delete"])
async def test_many_at_once(wire, requests, method):
    """Of many at once one writes, and all get its answer."""
    before_ = await wire.list_versions("x")
    answers = await asyncio.gather(*(wire.call(method, requests[method], metadata=KEY) for _ in range(MANY)))
    assert all(answer == answers[0] for answer in answers)
    assert len((await wire.list_versions("x")).entries) - len(before_.entries) == (1 if method == "update" else 0)


async def test_after_a_restart(process, connect, sqlite_url, a_session):
    """A server that was killed right after it answered gives the same answer again."""
    server = await process("--store", sqlite_url)
    async with connect(await server.address()) as wire:
        first = await wire.create(a_session(), metadata=KEY)
    server.kill(signal.SIGKILL)
    await server.ended()
    async with connect(await (await process("--store", sqlite_url)).address()) as wire:
        assert await wire.create(a_session(), metadata=KEY) == first
        assert await wire.count() == 1


async def test_two_processes(process, connect, sqlite_url, a_session):
    """Two servers on one file, asked the same at once, write once and answer alike."""
    servers = [await process("--store", sqlite_url) for _ in range(2)]
    async with connect(await servers[0].address()) as one, connect(await servers[1].address()) as two:
        both = [one, two] * (MANY // 2)
        created = await asyncio.gather(*(wire.create(a_session(id="x"), metadata=KEY) for wire in both))
        updated = await asyncio.gather(*(wire.update(a_session(id="x", spec=of("2")), metadata=KEY) for wire in both))
        deleted = await asyncio.gather(*(wire.delete("x", metadata=KEY) for wire in both))
        for answers in (created, updated, deleted):
            assert all(answer == answers[0] for answer in answers)
        assert updated[0].metadata.version.previous_version_id == created[0].metadata.version.id
        assert deleted[0] == updated[0]
        assert await two.count() == 0


class Steps:
    """Counts what runs, and fails after the commit as often as it is told to."""

    def __init__(self):
        self.ran: list[str] = []
        self.failures = 0

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "create":
            yield before("Persist", _Noted(self, "Early"))
            yield after("Persist", _Noted(self, "Publish"))
            yield after("Publish", _Answering(self, "Transform"))


class _Noted:
    def __init__(self, steps, name):
        self.steps, self.name = steps, name

    async def __call__(self, ctx):
        self.steps.ran.append(self.name)


class _Answering(_Noted):
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx):
        await super().__call__(ctx)
        if self.steps.failures:
            self.steps.failures -= 1
            raise Internal


async def test_steps_of_a_repeated_call(served, store_url, a_session):
    """Of a repeated call nothing runs but what changes answers."""
    steps = Steps()
    wire = await served(steps, store=store_url)
    first = await wire.create(a_session(), metadata=KEY)
    steps.ran.clear()
    assert await wire.create(a_session(), metadata=KEY) == first
    assert steps.ran == ["Transform"]


async def test_an_answer_that_got_lost(served, store_url, a_session):
    """Where the write went well and the answer did not, the repeated call gets it."""
    steps = Steps()
    wire = await served(steps, store=store_url)
    steps.failures = 2
    assert (await wire.refused(wire.create(a_session(), metadata=KEY))).code == "INTERNAL"
    answer = await wire.create(a_session(), metadata=KEY)
    assert list((await wire.list()).entries) == [answer]
