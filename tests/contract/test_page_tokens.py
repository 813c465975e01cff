"""What the contract says of page tokens: opaque, tamper-proof, and bound to one list of one caller in one store."""

import string

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec

URL_SAFE = set(string.ascii_letters + string.digits + "-_=")


@pytest.fixture
async def filled(wire, a_session):
    """A store with eight sessions of two agents, all with the tags a and b."""
    for number in range(8):
        spec = SessionSpec(agent_instance_id=f"ain-{number % 2}")
        await wire.create(a_session(f"n{number}", tags=["a", "b"], spec=spec))
    return wire


async def token_of(list_, **fields) -> str:
    token = (await list_(page_size=1, **fields)).next_page_token
    assert token
    return token


async def is_refused(wire, call) -> bool:
    refusal = await wire.refused(call)
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ["page_token"])
    return True


async def test_opaque(filled):
    """A token tells nothing of ids or names, is short, and fits into a URL."""
    token = await token_of(filled.list)
    entry = (await filled.list(page_size=1)).entries[0]
    assert set(token) <= URL_SAFE
    assert len(token) <= 100
    assert entry.metadata.id not in token


async def test_every_changed_character(filled):
    """A token with any one character changed, to any bit of it, is refused."""
    token = await token_of(filled.list)
    for at, character in enumerate(token):
        for other in {"A" if character != "A" else "B", chr(ord(character) ^ 1), chr(ord(character) ^ 4), "é", "\0", "="}:
            assert await is_refused(filled, filled.list(page_size=1, page_token=token[:at] + other + token[at + 1 :]))


async def test_every_cut(filled):
    """A token that is cut anywhere, at its end or its beginning, is refused."""
    token = await token_of(filled.list)
    for at in range(1, len(token)):
        assert await is_refused(filled, filled.list(page_token=token[:at]))
        assert await is_refused(filled, filled.list(page_token=token[at:]))


ADDED = ["{0}x", "{0}=", "{0}==", " {0}", "{0} ", "{0}\n", "{0}{0}"]
NONSENSE = ["x", "0", "1", "🚀", "\0", "=", "[]", "null"]


@pytest.mark.parametrize("damage", ADDED + NONSENSE)
async def test_other_damage(filled, damage):
    """A token with something added, and what never was one, is refused."""
    token = await token_of(filled.list)
    assert await is_refused(filled, filled.list(page_token=damage.format(token)))


async def test_a_token_of_twenty_thousand_characters(filled):
    """A very long token is refused like any other."""
    assert await is_refused(filled, filled.list(page_token="A" * 20_000))


async def test_of_the_other_list(filled):
    """A token of list does not serve list_by_agent, nor the other way round."""
    assert await is_refused(filled, filled.list_by_agent("ain-0", page_token=await token_of(filled.list)))
    token = await token_of(filled.list_by_agent, agent_id="ain-0")
    assert await is_refused(filled, filled.list(page_token=token))


async def test_of_another_filter(filled):
    """A token serves only the tags, or the agent, that it was made for."""
    token = await token_of(filled.list, tags=["a"])
    for tags in ([], ["b"], ["a", "b"], ["A"]):
        assert await is_refused(filled, filled.list(page_token=token, tags=tags))
    assert await is_refused(filled, filled.list(page_token=await token_of(filled.list), tags=["a"]))
    token = await token_of(filled.list_by_agent, agent_id="ain-0")
    assert await is_refused(filled, filled.list_by_agent("ain-1", page_token=token))


async def test_of_a_filter_that_looks_alike(filled, a_session):
    """Two tags are not one tag with a separator in it."""
    for number in range(2):
        await filled.create(a_session(f"odd{number}", tags=["a,b", 'a","b', "a\0b"]))
    token = await token_of(filled.list, tags=["a", "b"])
    for tag in ("a,b", 'a","b', "a\0b"):
        assert await is_refused(filled, filled.list(page_token=token, tags=[tag]))


async def test_of_another_caller(users, a_session):
    """A token serves only the caller who got it."""
    ann, bob = users.as_user("ann"), users.as_user("bob")
    for number in range(3):
        await ann.create(a_session(f"n{number}"))
    token = await token_of(ann.list)
    assert await is_refused(bob, bob.list(page_token=token))
    assert [entry.metadata.name for entry in (await ann.list(page_token=token)).entries] == ["n1", "n2"]


async def test_of_another_store(served, a_session, tmp_path):
    """A token of one store is refused by every other, though both hold the same."""
    tokens = []
    for number in range(2):
        wire = await served(store=f"sqlite:///{tmp_path}/{number}.db")
        for name in ("a", "b"):
            await wire.create(a_session(name))
        for token in tokens:
            assert await is_refused(wire, wire.list(page_token=token))
        tokens.append(await token_of(wire.list))


async def test_good_across_restarts(served, sqlite_url, a_session):
    """A token from before a restart leads on after it."""
    wire = await served(store=sqlite_url)
    for number in range(3):
        await wire.create(a_session(f"n{number}"))
    token = await token_of(wire.list)
    await wire.app.stop()
    again = await served(store=sqlite_url)
    assert [entry.metadata.name for entry in (await again.list(page_token=token)).entries] == ["n1", "n2"]


async def test_good_across_servers_on_one_store(served, sqlite_url, a_session):
    """A token from one server leads on at another that serves the same file."""
    one, two = await served(store=sqlite_url), await served(store=sqlite_url)
    for number in range(3):
        await one.create(a_session(f"n{number}"))
    page = await two.list(page_size=1, page_token=await token_of(one.list))
    assert [entry.metadata.name for entry in page.entries] == ["n1"]
    assert [entry.metadata.name for entry in (await one.list(page_token=page.next_page_token)).entries] == ["n2"]


async def test_may_be_used_again(filled):
    """A token is good more than once, and always leads to the same place."""
    token = await token_of(filled.list)
    assert await filled.list(page_token=token) == await filled.list(page_token=token)
