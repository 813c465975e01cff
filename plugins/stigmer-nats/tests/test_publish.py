"""What happens on a server stands in JetStream: all of it, in order, and nothing else."""

import asyncio
import json

import nats
import pytest
from stigmer_nats import Nats, Settings
from stigmer_nats.sink import subject_of

from stigmer import Settings as ServerSettings
from stigmer.app import assembled
from stigmer.client import SessionError


def what(message):
    """(verb, subject of the event, sequence) of a message."""
    headers = message.headers
    return headers["ce-type"].rpartition(".")[2], headers["ce-subject"], int(headers["ce-sequence"])


async def test_each_change_is_an_event(bus, serve, session, published):
    """In binary mode: attributes are headers, the session is JSON, and the id of the message is that of the event."""
    async with serve(bus) as client:
        created = await client.create(session())
        id_ = created.metadata.id
        await client.update(session("Two", id_=id_))
        await client.delete(id_)
        messages = await published(bus, 3)
    assert [what(each) for each in messages] == [("created", id_, 1), ("updated", id_, 2), ("deleted", id_, 3)]
    assert {each.subject for each in messages} == {f"stigmer.session.{id_}"}
    first = messages[0].headers
    assert first["ce-specversion"] == "1.0"
    assert first["ce-id"] == first["Nats-Msg-Id"] == created.metadata.version.id
    assert first["ce-datacontenttype"] == "application/json"
    assert first["ce-actor"] == "system"
    assert [json.loads(each.data)["metadata"]["name"] for each in messages] == ["One", "Two", "Two"]


async def test_what_changes_nothing_is_no_event(bus, serve, session, published):
    """A refused create, and an apply of what is there, are not published."""
    async with serve(bus) as client:
        await client.create(session())
        with pytest.raises(SessionError):
            await client.create(session())
        await client.apply(session())
        await client.create(session("Two"))
        messages = await published(bus, 2)
    assert [what(each)[0] for each in messages] == ["created", "created"]


async def test_a_bus_that_is_away_at_first_gets_everything(make_nats, serve, session, published):
    """The server starts without it, answers at once, and publishes when it comes."""
    bus = make_nats()
    async with serve(bus) as client:
        ids = [(await client.create(session(f"n{number}"))).metadata.id for number in range(20)]
        bus.start()
        messages = await published(bus, 20)
    assert sorted(what(each)[1] for each in messages) == sorted(ids)


async def test_a_bus_that_is_killed_gets_everything(bus, serve, session, published):
    """What happens while it is away is published once it is back; what it has acknowledged it still has."""
    async with serve(bus) as client:
        ids = [(await client.create(session("first"))).metadata.id]
        await published(bus, 1)
        for round_ in range(3):
            bus.kill()
            ids += [(await client.create(session(f"n{round_}-{number}"))).metadata.id for number in range(5)]
            bus.start()
            await published(bus, len(ids))
        messages = await published(bus, len(ids))
    assert {what(each)[1] for each in messages} == set(ids)


async def test_what_is_not_published_yet_is_after_the_next_start(make_nats, serve, session, published, tmp_path):
    """A server that stops while the bus is away leaves it to its next life; what was published does not come again."""
    bus, store = make_nats().start(), f"sqlite:///{tmp_path}/stigmer.db"
    async with serve(bus, store=store) as client:
        await client.create(session("before"))
        await published(bus, 1)
        bus.kill()
        await client.create(session("meanwhile"))
    bus.start()
    async with serve(bus, store=store) as client:
        await client.create(session("after"))
        messages = await published(bus, 3)
    names = [json.loads(each.data)["metadata"]["name"] for each in messages]
    assert sorted(names) == ["after", "before", "meanwhile"]


