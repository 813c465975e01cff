"""Every rpc through the typed client, against a real server."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from grpclib.client import Channel

from stigmer import Caller, Unauthenticated, hookimpl
from stigmer.client import (
    AlreadyExists,
    ApiResourceMetadata,
    ApiResourceOwnerScope,
    ApiResourceReference,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Session,
    SessionClient,
    SessionSpec,
    Unreachable,
    Violation,
)
from stigmer.client import Unauthenticated as UnauthenticatedError
from stigmer.testing.server import serving

pytestmark = pytest.mark.usefixtures("way")

MOST = 10 * 1024 * 1024 - 64 * 1024


async def test_create_gives_the_session_as_stored(client, draft):
    """What create answers is what get answers, with id, slug and audit filled in."""
    created = await client.create(draft("My Chat", tags=("a",)))
    assert created.metadata.slug == "my-chat"
    assert created.metadata.id.startswith("ses-")
    assert created.status.audit.spec_audit.created_by.id == "system"
    assert dt.datetime.now(dt.UTC) - created.status.audit.spec_audit.created_at < dt.timedelta(minutes=1)
    assert await client.get(created.metadata.id) == created


async def test_update_replaces_the_spec(client, draft):
    """Update answers the new spec under the old id."""
    created = await client.create(draft("chat", subject="old"))
    created.spec.subject = "new"
    updated = await client.update(created)
    assert (updated.metadata.id, updated.spec.subject) == (created.metadata.id, "new")
    assert (await client.get(created.metadata.id)).spec.subject == "new"


async def test_apply_creates_then_updates(client, draft):
    """Applying one name twice makes one session."""
    first = await client.apply(draft("chat", subject="1"))
    second = await client.apply(draft("chat", subject="2"))
    assert first.metadata.id == second.metadata.id
    assert (await client.list()).total_count == 1


async def test_delete_gives_what_was_there(client, draft):
    """Delete answers the session; afterwards it is not found."""
    created = await client.create(draft("chat"))
    assert await client.delete(created.metadata.id) == created
    with pytest.raises(NotFound) as caught:
        await client.get(created.metadata.id)
    assert caught.value.reason == "SESSION_NOT_FOUND"
    assert created.metadata.id in caught.value.text


async def test_get_by_reference_finds_the_slug_in_its_organization(client, draft):
    """A reference with an organization finds that organization's session, another organization's does not."""
    created = await client.create(draft("chat"))
    assert await client.get_by_reference(ApiResourceReference(org="acme", slug="chat")) == created
    with pytest.raises(NotFound):
        await client.get_by_reference(ApiResourceReference(org="other", slug="chat"))


async def test_a_duplicate_is_already_exists(client, draft):
    """The second create of a name raises AlreadyExists with its reason."""
    await client.create(draft("chat"))
    with pytest.raises(AlreadyExists) as caught:
        await client.create(draft("chat"))
    assert caught.value.reason == "SESSION_ALREADY_EXISTS"
    assert str(caught.value) == "ALREADY_EXISTS: Session already exists: chat"


async def test_violations_are_parsed(client):
    """A request that breaks two rules raises InvalidArgument naming both fields."""
    metadata = ApiResourceMetadata(owner_scope=ApiResourceOwnerScope.organization, name="x", org="acme", slug="No Slug!")
    with pytest.raises(InvalidArgument) as caught:
        await client.create(Session(metadata=metadata, spec=SessionSpec()))
    assert {violation.field for violation in caught.value.violations} == {"metadata.slug", "spec.agent_instance_id"}
    assert all(isinstance(violation, Violation) and violation.text for violation in caught.value.violations)


async def test_a_page_names_the_next(client, draft):
    """Pages of two over three sessions are two, the second without a token."""
    for name in "abc":
        await client.create(draft(name))
    first = await client.list(page_size=2)
    second = await client.list(page_size=2, page_token=first.next_page_token)
    assert [each.metadata.slug for each in [*first.entries, *second.entries]] == ["a", "b", "c"]
    assert (first.total_pages, first.total_count, second.next_page_token) == (2, 3, "")


async def test_iterators_cross_250_sessions(client, draft):
    """Iterating gives each of 250 sessions once, in order of creation, by tag and by agent too, whatever the page size."""
    for number in range(250):
        await client.create(draft(f"chat {number}", agent=f"ain-{number % 2}", tags=("even",) if number % 2 == 0 else ()))
    slugs = [f"chat-{number}" for number in range(250)]
    assert [each.metadata.slug async for each in client.sessions()] == slugs
    assert [each.metadata.slug async for each in client.sessions(tags=["even"], page_size=7)] == slugs[::2]
    assert [each.metadata.slug async for each in client.sessions_by_agent("ain-1", page_size=60)] == slugs[1::2]
    assert [len(page.entries) async for page in client.pages()] == [100, 100, 50]
    assert [len(page.entries) async for page in client.pages_by_agent("ain-0", page_size=100)] == [100, 25]


async def test_lists_select_order_and_answer_parts(client, draft):
    """Every way to list takes filter, query, order, read mask and page size, and keeps them on the way through pages."""
    for number in range(9):
        await client.create(draft(f"chat {number}", agent=f"ain-{number % 2}"))
    selection = {"filter": "name != 'chat 4'", "query": "cha*", "order_by": "name desc", "read_mask": ["metadata.name"]}
    names = [f"chat {number}" for number in (8, 7, 6, 5, 3, 2, 1, 0)]
    found = [each async for each in client.sessions(page_size=3, **selection)]
    assert [(each.metadata.name, each.metadata.slug, each.spec) for each in found] == [(name, "", None) for name in names]
    assert [len(page.entries) async for page in client.pages(page_size=3, **selection)] == [3, 3, 2]
    assert [e.metadata.name async for e in client.sessions_by_agent("ain-0", page_size=2, **selection)] == names[::2][
        :1
    ] + names[2:3] + names[5:6] + names[7:8]
    assert (await client.list_by_agent("ain-0", **selection)).total_count == 4


async def test_parts_and_several(client, draft):
    """A read mask names what is answered; several sessions come in the order of their ids."""
    ids = [(await client.create(draft(f"chat {number}"))).metadata.id for number in range(3)]
    one = await client.get(ids[1], read_mask=["metadata.name"])
    assert (one.metadata.name, one.metadata.id, one.spec) == ("chat 1", "", None)
    several = await client.batch_get([ids[2], ids[0]], read_mask=["metadata.slug"])
    assert [each.metadata.slug for each in several] == ["chat-2", "chat-0"]


async def test_no_sessions_are_one_empty_page(client):
    """Iterating over nothing ends at once."""
    assert [each async for each in client.sessions()] == []
    assert [page.total_count async for page in client.pages_by_agent("ain-1")] == [0]


async def test_500_calls_at_once_on_a_fresh_connection_all_succeed(client, draft):
    """More calls than a connection has streams wait in line instead of being refused."""
    created = await asyncio.gather(*(client.create(draft(f"chat {number}")) for number in range(500)))
    assert len({session.metadata.id for session in created}) == 500
    read = await asyncio.gather(*(client.get(session.metadata.id) for session in created))
    assert read == created


async def test_ten_mebibytes_go_both_ways(client, draft):
    """The largest session that the server keeps is sent, read and listed whole."""
    subject = "ü" * ((MOST - 1000) // 2)
    created = await client.create(draft("large", subject=subject))
    assert (await client.get(created.metadata.id)).spec.subject == subject
    assert (await client.list()).entries[0].spec.subject == subject


async def test_more_is_resource_exhausted(client, draft):
    """A session above the limit raises ResourceExhausted, and the client goes on working."""
    for size in (MOST + 1, 10 * 1024 * 1024 + 1):
        with pytest.raises(ResourceExhausted):
            await client.create(draft("large", subject="x" * size))
    assert (await client.list()).total_count == 0


async def test_fields_of_a_newer_server_survive_a_round_trip(client, draft):
    """What the client does not know is given back when a message that was read is written."""
    created = await client.create(Session.parse(bytes(draft("chat")) + b"\xa2\x06\x02hi"))
    created.spec.subject = "new"
    assert b"\xa2\x06\x02hi" in bytes(await client.update(created))


class _Tokens:
    """Takes the bearer token for the caller's name."""

    @hookimpl
    def authenticator(self, settings):
        async def authenticate(info):
            scheme, _, name = info.metadata.get("authorization", "").partition(" ")
            if scheme != "Bearer":
                raise Unauthenticated("who are you?")
            return Caller(name + info.metadata.get("x-suffix", ""))

        return authenticate


