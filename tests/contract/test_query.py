"""Lists take a text search: words of name and subject."""

import pytest

from stigmer._proto.ai.stigmer.agentic.session.v1.spec_pb import SessionSpec

SUBJECTS = {
    "Fix the build": "The nightly build fails since Tuesday",
    "Übersetzung": "Handbuch ins Deutsche, 2. Auflage",
    "東京": "旅行 plan for 東京tower",
    "NUL": "before\0after",
    "Café crème": "",
    "snake_case-name": 'e-mail to ann@example.org; O\'Neill "quoted" (x) AND y',
}


@pytest.fixture
async def made(wire, a_session):
    """Sessions with these names and subjects."""
    for number, (name, subject) in enumerate(SUBJECTS.items()):
        await wire.create(a_session(name, slug=f"s-{number}", spec=SessionSpec(agent_instance_id="ain-1", subject=subject)))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("build", ["Fix the build"]),
        ("BUILD fix", ["Fix the build"]),
        ("build translate", []),
        ("buil", []),
        ("buil*", ["Fix the build"]),
        ("ubersetzung", ["Übersetzung"]),
        ("Übersetz* hand*", ["Übersetzung"]),
        ("cafe creme", ["Café crème"]),
        ("京", ["東京"]),
        ("東京", ["東京"]),
        ("tower", ["東京"]),
        ("after", ["NUL"]),
        ("2", ["Übersetzung"]),
        ("snake", ["snake_case-name"]),
        ("snake_case", ["snake_case-name"]),
        ("AND", ["snake_case-name"]),
        ("NEAR(x y)", []),
        ('o"neill', ["snake_case-name"]),
        ("mail ann example org", ["snake_case-name"]),
        ("name:x", ["snake_case-name"]),
        ("", list(SUBJECTS)),
        (" ", list(SUBJECTS)),
    ],
)
async def test_words_are_found(wire, made, query, names):
    """All words must be there, whatever case, accents and order; nothing in them is a command."""
    assert await wire.names(query=query) == names
    assert await wire.names(query=query, page_size=1) == names


async def test_searches_hold_beside_filters_and_orders(wire, made):
    """What is found is filtered, ordered and counted."""
    page = await wire.list(query="the*", filter='subject = "*fails*"', order_by="name desc", page_size=1)
    assert ([entry.metadata.name for entry in page.entries], page.total_count) == (["Fix the build"], 1)


async def test_words_of_now_are_found(wire, a_session):
    """What was updated is found by its new words alone, and what was deleted not at all."""

    def about(subject):
        return a_session("N", id="one", spec=SessionSpec(agent_instance_id="ain-1", subject=subject))

    await wire.create(about("old words"))
    await wire.update(about("new words"))
    assert [await wire.names(query=query) for query in ("old", "new", "words")] == [[], ["N"], ["N"]]
    await wire.delete("one")
    assert await wire.names(query="new") == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("***", "there is no word in it"),
        ("?!", "there is no word in it"),
        ("x" * 1025, "a search has at most 1024 characters"),
        (" ".join(f"w{number}" for number in range(33)), "a search has at most 32 words"),
    ],
)
async def test_a_mistake_is_told(wire, query, told):
    """A search without words, or with too many, is INVALID_ARGUMENT."""
    refusal = await wire.refused(wire.list(query=query))
    assert (refusal.code, refusal.violations) == ("INVALID_ARGUMENT", (("query", told),))
