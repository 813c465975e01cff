"""Batch get: several sessions by id, all or none."""

import pytest
from protobuf.wkt import FieldMask


async def test_sessions_come_in_the_order_of_their_ids(wire, a_session):
    """Each id gets its session, in its place, also when it is named twice."""
    stored = {id_: await wire.create(a_session(name=id_, id=id_)) for id_ in "abc"}
    assert await wire.batch_get("c", "a", "c") == [stored["c"], stored["a"], stored["c"]]


async def test_one_that_is_missing_fails_all(wire, a_session):
    """An id that nobody has is NOT_FOUND, as for get, and nothing of the others is answered."""
    await wire.create(a_session(id="mine"))
    refusal = await wire.refused(wire.batch_get("mine", "nobody", "neither"))
    assert (refusal.code, refusal.text, refusal.reason) == ("NOT_FOUND", "Session not found: nobody", "SESSION_NOT_FOUND")


@pytest.mark.parametrize(
    ("ids", "field"), [([], "ids"), (["x"] * 1001, "ids"), (["x", ""], "ids[1]")], ids=["none", "too many", "empty"]
)
async def test_bad_requests(wire, ids, field):
    """No id, more than 1,000 of them, and an empty one are INVALID_ARGUMENT."""
    refusal = await wire.refused(wire.batch_get(*ids))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", [field])


async def test_a_thousand_at_once(wire, a_session):
    """The most that can be asked for is answered."""
    await wire.create(a_session(id="mine"))
    assert len(await wire.batch_get(*["mine"] * 1000)) == 1000


async def test_what_is_too_large_for_a_message_is_refused(wire, a_session):
    """An answer over the message limit is RESOURCE_EXHAUSTED, and says what to do."""
    session = a_session(id="large")
    session.spec.subject = "x" * 6_000_000
    await wire.create(session)
    refusal = await wire.refused(wire.batch_get("large", "large"))
    assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "ANSWER_TOO_LARGE")
    assert refusal.text.endswith("ask for fewer at once")
    assert len(await wire.batch_get("large", "large", read_mask=FieldMask(paths=["metadata"]))) == 2


async def test_fields_can_be_chosen(wire, a_session):
    """A read mask counts for each session."""
    await wire.create(a_session(name="One", id="a"))
    (answer,) = await wire.batch_get("a", read_mask=FieldMask(paths=["metadata.name"]))
    assert (answer.metadata.name, answer.metadata.id, answer.spec) == ("One", "", None)
