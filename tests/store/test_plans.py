"""What is selective is searched for: no plan of a page or total goes through a table, on any version of SQLite."""

from __future__ import annotations

import asyncio
import re

import pytest

from stigmer.session.kind import SESSION
from stigmer.store import Query, Visible
from stigmer.store.selection import (
    AllOf,
    AnyOf,
    Compare,
    Label,
    LabelLike,
    Like,
    NotSo,
    Operator,
    Order,
    Tag,
    TagLike,
    Word,
)
from stigmer.store.sqlite import open_sqlite, pages
from stigmer.store.sqlite.connection import OPTIONS, prepare, uri
from stigmer.store.sqlite.table import Table
from stigmer.testing.stored import KINDS, make_stored_session

TABLE = Table(SESSION)
SCAN = re.compile(r'^SCAN (r|o|p|"?session\w*"?)( USING (?!COVERING INDEX session_by_).*)?$')
SELECTIVE = {
    "label": Label("team", Operator.EQUAL, "t3"),
    "label_range": Label("team", Operator.LESS, "t1"),
    "label_like": LabelLike("team", ("t3", "")),
    "tag": Tag("tag-7"),
    "tag_like": TagLike(("tag-7", "")),
    "name": Compare("name", Operator.EQUAL, "n7"),
    "name_like": Like("name", ("n7", "")),
    "slug": Compare("slug", Operator.EQUAL, "slug-of-ses-7"),
    "org": Compare("org", Operator.EQUAL, "nobody"),
    "thread": Compare("thread_id", Operator.EQUAL, "th-7"),
    "time": Compare("created_at", Operator.LESS, 9),
    "either": AnyOf((Tag("tag-7"), Label("team", Operator.EQUAL, "t3"), Compare("updated_at", Operator.MORE, 10**9))),
    "and": AllOf((Tag("tag-7"), NotSo(Label("team", Operator.EQUAL, "t3")), Like("subject", ("", "w", "")))),
    "nested": AnyOf((AllOf((Tag("tag-7"), NotSo(Tag("all")))), Compare("name", Operator.EQUAL, "n9"))),
}
ORDERS = {"created": Order(), "name": Order("name"), "latest": Order("updated_at", descending=True)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A file with some hundred sessions."""
    path = tmp_path_factory.mktemp("plans") / "stigmer.db"

    async def fill():
        store = await open_sqlite(path, KINDS)
        documents = [
            make_stored_session(
                f"ses-{n}",
                name=f"n{n}",
                thread=f"th-{n}",
                created=n,
                updated=n,
                subject=f"about w{n}",
                labels={"team": f"t{n % 50}"},
                tags=["all", f"tag-{n}"],
            )
            for n in range(300)
        ]
        await asyncio.gather(*(store.insert(SESSION, document) for document in documents))
        await store.close()

    asyncio.run(fill())
    return path


@pytest.fixture(params=["sqlite3", "pysqlite3.dbapi2"])
def connection(request, filled):
    """A reader's connection: with the SQLite that Python brings, and with the newest that can be had."""
    module = pytest.importorskip(request.param)
    connection = module.connect(uri(filled, "rw"), **OPTIONS)
    prepare(connection, query_only=True)
    yield connection
    connection.close()


def plans(connection, query):
    """The plan of each statement that a page and its total take."""
    statements = []
    connection.set_trace_callback(statements.append)
    try:
        page = pages.page(connection, TABLE, query, pages.Counts())
    finally:
        connection.set_trace_callback(None)
    assert page.total > 0 or query.condition == SELECTIVE["org"]
    asked = [each for each in statements if each.lstrip().upper().startswith("SELECT")]
    assert len(asked) >= 2
    return [row[3] for each in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {each}").fetchall()]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", SELECTIVE)
def test_conditions_are_searched(connection, name, order):
    """In each order, the first page and its total begin with the index of what is rarest."""
    steps = plans(connection, Query(condition=SELECTIVE[name], order=ORDERS[order], limit=2))
    assert [step for step in steps if SCAN.match(step)] == []


@pytest.mark.parametrize(
    "query",
    [
        Query(words=(Word("w7"),), limit=2),
        Query(words=(Word("about"), Word("w7")), condition=Tag("all"), limit=2),
        Query(condition=Tag("all"), visible=Visible(ids=frozenset(["ses-3", "ses-5", "ses-9"])), limit=2),
        Query(condition=Tag("all"), tags=("tag-7",), limit=2),
        Query(condition=Tag("all"), equal={"thread_id": "th-7"}, limit=2),
    ],
)
def test_so_is_what_stands_beside_them(connection, query):
    """Words, what a caller may see, and the fields that a request has always had can lead, too."""
    assert [step for step in plans(connection, query) if SCAN.match(step)] == []


def test_what_is_equal_needs_no_sorting(connection):
    """One comparison in order of creation reads as many index entries as the page has."""
    for condition in (SELECTIVE["label"], SELECTIVE["tag"], SELECTIVE["name"]):
        for descending in (False, True):
            steps = plans(connection, Query(condition=condition, order=Order(descending=descending), limit=2))
            assert [step for step in steps if "TEMP B-TREE" in step] == []


def test_the_guard_would_notice(connection):
    """A condition that no index helps goes through the table, which is what the guard looks for."""
    found = plans(connection, Query(condition=Like("subject", ("", "w7")), limit=2))
    assert [step for step in found if SCAN.match(step)] != []
