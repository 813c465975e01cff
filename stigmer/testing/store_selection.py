"""What holds for the conditions, orders and words of every store."""

from __future__ import annotations

import dataclasses
from random import Random

from stigmer.session.kind import SESSION
from stigmer.store import Document, Query, Store, Visible
from stigmer.store.evaluate import has_words, meets, position_of
from stigmer.store.selection import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
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
from stigmer.testing.selections import OWNERS, TEXTS, random_condition, random_order, random_session, random_words
from stigmer.testing.stored import make_stored_session, read_all

_EXAMPLES: tuple[tuple[Condition, str], ...] = (
    (Compare("name", Operator.EQUAL, "B"), "b"),
    (Compare("name", Operator.UNEQUAL, "B"), "acd"),
    (Compare("name", Operator.MORE, "B"), "cd"),
    (Compare("name", Operator.AT_MOST, "B"), "ab"),
    (Compare("agent_instance_id", Operator.EQUAL, "ain-2"), "b"),
    (Compare("subject", Operator.EQUAL, ""), "acd"),
    (Compare("created_at", Operator.LESS, 3), "abd"),
    (Compare("created_at", Operator.AT_LEAST, 2), "bc"),
    (Compare("updated_at", Operator.EQUAL, 0), "abcd"),
    (Like("name", ("", "a")), "c"),
    (Like("name", ("B", "")), "b"),
    (Like("slug", ("slug", "b")), "b"),
    (Like("name", ("x", "x")), ""),
    (Label("team", Operator.EQUAL, "x"), "a"),
    (Label("team", Operator.UNEQUAL, "x"), "b"),
    (NotSo(Label("team", Operator.EQUAL, "x")), "bcd"),
    (LabelLike("team", ("", "")), "ab"),
    (LabelLike("team", ("", "y", "")), "b"),
    (Tag("red"), "bc"),
    (TagLike(("re", "")), "bc"),
    (TagLike(("", "d")), "bc"),
    (AllOf((Tag("red"), Compare("name", Operator.EQUAL, "B"))), "b"),
    (AnyOf((Label("team", Operator.EQUAL, "x"), Tag("round"))), "ac"),
    (AllOf(()), "abcd"),
    (AnyOf(()), ""),
    (NotSo(AnyOf((Tag("red"), Label("team", Operator.EQUAL, "x")))), "d"),
)
_WORDS = (
    ((Word("build"),), "ab"),
    ((Word("buil", prefix=True),), "ab"),
    ((Word("buil"),), ""),
    ((Word("the"), Word("build")), "b"),
    ((Word("the"), Word("bu", prefix=True), Word("b", prefix=True)), "b"),
    ((Word("aa"),), "c"),
    ((Word("zebra"),), ""),
)
_LETTERS = "abcd"


async def _four(store: Store) -> dict[str, Document]:
    """Stores a few sessions that differ; by the letter of their id."""
    documents = {
        "a": make_stored_session("ses-a", name="A build", labels={"team": "x"}, created=1),
        "b": make_stored_session(
            "ses-b", name="B", agent="ain-2", subject="fix the Build", labels={"team": "yy"}, tags=["red", "reed"], created=2
        ),
        "c": make_stored_session("ses-c", name="aa", tags=["round", "red"], created=3),
        "d": make_stored_session("ses-d", name="\N{GRINNING FACE}"),
    }
    for document in documents.values():
        await store.insert(SESSION, document)
    return documents


async def _is(store: Store, query: Query, expected: list[Document]) -> None:
    """Asserts that pages of several sizes hold what is expected, in this order, and count it."""
    for limit in {1, 3, max(1, len(expected)), len(expected) + 1}:
        sized = dataclasses.replace(query, limit=limit)
        assert await read_all(store, sized) == [document.wire for document in expected]
        page = await store.page(SESSION, sized)
        assert (page.total, page.more) == (len(expected), len(expected) > limit)


