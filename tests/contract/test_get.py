"""The row "get" of the contract."""

import pytest

UNKNOWN = ["nobody", "MINE", "Mine", "mine ", " mine", "deploy", "Deploy", "min", "min%", "min_", "*", "' OR 1=1 --", "mine\0"]


async def test_by_id(wire, a_session):
    """Get answers the session with the id."""
    await wire.create(a_session("Other"))
    stored = await wire.create(a_session(id="mine"))
    assert await wire.get("mine") == stored


@pytest.mark.parametrize("id_", [*UNKNOWN, "é", "🚀", "x" * 20_000, "\n", "\0"])
async def test_unknown_id(wire, a_session, id_):
    """Anything but the id itself is NOT_FOUND: another case, a slug, a pattern, a part."""
    await wire.create(a_session(id="mine"))
    refusal = await wire.refused(wire.get(id_))
    assert (refusal.code, refusal.text) == ("NOT_FOUND", f"Session not found: {id_[:128]}")


async def test_survives_a_restart(served, sqlite_url, a_session):
    """What was stored is there when the server starts again, byte for byte."""
    wire = await served(store=sqlite_url)
    await wire.create(a_session(id="mine", labels={"a": "1", "b": "2"}))
    before = await wire.get_bytes("mine")
    await wire.app.stop()
    assert await (await served(store=sqlite_url)).get_bytes("mine") == before


async def test_memory_is_gone_after_a_restart(served, a_session):
    """A store in memory is empty for every server."""
    await (await served(store="memory:")).create(a_session(id="mine"))
    other = await served(store="memory:")
    assert (await other.refused(other.get("mine"))).code == "NOT_FOUND"
