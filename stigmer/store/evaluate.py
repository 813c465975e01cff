"""Whether a resource meets a condition: what selection means, said as plainly as possible."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from stigmer.store import Document
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
    Position,
    Tag,
    TagLike,
    Word,
)
from stigmer.store.words import words_of

COMPARISONS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.UNEQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def meets(document: Document, condition: Condition | None) -> bool:  # noqa: C901, PLR0911 - one line for each kind of condition
    """Whether ``condition`` is true of the resource; None is always true."""
    match condition:
        case None:
            return True
        case Compare(field, how, value):
            return COMPARISONS[how](value_of(document, field), value)
        case Like(field, pieces):
            return like(str(value_of(document, field)), pieces)
        case Label(name, how, value):
            return name in document.labels and COMPARISONS[how](document.labels[name], value)
        case LabelLike(name, pieces):
            return name in document.labels and like(document.labels[name], pieces)
        case Tag(value):
            return value in document.tags
        case TagLike(pieces):
            return any(like(tag, pieces) for tag in document.tags)
        case AllOf(conditions):
            return all(meets(document, each) for each in conditions)
        case AnyOf(conditions):
            return any(meets(document, each) for each in conditions)
        case NotSo(inner):
            return not meets(document, inner)


def has_words(document: Document, searched: tuple[str, ...], words: tuple[Word, ...]) -> bool:
    """Whether the searched texts have all of ``words``."""
    there = {word for field in searched for word in words_of(str(value_of(document, field)))}
    return all(any(each.startswith(word.text) for each in there) if word.prefix else word.text in there for word in words)


def like(text: str, pieces: tuple[str, ...]) -> bool:
    """Whether ``text`` is made of ``pieces`` with anything between them; in time that does not depend on how many there are."""
    first, *others = pieces
    if not others:
        return text == first
    *middle, last = others
    at, end = len(first), len(text) - len(last)
    if at > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def value_of(document: Document, field: str) -> str | int:
    """The value of a field that resources can be selected by."""
    match field:
        case "slug":
            return document.slug
        case "org":
            return document.org
        case "owner_scope":
            return int(document.owner.scope)
        case _:
            return document.indexed[field]


def position_of(document: Document, sequence: int, order: Order) -> Position:
    """Where in an order a resource stands."""
    return Position(sequence, value_of(document, order.field) if order.field else "")
