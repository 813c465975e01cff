"""What one copy of a resource still has is mended, and nothing else is made up. ``nox -s torture -- rot`` flips 1,000 bytes."""

from __future__ import annotations

import random

import pytest
import rot

from stigmer.errors import Compacted, DataLoss
from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.selection import Tag, Word
from stigmer.store.sqlite.connection import submit
from stigmer.store.sqlite.table import size_triggers, tell_triggers
from stigmer.testing.store import make_stored_session


@pytest.fixture
async def kept(sqlite):
    """Three sessions as they are, the last of them at its second revision."""
    documents = [
        make_stored_session(f"ses-{n}", subject=f"word{n}", tags=["t"], labels={"a": "b"}, version=f"v{n}") for n in range(3)
    ]
    stored = [await sqlite.insert(SESSION, each) for each in documents]
    again = make_stored_session("ses-2", subject="word2", tags=["t"], labels={"a": "b"}, version="v3")
    stored[2] = await sqlite.update(SESSION, again, 1)
    return stored


async def damage(sqlite, *statements):
    """As a disk would: without the triggers, and without any checksum."""

    def run(raw):
        for trigger in ("size_insert", "size_delete", "tell_update", "tell_delete"):
            raw.execute(f"DROP TRIGGER session_{trigger}")
        for statement in statements:
            raw.execute(statement)
        for statement in (*size_triggers("session"), *tell_triggers("session")):
            raw.execute(statement)

    await submit(sqlite._connections[0], run)


async def is_whole(sqlite, kept):
    """Everything is found in every way, and the check is content."""
    assert await sqlite.check() == []
    for stored in kept:
        id_ = SESSION.message.from_binary(stored.wire).metadata.id
        assert await sqlite.get(SESSION, id_) == stored
        assert await sqlite.find(SESSION, rot.ACME, f"slug-of-{id_}") == stored
        found = await sqlite.page(SESSION, Query(words=(Word(f"word{id_[-1]}"),), condition=Tag("t")))
        assert [entry.wire for entry in found.entries] == [stored.wire]


MENDABLE = {
    "the wire bytes": ["UPDATE session SET wire = x'00ff' WHERE id = 'ses-1'"],
    "the document": ["UPDATE session SET document = '{' WHERE id = 'ses-1'"],
    "a document that is another one": ["UPDATE session SET document = replace(document, 'word1', 'word9') WHERE id = 'ses-1'"],
    "a value of another type": ["UPDATE session SET wire = 7 WHERE id = 'ses-1'"],
    "both": ["UPDATE session SET wire = x'00', document = '' WHERE id = 'ses-2'"],
    "the id": ["UPDATE session SET id = 'ses-x' WHERE id = 'ses-1'"],
    "the slug": ["UPDATE session SET slug = 'other' WHERE id = 'ses-1'"],
    "the owner": ["UPDATE session SET owner = 'other', scope = 3 WHERE id = 'ses-1'"],
    "the revision": ["UPDATE session SET revision = 77 WHERE id = 'ses-2'"],
    "checksums": ["UPDATE session SET wire_checksum = 1, key_checksum = 2, json_checksum = 3 WHERE id = 'ses-1'"],
    "a column": ["UPDATE session SET subject = 'x', org = 'y' WHERE id = 'ses-1'"],
    "tags and labels": ["DELETE FROM session_tag", "INSERT INTO session_label VALUES ('x', 'y', 1)"],
    "strays": ["INSERT INTO session_tag VALUES ('t', 99)", "INSERT INTO session_deleted VALUES ('ses-1')"],
    "words": ["INSERT INTO session_text (session_text) VALUES ('delete-all')"],
    "the size": ["UPDATE session_size SET total = 9"],
    "an entry of the change log": ["UPDATE session_change SET wire = x'00' WHERE number = 2"],
    "the newest entry": ["UPDATE session_change SET actor = 'mallory' WHERE number = 4"],
    "the change log": ["DELETE FROM session_change WHERE number < 4"],
}


@pytest.mark.parametrize("statements", MENDABLE.values(), ids=MENDABLE)
async def test_what_is_there_twice_is_mended(sqlite, kept, statements):
    """It is as it was, and told so line by line; a second repair finds nothing to do."""
    await damage(sqlite, *statements)
    before = await sqlite.check()
    assert before
    repairs = await sqlite.repair()
    assert (repairs.mended, repairs.left) == (before, [])
    await is_whole(sqlite, kept)
    assert await sqlite.repair() == ((), ())


async def test_what_nobody_has_any_more_is_named(sqlite, kept):
    """Both copies are damaged, and the change log has an older revision only: reads go on to be refused."""
    await damage(
        sqlite,
        "UPDATE session SET wire = x'00', document = '' WHERE id = 'ses-2'",
        "DELETE FROM session_change WHERE number = 4",
        "UPDATE session SET wire = x'00' WHERE id = 'ses-0'",
    )
    repairs = await sqlite.repair()
    assert repairs.mended
    assert any("ses-2" in line for line in repairs.left)
    assert not any("ses-0" in line for line in repairs.left)
    with pytest.raises(DataLoss):
        await sqlite.get(SESSION, "ses-2")
    assert await sqlite.get(SESSION, "ses-0") == kept[0]


async def test_who_follows_begins_again_after_lost_changes(sqlite, kept):
    """The feed goes on after the newest change; who was before that is told so, and numbers are not given twice."""
    await damage(sqlite, "UPDATE session_change SET wire = x'00' WHERE number = 2")
    with pytest.raises(DataLoss):
        await sqlite.feed(SESSION, 1)
    await sqlite.repair()
    with pytest.raises(Compacted):
        await sqlite.feed(SESSION, 1)
    last = (await sqlite.changes({"session": -1}))["session"].last
    await sqlite.update(SESSION, make_stored_session("ses-1", subject="new"), 1)
    (change,) = await sqlite.feed(SESSION, last)
    assert (change.number, change.id, change.before) == (last + 1, "ses-1", kept[1].wire)


async def test_a_damaged_index_is_made_anew(sqlite, kept, path):
    """Entries that lead nowhere, or are missing."""

    def harm(raw):
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("UPDATE sqlite_schema SET sql = replace(sql, '(org)', '(slug)') WHERE name = 'session_by_org'")
        raw.execute("PRAGMA writable_schema = RESET")

    await submit(sqlite._connections[0], harm)
    assert any(line.startswith("file: ") for line in await sqlite.check())
    assert (await sqlite.repair()).left == []


async def test_one_byte_in_any_place_is_borne():
    """No read is ever wrong, what does harm is found, and what is said to be mended is."""
    seed = random.randrange(2**32)
    ends, wrong = await rot.flips(20, seed)
    assert (seed, wrong) == (seed, [])
    assert sum(ends.values()) == 20