class SelectionConformance:
    """A part of ``StoreConformance``."""

    async def test_conditions_select(self, store: Store) -> None:
        """Each form of condition is true of what it says, alone and for what is visible or carries a tag."""
        documents = await _four(store)
        for condition, letters in _EXAMPLES:
            found = [documents[letter] for letter in letters]
            await _is(store, Query(condition=condition), found)
            some = Visible(ids=frozenset(["ses-b", "ses-c", "nobody"]))
            await _is(store, Query(condition=condition, visible=some), [each for each in found if each.id in some.ids])
            both = Query(condition=condition, tags=("red",), equal={"agent_instance_id": "ain-1"})
            await _is(store, both, [each for each in found if each.id == "ses-c"])

    async def test_words_are_found(self, store: Store) -> None:
        """All words must be there, in any of the searched texts."""
        documents = await _four(store)
        for words, letters in _WORDS:
            await _is(store, Query(words=words), [documents[letter] for letter in letters])

    async def test_orders_are_kept(self, store: Store) -> None:
        """By a field each way; what is equal in order of creation, or in the opposite one."""
        documents = await _four(store)
        expected = {
            Order("name"): "abcd",
            Order("name", descending=True): "dcba",
            Order("created_at"): "dabc",
            Order("created_at", descending=True): "cbad",
            Order("updated_at"): "abcd",
            Order("updated_at", descending=True): "dcba",
            Order(descending=True): "dcba",
        }
        for order, letters in expected.items():
            await _is(store, Query(order=order), [documents[letter] for letter in letters])
            await _is(store, Query(order=order, tags=("red",)), [documents[each] for each in letters if each in "bc"])

    async def test_updates_move_and_deletions_remove(self, store: Store) -> None:
        """What a condition, an order or a word finds is what a resource is now."""
        await _four(store)
        changed = make_stored_session("ses-b", name="zoo", subject="zebra", labels={"new": "x"}, tags=["blue"], created=9)
        await store.update(SESSION, changed, 1)
        await store.delete(SESSION, "ses-a", 1)
        for query in (
            Query(condition=Tag("blue")),
            Query(condition=Label("new", Operator.EQUAL, "x")),
            Query(condition=Compare("name", Operator.EQUAL, "zoo")),
            Query(condition=Compare("created_at", Operator.MORE, 3)),
            Query(words=(Word("zebra"), Word("zoo"))),
        ):
            await _is(store, query, [changed])
        for query in (
            Query(condition=Label("team", Operator.EQUAL, "yy")),
            Query(condition=Tag("reed")),
            Query(condition=Compare("name", Operator.EQUAL, "B")),
            Query(condition=Label("team", Operator.EQUAL, "x")),
            Query(words=(Word("build"),)),
        ):
            await _is(store, query, [])

    async def test_an_end_leads_on(self, store: Store) -> None:
        """The end of a page is where the next one begins, also when the resource that stood there is gone."""
        documents = await _four(store)
        query = Query(order=Order("name"), limit=2)
        page = await store.page(SESSION, query)
        await store.delete(SESSION, "ses-b", 1)
        rest = await store.page(SESSION, dataclasses.replace(query, after=page.end))
        assert [entry.wire for entry in rest.entries] == [documents["c"].wire, documents["d"].wire]
        assert (rest.total, rest.more) == (3, False)

    async def test_whatever_is_asked(self, store: Store) -> None:
        """Conditions, words and orders by chance, together with everything else that selects, give what they say."""
        chance = Random(7)  # noqa: S311 - the same test each time
        documents = [random_session(chance, number) for number in range(60)]
        for document in documents:
            await store.insert(SESSION, document)
        for _ in range(250):
            query = _random_query(chance)
            await _is(store, query, _brute_force(documents, query))


def _random_query(chance: Random) -> Query:
    return Query(
        equal=chance.choice(({}, {}, {"agent_instance_id": chance.choice(TEXTS)})),
        tags=tuple(chance.sample(TEXTS, chance.choice((0, 0, 0, 1)))),
        visible=chance.choice((None, None, Visible(owners=frozenset(OWNERS[1:]), ids=frozenset(["ses-3", "ses-4"])))),
        condition=chance.choice((None, random_condition(chance), random_condition(chance))),
        words=random_words(chance),
        order=random_order(chance),
    )


def _brute_force(documents: list[Document], query: Query) -> list[Document]:
    visible = query.visible
    found = [
        (position_of(document, sequence, query.order), document)
        for sequence, document in enumerate(documents, 1)
        if all(document.indexed[column] == text for column, text in query.equal.items())
        and set(query.tags) <= set(document.tags)
        and (visible is None or document.owner in visible.owners or document.id in visible.ids)
        and meets(document, query.condition)
        and has_words(document, SESSION.searched, query.words)
    ]
    found.sort(key=lambda each: (each[0].key, each[0].sequence), reverse=query.order.descending)
    return [document for _, document in found]
