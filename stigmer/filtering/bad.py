"""How a client hears of what it wrote."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ECHOED = 64


class Bad(Exception):
    """What a client wrote makes no sense; the text says why, and where."""

    def __init__(self, text: str, at: int | None = None) -> None:
        """``at`` is an index into what was written; it is told as a column, the first of which is 1."""
        super().__init__(text if at is None else f"column {at + 1}: {text}")


def echo(text: str) -> str:
    """``text`` as it may stand in a message: not too much of it."""
    return text if len(text) <= _ECHOED else f"{text[:_ECHOED]}…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at a name that is like ``name``, if there is one."""
    near = difflib.get_close_matches(name[:_ECHOED], list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