async def test_token_and_metadata_go_with_every_call(draft):
    """The server learns who calls from the token, and gets the other metadata; without it refuses."""
    async with serving({"tokens": _Tokens()}) as app:
        async with SessionClient(app.address, token="ada", metadata={"x-suffix": "-1"}) as client:
            created = await client.create(draft("chat"))
        assert created.status.audit.spec_audit.created_by.id == "ada-1"
        async with SessionClient(app.address) as client:
            with pytest.raises(UnauthenticatedError, match="UNAUTHENTICATED: who are you"):
                await client.list()


async def test_a_channel_that_is_handed_in_stays_open(server, draft):
    """A client on somebody else's channel uses it and does not close it."""
    host, _, port = server.address.rpartition(":")
    async with Channel(host, int(port)) as channel:
        async with SessionClient(channel) as client:
            await client.create(draft("chat"))
        assert (await SessionClient(channel).list()).total_count == 1


async def test_a_closed_client_is_unreachable(server):
    """After close a call fails at once instead of connecting again."""
    client = SessionClient(server.address)
    await client.list()
    client.close()
    with pytest.raises(Unreachable, match="the client is closed"):
        await client.list()


def test_a_client_can_be_made_outside_a_loop():
    """Making a client needs no running loop; a bad address is refused at once."""
    SessionClient("127.0.0.1:7234").close()
    with pytest.raises(ValueError, match="'localhost' is not HOST:PORT"):
        SessionClient("localhost")
