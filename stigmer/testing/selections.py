"""Resources, conditions and orders made by chance, for tests of stores: small values that meet often, and odd ones."""

from __future__ import annotations

from random import Random

from stigmer.ownership import IDENTITY_ACCOUNT, ORGANIZATION
from stigmer.store import Document, Owner
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
from stigmer.testing.stored import make_stored_session

TEXTS = ("", "a", "A", "ab", "abc", "b", "a*b", "a\0b", "a\0c", "[a]", "?", "%_", "\\", "\N{GRINNING FACE}", "ü", "\U0010ffff")
NAMES = ("team", "tier", "", "a.b", "x\0y")
SUBJECTS = ("", "fix the build", "Build it", "Übersetzung", "ubersetzen", "built\0build", "東京 tower", "a_b-c", "3.14 x²")
WORDS = ("build", "bui", "it", "the", "fix", "ubersetzung", "uber", "東", "京", "tower", "a", "3", "x2", "zebra")
TIMES = (0, 1, 999_999, 1_000_000, 1_700_000_000_000_001, 2**40)
OWNERS = (Owner(ORGANIZATION, "acme"), Owner(ORGANIZATION, "other"), Owner(IDENTITY_ACCOUNT, "ann"))
_FIELDS = ("name", "slug", "org", "agent_instance_id", "subject", "thread_id")
_DEEPEST = 3


def random_session(chance: Random, number: int) -> Document:
    """A session with the id ``ses-NUMBER``."""
    labels = {name: chance.choice(TEXTS) for name in chance.sample(NAMES, chance.randint(0, 3))}
    return make_stored_session(
        f"ses-{number}",
        owner=chance.choice(OWNERS),
        agent=chance.choice(TEXTS),
        name=chance.choice(TEXTS),
        subject=chance.choice(SUBJECTS),
        thread=chance.choice(TEXTS),
        tags=chance.sample(TEXTS, chance.randint(0, 4)),
        labels=labels,
        created=chance.choice(TIMES),
        updated=chance.choice(TIMES),
    )


def random_condition(chance: Random, depth: int = 0) -> Condition:
    """A condition of any form."""
    if depth < _DEEPEST and chance.random() < 0.6:  # noqa: PLR2004 - more often than not
        inner = tuple(random_condition(chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 2, 2, 3, 3))))
        return chance.choice((AllOf(inner), AnyOf(inner), NotSo(random_condition(chance, depth + 1))))
    operator, text = chance.choice(list(Operator)), chance.choice(TEXTS)
    return chance.choice(
        (
            Compare(chance.choice(_FIELDS), operator, text),
            Compare(chance.choice(("created_at", "updated_at")), operator, chance.choice(TIMES)),
            Compare("owner_scope", chance.choice((Operator.EQUAL, Operator.UNEQUAL)), chance.choice(OWNERS).scope),
            Like(chance.choice(_FIELDS), _pieces(chance)),
            Label(chance.choice(NAMES), operator, text),
            LabelLike(chance.choice(NAMES), _pieces(chance)),
            Tag(text),
            TagLike(_pieces(chance)),
        )
    )


def random_order(chance: Random) -> Order:
    """Any order."""
    return Order(chance.choice(("", "name", "created_at", "updated_at")), chance.choice((True, False)))


def random_words(chance: Random) -> tuple[Word, ...]:
    """A few words, or none."""
    return tuple(Word(chance.choice(WORDS), chance.choice((True, False))) for _ in range(chance.choice((0, 0, 1, 1, 2))))


def _pieces(chance: Random) -> tuple[str, ...]:
    return tuple(chance.choice(("", "", *TEXTS)) for _ in range(chance.randint(2, 3)))
