"""The row "id" of the contract."""

import asyncio
import re

import pytest

ULID = re.compile(r"ses-[0-7][0-9a-hjkmnp-tv-z]{25}")


async def test_new_ids_are_prefixed_ulids(wire, a_session):
    """A session without id gets ``ses-`` and a lower-case ULID."""
    assert ULID.fullmatch((await wire.create(a_session())).metadata.id)
    assert ULID.fullmatch((await wire.apply(a_session("Other"))).metadata.id)


async def test_new_ids_differ_and_rise(wire, a_session):
    """Ids made one after the other are different and in order, also within a millisecond."""
    ids = [(await wire.create(a_session(f"n{number}"))).metadata.id for number in range(50)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("id_", ["a", "7", "Z", "ses-1", "a.b_c-D9", "ses-01JD3V8M0B7W2Q4RK5X9TCZG6N", "a..", "x" * 128])
async def test_own_id_is_kept(wire, a_session, id_):
    """A client's own id of the right form is the session's id."""
    assert (await wire.create(a_session(id=id_))).metadata.id == id_
    assert (await wire.get(id_)).metadata.name == "Deploy"


@pytest.mark.parametrize(
    "id_",
    ["-a", ".a", "_a", "x" * 129, "a b", " a", "a ", "a/b", "a:b", "é", "a\n", "\n", "a\0", "x" * 20_000, "🚀", "%61", "٣"],
)
async def test_malformed_own_id_is_refused(wire, a_session, id_):
    """An own id of another form is INVALID_ARGUMENT at ``metadata.id``, and nothing is stored."""
    refusal = await wire.refused(wire.create(a_session(id=id_)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["metadata.id"])
    assert len(refusal.text) < 400
    assert await wire.count() == 0


async def test_taken_id_is_refused(wire, a_session):
    """An own id that another session has is ALREADY_EXISTS, and that session stays as it is."""
    first = await wire.create(a_session("First", id="mine"))
    refusal = await wire.refused(wire.create(a_session("Second", id="mine")))
    assert (refusal.code, refusal.text) == ("ALREADY_EXISTS", "Session already exists: mine")
    assert await wire.get("mine") == first
    assert await wire.count() == 1


async def test_taken_id_of_somebody_else_is_refused(users, a_session):
    """Ids are unique over all owners."""
    await users.as_user("ann").create(a_session("First", id="mine"))
    other = users.as_user("bob")
    assert (await other.refused(other.create(a_session("Second", org="other", id="mine")))).code == "ALREADY_EXISTS"


async def test_deleted_own_id_is_refused(wire, a_session):
    """An own id is never used twice, also when its session is gone."""
    await wire.create(a_session(id="mine"))
    await wire.delete("mine")
    refusal = await wire.refused(wire.create(a_session(id="mine")))
    assert (refusal.code, refusal.text) == ("ALREADY_EXISTS", "Session already exists: mine")


async def test_deleted_generated_id_is_refused(wire, a_session):
    """The id that the server gave to a session that is gone cannot be claimed."""
    id_ = (await wire.create(a_session())).metadata.id
    await wire.delete(id_)
    assert (await wire.refused(wire.create(a_session(id=id_)))).code == "ALREADY_EXISTS"


async def test_deleted_ids_are_remembered_across_restarts(served, sqlite_url, a_session):
    """A server that starts again on the same file still knows the ids that are gone."""
    wire = await served(store=sqlite_url)
    await wire.create(a_session(id="mine"))
    await wire.delete("mine")
    await wire.app.stop()
    again = await served(store=sqlite_url)
    assert (await again.refused(again.create(a_session(id="mine")))).code == "ALREADY_EXISTS"


async def test_refused_create_does_not_use_up_the_id(wire, a_session):
    """An id whose create was refused for another reason is free."""
    await wire.create(a_session("Taken"))
    assert (await wire.refused(wire.create(a_session("Taken", id="mine")))).code == "ALREADY_EXISTS"
    assert (await wire.create(a_session("Free", id="mine"))).metadata.id == "mine"


async def test_ids_are_compared_by_case(wire, a_session):
    """``Mine`` and ``mine`` are two ids."""
    await wire.create(a_session("One", id="mine"))
    await wire.create(a_session("Two", id="Mine"))
    assert (await wire.get("Mine")).metadata.name == "Two"
    assert (await wire.get("mine")).metadata.name == "One"


async def test_racing_creates_of_one_id(wire, a_session):
    """Of many creates with one id under different names, exactly one wins."""
    calls = [wire.create(a_session(f"n{number}", id="mine")) for number in range(16)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    winners = [result for result in results if not isinstance(result, Exception)]
    assert len(winners) == 1
    assert {result.code().name for result in results if isinstance(result, Exception)} == {"ALREADY_EXISTS"}
    assert await wire.get("mine") == winners[0]
