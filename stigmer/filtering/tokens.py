"""Takes a filter apart into tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from stigmer.filtering.bad import Bad, echo

_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"""(?:[^\s()<>=!:.,"'-])(?:[^\s()<>=!:.,"'])*""")
_ARGUMENT = re.compile(r"""[^\s()<>=!,"']+""")
_QUOTED = re.compile(r"""(["'])((?:(?!\1|\\).|\\.)*)\1""", re.DOTALL)
_OPERATOR = re.compile(r"<=|>=|!=|[<>=:]")
_KEYWORDS = frozenset({"AND", "OR", "NOT"})


class Token(NamedTuple):
    """A part of a filter.

    Attributes:
        kind: ``(`` ``)`` ``.`` ``-`` for themselves, ``operator``, ``keyword``, ``name``, ``text``, ``end``.
        pieces: of a text, what stands between its stars.
        at: the index in the filter.
    """

    kind: str
    pieces: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        """The token without stars."""
        return "*".join(self.pieces)


def tokens_of(text: str) -> Sequence[Token]:
    """The tokens of a filter, the last of which is the end.

    Raises:
        Bad: a quote is not closed, or something cannot stand where it is.
    """
    found: list[Token] = []
    position = 0
    while True:
        if space := _SPACE.match(text, position):
            position = space.end()
        if position == len(text):
            found.append(Token("end", ("",), position))
            return found
        token, position = _next(text, position, after_operator=bool(found) and found[-1].kind == "operator")
        found.append(token)


def _next(text: str, at: int, *, after_operator: bool) -> tuple[Token, int]:
    if quoted := _QUOTED.match(text, at):
        return Token("text", _pieces(quoted[2]), at), quoted.end()
    if text[at] in "\"'":
        raise Bad("this quote is not closed", at)
    if after_operator and (argument := _ARGUMENT.match(text, at)):
        return Token("text", _pieces(argument[0]), at), argument.end()
    if text[at] in "().-":
        return Token(text[at], (text[at],), at), at + 1
    if operator := _OPERATOR.match(text, at):
        return Token("operator", (operator[0],), at), operator.end()
    if name := _NAME.match(text, at):
        return Token("keyword" if name[0] in _KEYWORDS else "name", (name[0],), at), name.end()
    raise Bad(f"{echo(text[at])} cannot stand here", at)


def _pieces(text: str) -> tuple[str, ...]:
    """What stands between the stars of a text; a backslash takes the meaning from what follows it."""
    pieces, part, escaped = [], [], False
    for letter in text:
        if escaped or letter not in "\\*":
            part.append(letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            pieces.append("".join(part))
            part.clear()
    if escaped:
        part.append("\\")
    return (*pieces, "".join(part))
