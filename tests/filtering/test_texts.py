"""Whatever is written as a filter, an order or a search either means something or is refused with its place."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stigmer.filtering import Bad, condition_of, order_of, words_of_query
from stigmer.session.kind import SESSION
from stigmer.store.evaluate import like, meets
from stigmer.store.selection import BY_CREATION
from stigmer.testing.stored import make_stored_session

PARTS = st.sampled_from(
    [
        *("name", "labels", "tags", "created_at", "owner_scope", ".", "team", "=", "!=", "<", ">=", ":", "*", "x", "AND", "OR"),
        *("NOT", "-", "(", ")", '"', "'", "\\", " ", "\n", ",", '"a b"', "2026-01-01T00:00:00Z", "organization", "\0", "ü"),
        *("\u2028", "\ud7ff"),
    ]
)
TEXTS = st.one_of(st.text(st.characters(codec="utf-8"), max_size=60), st.lists(PARTS, max_size=30).map(" ".join))


def outcome(call):
    """What a call gives, or None and why it was refused."""
    try:
        return call(), ""
    except Bad as error:
        return None, str(error)


DOCUMENT = make_stored_session("ses-1", name="x", tags=["x"], labels={"team": "x"}, created=1)


@settings(max_examples=1500, deadline=None)
@given(TEXTS | st.lists(PARTS, max_size=30).map("".join))
@example("name = x\u2028")
@example("name = \ud7ff")
@example('name = "\\')
def test_a_filter_means_something_or_is_refused(text):
    """Nothing else is raised; the column lies in the text, or right behind it; and what has a meaning can be evaluated."""
    condition, refusal = outcome(lambda: condition_of(SESSION, text))
    column = re.match(r"column (\d+): ", refusal)
    assert column is None or 1 <= int(column[1]) <= len(text) + 1
    assert len(refusal) < 500
    assert refusal or meets(DOCUMENT, condition) in {True, False}


@given(TEXTS)
def test_an_order_means_something_or_is_refused(text):
    """An order that is known has a field; the rest is refused."""
    order, refusal = outcome(lambda: order_of(text))
    assert len(refusal) < 300
    assert refusal or (order == BY_CREATION) == (not text.strip())


@given(st.text(max_size=200))
def test_a_search_has_words_or_is_refused(text):
    """Of ASCII, words hold letters and digits alone: nothing that means something to an index."""
    words, refusal = outcome(lambda: words_of_query(text))
    assert refusal or bool(words) == bool(text.strip())
    assert all(each.isalnum() or not each.isascii() for word in words or () for each in word.text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4096,
        '"' * 4096,
        '"\\' * 2048,
        "-" * 4096,
        "NOT " * 1024,
        "name=*" + "a*" * 2000,
        "a." * 2048,
        "name = x OR " * 341,
        "x" * 10_000_000,
        "(name=" * 600,
        " " * 4096,
        "!" * 4096,
    ],
)
def test_no_filter_takes_long(text):
    """Time grows with the length of the text and not faster; none takes long, refused or not."""
    began = time.perf_counter()
    condition, _ = outcome(lambda: condition_of(SESSION, text))
    meets(make_stored_session("ses-1", name="a" * 100_000), condition)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("abc", ("a", "c"), True),
        ("aba", ("ab", "ba"), False),
        ("abba", ("ab", "ba"), True),
        ("axbxc", ("a", "b", "c"), True),
        ("acb", ("a", "b", "c"), False),
        ("ab", ("a", "b", "b"), False),
        ("", ("", ""), True),
        ("", ("", "", "", ""), True),
        ("a\nb", ("a", "b"), True),
        ("a.c", ("a.", ""), True),
        ("abc", ("a.", ""), False),
    ],
)
def test_pieces(text, pieces, expected):
    """The pieces stand in their order, and none over another."""
    assert like(text, pieces) is expected
