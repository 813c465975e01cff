"""The grammar of filters: a descent along AIP-160's rules, in which OR binds more tightly than AND.

expression = sequence {AND sequence}
sequence   = factor {factor}
factor     = term {OR term}
term       = [NOT | -] (restriction | "(" expression ")")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stigmer.filtering.bad import Bad, echo
from stigmer.filtering.meaning import restriction
from stigmer.filtering.tokens import Token, tokens_of
from stigmer.kind import Kind
from stigmer.store.selection import AllOf, AnyOf, Condition, NotSo

MOST_CHARACTERS = 4096
"""A filter is not longer than this."""
MOST_RESTRICTIONS = 200
DEEPEST = 30
_CACHED = 256
_known: dict[tuple[str, str], tuple[Condition | None]] = {}


def condition_of(kind: Kind[Any], text: str) -> Condition | None:
    """The condition that a filter states; None for an empty one.

    Raises:
        Bad: it states none.
    """
    if len(text) > MOST_CHARACTERS:
        raise Bad(f"a filter has at most {MOST_CHARACTERS} characters")
    found = _known.get((kind.key, text))
    if found is None:
        if len(_known) >= _CACHED:
            _known.clear()
        found = _known[kind.key, text] = (_Parser(kind, tokens_of(text)).filter(),)
    return found[0]


class _Parser:
    def __init__(self, kind: Kind[Any], tokens: Sequence[Token]) -> None:
        self._kind = kind
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._restrictions = 0

    def filter(self) -> Condition | None:
        if self._here.kind == "end":
            return None
        condition = self._expression()
        if self._here.kind != "end":
            raise Bad(f"{echo(self._here.text)} cannot stand here", self._here.at)
        return condition

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _is(self, kind: str, text: str) -> bool:
        return self._here.kind == kind and self._here.text == text

    def _take(self) -> Token:
        token = self._here
        self._at += 1
        return token

    def _expression(self) -> Condition:
        return self._separated(AllOf, "AND", self._sequence)

    def _sequence(self) -> Condition:
        found = [self._factor()]
        while self._here.kind in {"name", "text", "(", "-"} or self._is("keyword", "NOT"):
            found.append(self._factor())
        return _one(AllOf, found)

    def _factor(self) -> Condition:
        return self._separated(AnyOf, "OR", self._term)

    def _separated(self, of: type[AllOf | AnyOf], keyword: str, part: Callable[[], Condition]) -> Condition:
        found = [part()]
        while self._is("keyword", keyword):
            self._take()
            found.append(part())
        return _one(of, found)

    def _term(self) -> Condition:
        if self._is("keyword", "NOT") or self._here.kind == "-":
            self._take()
            return NotSo(self._simple())
        return self._simple()

    def _simple(self) -> Condition:
        if self._here.kind != "(":
            return self._restriction()
        opening = self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            raise Bad(f"more than {DEEPEST} parentheses are open", opening.at)
        condition = self._expression()
        if self._here.kind != ")":
            raise Bad(f"a closing parenthesis is missing for the one in column {opening.at + 1}", self._here.at)
        self._take()
        self._depth -= 1
        return condition

    def _restriction(self) -> Condition:
        self._restrictions += 1
        if self._restrictions > MOST_RESTRICTIONS:
            raise Bad(f"a filter has at most {MOST_RESTRICTIONS} comparisons", self._here.at)
        path = [self._name()]
        while self._here.kind == ".":
            self._take()
            path.append(self._name())
        if self._here.kind != "operator":
            raise Bad(f"expected one of = != < <= > >= : behind {echo(path[-1].text)}", self._here.at)
        operator, value = self._take(), self._take_value()
        return restriction(self._kind, path, operator, value)

    def _name(self) -> Token:
        if self._here.kind not in {"name", "text"}:
            what = "the filter ends" if self._here.kind == "end" else f"{echo(self._here.text)} stands"
            raise Bad(f"expected the name of a field where {what}", self._here.at)
        return self._take()

    def _take_value(self) -> Token:
        if self._here.kind != "text":
            raise Bad("expected a value", self._here.at)
        return self._take()


def _one(of: type[AllOf | AnyOf], found: list[Condition]) -> Condition:
    return found[0] if len(found) == 1 else of(tuple(found))
