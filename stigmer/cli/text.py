"""Text of others on a terminal: nothing in it may move the cursor, change colours or turn the writing direction."""

from __future__ import annotations

import re
from typing import Final

_ACTIVE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin with them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the writing direction
    "\u2028\u2029\ud800-\udfff]"  # line separators, lone surrogates
)
_IN_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def visible(text: str) -> str:
    r"""``text`` on one line, with such characters spelt out as ``\x1b`` or ``\u202e``."""
    return _ACTIVE.sub(lambda found: found[0].encode("unicode-escape", "surrogatepass").decode("ascii"), text)


def visible_lines(text: str) -> str:
    """Like ``visible``, but lines stay lines."""
    return "\n".join(visible(line) for line in text.split("\n"))


def visible_json(text: str) -> str:
    """The same JSON, with such characters as escapes; those that JSON does not allow raw cannot be there."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
