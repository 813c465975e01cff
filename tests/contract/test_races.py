"""The row "races" of the contract: what happens when calls meet."""

import asyncio

import pytest

from stigmer import PermissionDenied, after, before, hookimpl
from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec
from stigmer.testing import SteppingClock

MANY = 64


class Gate:
    """Holds the write of calls with the subject ``held`` until it is opened; a run that begins again passes."""

    def __init__(self):
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()
        self.runs: list[str] = []

    @hookimpl
    def contribute_steps(self, op):
        gate = self

        class Wait:
            name = "Wait"

            async def __call__(self, ctx):
                if ctx.info.metadata.get("x-held"):
                    gate.runs.append(op.verb)
                    gate.arrived.set()
                    await gate.opened.wait()

        anchor = {"create": "Persist", "update": "Persist", "apply": "Persist", "delete": "DeleteResource"}.get(op.verb)
        if anchor:
            yield before(anchor, Wait())


@pytest.fixture
async def gated(served, store_url):
    """A server with a gate before each write, and the gate."""
    gate = Gate()
    wire = await served(gate, store=store_url, clock=SteppingClock())

    async def held(method, request, meanwhile):
        """Begins a call, does something else while it stands before its write, then lets it go on."""
        call = asyncio.ensure_future(_await(wire.call(method, request, metadata=(("x-held", "1"),))))
        await asyncio.wait_for(gate.arrived.wait(), 10)
        result = await meanwhile
        gate.opened.set()
        return call, result

    wire.held, wire.gate = held, gate
    return wire


async def _await(call):
    return await call


def of(agent: str) -> SessionSpec:
    return SessionSpec(agent_instance_id=agent)