async def test_two_servers_publish_once(bus, serve, session, published, tmp_path):
    """Of servers on one store one publishes for all; when it ends another takes over."""
    store = f"sqlite:///{tmp_path}/stigmer.db"
    async with serve(bus, store=store) as second:
        async with serve(bus, store=store) as first:
            for number in range(10):
                await (first, second)[number % 2].create(session(f"n{number}"))
            await published(bus, 10)
        await second.create(session("after"))
        messages = await published(bus, 11)
    assert sorted(what(each)[2] for each in messages) == [*range(1, 12)]


async def test_large_sessions_are_named_only(bus, serve, session, published):
    """What is larger than the bus takes goes out without data, and says where to get it."""
    async with serve(bus) as client:
        created = await client.create(session(subject="x" * 1_100_000))
        await published(bus, 1)
        await client.create(session("Two"))
        large, small = await published(bus, 2)
    assert large.data == b""
    assert large.headers["ce-dataref"] == f"/session/{created.metadata.id}?version={created.metadata.version.id}"
    assert small.data


async def test_odd_ids_are_one_token(bus, serve, session, published):
    """A dot in an id does not make another level of subjects."""
    async with serve(bus) as client:
        await client.create(session(id_="my.own_id-1"))
        (message,) = await published(bus, 1)
    assert message.subject == "stigmer.session.my%2Eown_id-1"
    assert message.headers["ce-subject"] == "my.own_id-1"


async def test_a_stream_that_is_there_is_left_as_it_is(bus, serve, session):
    """Who runs the bus decides how long events are kept."""
    client = await nats.connect(bus.url)
    await client.jetstream().add_stream(name="STIGMER", subjects=["stigmer.>", "others"], max_msgs=5)
    async with serve(bus) as sessions:
        for number in range(8):
            await sessions.create(session(f"n{number}"))
        async with asyncio.timeout(20):
            while (await client.jetstream().stream_info("STIGMER")).state.last_seq < 8:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.01)
    info = await client.jetstream().stream_info("STIGMER")
    await client.close()
    assert (info.config.max_msgs, info.state.messages) == (5, 5)


async def test_a_stream_that_is_removed_is_made_again(bus, serve, session, published):
    """What cannot be stored waits; nothing that was not acknowledged is lost."""
    async with serve(bus) as sessions:
        await sessions.create(session("One"))
        await published(bus, 1)
        client = await nats.connect(bus.url)
        await client.jetstream().delete_stream("STIGMER")
        await client.close()
        created = await sessions.create(session("Two"))
        (message,) = await published(bus, 1)
    assert message.headers["ce-subject"] == created.metadata.id


async def test_who_needs_a_token_gives_one(make_nats, serve, session, published):
    """With the right token it publishes; with a wrong one calls are answered all the same."""
    bus = make_nats('authorization { token: "sesame" }').start()
    async with serve(bus, token="wrong") as client:
        await client.create(session())
    async with serve(bus, token="sesame") as client:
        await client.create(session())
        bus.url = bus.url.replace("://", "://sesame@")
        assert len(await published(bus, 1)) == 1


@pytest.mark.parametrize(
    ("verb", "row"),
    [
        ("create", "Persist Publish"),
        ("apply", "Persist Publish"),
        ("update", "Persist Publish"),
        ("restore", "Persist Publish"),
        ("delete", "DeleteResource Publish"),
    ],
)
def test_publish_stands_after_the_commit(verb, row):
    """In every operation that writes, and in no other."""
    pipelines = assembled(ServerSettings(plugins=()), {"nats": Nats(Settings())}).pipelines
    assert " ".join(step.name for step in pipelines[f"session.{verb}"].steps).endswith(row)
    assert sum(any(step.name == "Publish" for step in pipeline.steps) for pipeline in pipelines.values()) == 5


@pytest.mark.parametrize(
    ("id_", "token"), [("ses-01jd", "ses-01jd"), ("a.b.c", "a%2Eb%2Ec"), ("a*b>c d", "a%2Ab%3Ec%20d"), ("ü", "%C3%BC")]
)
def test_subjects(id_, token):
    """Whatever the id, it is one token without wildcards."""
    assert subject_of("stigmer", "session", id_) == f"stigmer.session.{token}"
