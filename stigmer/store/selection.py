"""What a list selects, and in which order: values that every store understands, made from what a client wrote.

A condition is a tree of the dataclasses below, which are compared and hashed by value. Text is compared by code point.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from stigmer.kind import Kind


class Type(enum.Enum):
    """What the values of a field are."""

    TEXT = "text"
    TIME = "time"
    """Microseconds since 1970; 0 where the resource has none."""
    SCOPE = "scope"
    """An ``ApiResourceOwnerScope`` number."""


COMMON: Mapping[str, Type] = {
    "name": Type.TEXT,
    "slug": Type.TEXT,
    "org": Type.TEXT,
    "owner_scope": Type.SCOPE,
    "created_at": Type.TIME,
    "updated_at": Type.TIME,
}
"""The fields that resources of every kind can be selected by, beside tags and labels."""


def fields_of(kind: Kind[Any]) -> Mapping[str, Type]:
    """The fields that resources of ``kind`` can be selected by: the common ones, and those in ``Kind.indexed``."""
    return {**COMMON, **dict.fromkeys(kind.indexed, Type.TEXT)}


class Operator(enum.Enum):
    """How two values are compared."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclasses.dataclass(frozen=True, slots=True)
class Compare:
    """The value of a field compares so with ``value``, which is text, or for times and scopes a number."""

    field: str
    operator: Operator
    value: str | int


@dataclasses.dataclass(frozen=True, slots=True)
class Like:
    """A text is made of ``pieces`` in this order, with anything between them: ``("fix", "")`` is all that begins with fix."""

    field: str
    pieces: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """There is a label ``name``, and its value compares so with ``value``."""

    name: str
    operator: Operator
    value: str


@dataclasses.dataclass(frozen=True, slots=True)
class LabelLike:
    """There is a label ``name``, and its value is made of ``pieces``; ``("", "")`` is any value."""

    name: str
    pieces: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Tag:
    """One of the tags is ``value``."""

    value: str


@dataclasses.dataclass(frozen=True, slots=True)
class TagLike:
    """One of the tags is made of ``pieces``; ``("", "")`` is any tag."""

    pieces: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class AllOf:
    """Each of ``conditions`` is true."""

    conditions: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class AnyOf:
    """One of ``conditions`` is true."""

    conditions: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NotSo:
    """``condition`` is not true."""

    condition: Condition


Condition: TypeAlias = Compare | Like | Label | LabelLike | Tag | TagLike | AllOf | AnyOf | NotSo


class Order(NamedTuple):
    """By a field of type TEXT or TIME, then by creation; without a field by creation alone.

    Attributes:
        field: ``""``, ``created_at``, ``updated_at`` or ``name``.
        descending: the other way round, creation included.
    """

    field: str = ""
    descending: bool = False


BY_CREATION = Order()


class Position(NamedTuple):
    """Where in an order a resource stands.

    Attributes:
        sequence: its place in the order of creation.
        key: its value of the field that is ordered by; ``""`` in order of creation.
    """

    sequence: int
    key: str | int = ""


class Word(NamedTuple):
    """A word of a text search, in the form that ``words.words_of`` gives; as ``prefix`` it stands for all that begin so."""

    text: str
    prefix: bool = False