async def outcomes(calls) -> list:
    """What each of the calls gives when all run at once: an answer, or the name of its status."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [result.code().name if isinstance(result, Exception) else result for result in results]


async def test_creates_of_one_name(wire, a_session):
    """Of 64 concurrent creates of one name exactly one wins, and 63 get ALREADY_EXISTS."""
    results = await outcomes([wire.create(a_session(spec=of(f"ain-{number}"))) for number in range(MANY)])
    winners = [result for result in results if not isinstance(result, str)]
    assert len(winners) == 1
    assert results.count("ALREADY_EXISTS") == MANY - 1
    assert list((await wire.list()).entries) == winners


async def test_applies_of_one_new_name(wire, a_session):
    """64 concurrent applies of one new name all succeed on one row; one created it, the others updated it."""
    results = await outcomes([wire.apply(a_session(spec=of(f"ain-{number}"))) for number in range(MANY)])
    assert len({result.metadata.id for result in results}) == 1
    assert [result.spec.agent_instance_id for result in results] == [f"ain-{number}" for number in range(MANY)]
    events = [result.status.audit.spec_audit.event for result in results]
    assert (events.count("created"), events.count("updated")) == (1, MANY - 1)
    assert (await wire.list()).entries[0] in results
    assert await wire.count() == 1


async def test_equal_applies_of_one_new_name(wire, a_session):
    """64 equal applies at once are one write: all answer the one session as it was created."""
    results = await outcomes([wire.apply(a_session()) for _ in range(MANY)])
    assert all(result == results[0] for result in results)
    assert results[0].status.audit.spec_audit.event == "created"
    assert await wire.count() == 1


async def test_updates_of_one_session(served, store_url, a_session):
    """Of 32 concurrent updates each succeeds with its own content at its own time, and the one with the latest time stays."""
    wire = await served(store=store_url, clock=SteppingClock())
    await wire.create(a_session(id="x"))
    results = await outcomes([wire.update(a_session(id="x", spec=of(f"ain-{number}"))) for number in range(32)])
    assert [result.spec.agent_instance_id for result in results] == [f"ain-{number}" for number in range(32)]
    times = [result.status.audit.spec_audit.updated_at for result in results]
    times = [(time.seconds, time.nanos) for time in times]
    assert len(set(times)) == 32
    assert await wire.get("x") == results[times.index(max(times))]


@pytest.mark.parametrize("round_", range(3))
async def test_updates_racing_a_delete(wire, a_session, round_):
    """Updates and applies by id that race a delete succeed before it or find nothing; the session never comes back."""
    await wire.create(a_session(id="x"))
    calls = [wire.update(a_session(id="x", spec=of(f"u{number}"))) for number in range(12)]
    calls += [wire.apply(a_session(id="x", spec=of(f"a{number}"))) for number in range(12)]
    calls.insert(4 * round_, wire.delete("x"))
    results = await outcomes(calls)
    assert not isinstance(results[4 * round_], str)
    assert {result for result in results if isinstance(result, str)} <= {"NOT_FOUND"}
    assert (await wire.refused(wire.get("x"))).code == "NOT_FOUND"
    assert await wire.count() == 0


async def test_deletes_of_one_session(wire, a_session):
    """Of many concurrent deletes exactly one answers the session."""
    stored = await wire.create(a_session(id="x"))
    results = await outcomes([wire.delete("x") for _ in range(16)])
    assert results.count(stored) == 1
    assert results.count("NOT_FOUND") == 15


async def test_applies_racing_deletes(wire, a_session):
    """Applies by name and deletes at once: every apply succeeds, at most one row is left, and no id comes back."""
    await wire.create(a_session(id="x"))
    pairs = [(wire.apply(a_session(spec=of(f"{number}"))), wire.delete("x")) for number in range(8)]
    results = await outcomes([call for pair in pairs for call in pair])
    assert all(not isinstance(result, str) for result in results[::2])
    assert (await wire.refused(wire.get("x"))).code == "NOT_FOUND"
    assert await wire.count() <= 1


async def test_update_held_while_it_is_updated(gated, a_session):
    """An update whose session changed after it was loaded loads again and is written onto the change; neither is lost."""
    await gated.create(a_session(id="x", labels={"a": "1"}))
    other = gated.update(a_session("Renamed", id="x", tags=["t"], spec=of("other")))
    call, between = await gated.held("update", a_session("", id="x", labels={"b": "2"}, spec=of("held")), other)
    answer = await call
    assert (answer.metadata.name, list(answer.metadata.tags), answer.metadata.labels) == ("Renamed", ["t"], {"b": "2"})
    assert answer.spec == of("held")
    assert answer.status.audit.spec_audit.updated_at.nanos > between.status.audit.spec_audit.updated_at.nanos
    assert gated.gate.runs == ["update", "update"]
    assert await gated.get("x") == answer


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_write_held_while_it_is_deleted(gated, a_session, method):
    """An update or apply by id whose session was deleted after it was loaded is NOT_FOUND and writes nothing."""
    await gated.create(a_session(id="x"))
    call, _ = await gated.held(method, a_session(id="x", spec=of("held")), gated.delete("x"))
    assert (await gated.refused(call)).code == "NOT_FOUND"
    assert await gated.count() == 0


async def test_write_held_while_it_is_replaced(gated, a_session):
    """An update by name finds the new session of that name when the one that it loaded was deleted meanwhile."""
    await gated.create(a_session(id="old"))

    async def replace():
        await gated.delete("old")
        await gated.create(a_session(id="new", tags=["t"]))

    call, _ = await gated.held("update", a_session(spec=of("held")), replace())
    answer = await call
    assert (answer.metadata.id, list(answer.metadata.tags)) == ("new", ["t"])
    assert (await gated.refused(gated.get("old"))).code == "NOT_FOUND"


async def test_apply_held_while_it_is_deleted(gated, a_session):
    """An apply by name whose session was deleted after it was loaded creates another one, with a new id."""
    await gated.create(a_session(id="x"))
    call, _ = await gated.held("apply", a_session(spec=of("held")), gated.delete("x"))
    answer = await call
    assert answer.metadata.id.startswith("ses-")
    assert answer.status.audit.spec_audit.event == "created"
    assert await gated.count() == 1


async def test_apply_held_while_it_is_created(gated, a_session):
    """An apply that was about to create updates the session that somebody else created meanwhile."""
    call, other = await gated.held("apply", a_session(spec=of("held")), gated.create(a_session(tags=["t"])))
    answer = await call
    assert answer.metadata.id == other.metadata.id
    assert (answer.spec, list(answer.metadata.tags)) == (of("held"), ["t"])
    assert answer.status.audit.spec_audit.event == "updated"
    assert await gated.count() == 1


async def test_apply_without_spec_held_while_it_is_created(gated, a_session):
    """An apply that became an update on the way keeps the rules of an update: without spec INVALID_ARGUMENT."""
    call, other = await gated.held("apply", a_session(spec=False), gated.create(a_session()))
    refusal = await gated.refused(call)
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["spec"])
    assert await gated.get(other.metadata.id) == other


async def test_create_held_while_it_is_created(gated, a_session):
    """A create whose slug was taken after it was checked is ALREADY_EXISTS."""
    call, other = await gated.held("create", a_session(spec=of("held")), gated.create(a_session()))
    refusal = await gated.refused(call)
    assert (refusal.code, refusal.text) == ("ALREADY_EXISTS", "Session already exists: deploy")
    assert list((await gated.list()).entries) == [other]


async def test_delete_held_while_it_is_updated(gated, a_session):
    """A delete answers the session as it was when it was deleted, not as it was loaded first."""
    from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId

    await gated.create(a_session(id="x"))
    call, updated = await gated.held("delete", SessionId(value="x"), gated.update(a_session("New", id="x")))
    assert await call == updated
    assert await gated.count() == 0


async def test_delete_held_while_it_is_deleted(gated, a_session):
    """Of two deletes the later one is NOT_FOUND."""
    from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import SessionId

    await gated.create(a_session(id="x"))
    call, _ = await gated.held("delete", SessionId(value="x"), gated.delete("x"))
    assert (await gated.refused(call)).code == "NOT_FOUND"


class Permissions:
    """Asks after the load, each time, whether the caller may."""

    def __init__(self):
        self.allowed = True

    @hookimpl
    def contribute_steps(self, op):
        permissions = self

        class Authorize:
            name = "Authorize"

            async def __call__(self, ctx):
                if ctx.info.metadata.get("x-held") and not permissions.allowed:
                    raise PermissionDenied("unauthorized to update session")

        load = {"update": "LoadExisting", "apply": "LoadForApply"}.get(op.verb)
        if load:
            yield after(load, Authorize())


@pytest.mark.parametrize("method", ["update", "apply"])
async def test_authorization_is_asked_again(served, store_url, by_metadata, a_session, method):
    """When the run begins again so does authorization: a permission that was taken away meanwhile does not count."""
    gate, permissions = Gate(), Permissions()
    wire = (await served(by_metadata, gate, permissions, store=store_url)).as_user("ann")
    await wire.create(a_session(id="x"))
    call = wire.call(method, a_session(id="x", spec=of("held")), metadata=(("x-held", "1"), ("x-user", "ann")))
    waiting = asyncio.ensure_future(_await(call))
    await asyncio.wait_for(gate.arrived.wait(), 10)
    between = await wire.update(a_session(id="x", spec=of("between")))
    permissions.allowed = False
    gate.opened.set()
    assert (await wire.refused(waiting)).code == "PERMISSION_DENIED"
    assert await wire.get("x") == between


async def test_two_processes_on_one_file(process, connect, a_session, sqlite_url):
    """Two server processes on one file keep every rule on races between them."""
    servers = [await process("--store", sqlite_url) for _ in range(2)]
    async with connect(await servers[0].address()) as one, connect(await servers[1].address()) as two:
        both = [one, two] * (MANY // 2)
        created = await outcomes([wire.create(a_session("Created")) for wire in both])
        assert created.count("ALREADY_EXISTS") == MANY - 1
        applied = await outcomes([wire.apply(a_session("Applied", spec=of(f"{at}"))) for at, wire in enumerate(both)])
        assert len({result.metadata.id for result in applied}) == 1
        (id_,) = {result.metadata.id for result in applied}
        updated = await outcomes([wire.update(a_session(id=id_, spec=of(f"u{at}"))) for at, wire in enumerate(both[:32])])
        assert [result.spec.agent_instance_id for result in updated] == [f"u{at}" for at in range(32)]
        assert await one.get(id_) == await two.get(id_)
        assert await one.get(id_) in updated
        raced = await outcomes([two.delete(id_), *(wire.update(a_session(id=id_, spec=of("late"))) for wire in both[:16])])
        assert not isinstance(raced[0], str)
        assert (await one.refused(one.get(id_))).code == "NOT_FOUND"
        assert await two.names() == await one.names() == ["Created"]
