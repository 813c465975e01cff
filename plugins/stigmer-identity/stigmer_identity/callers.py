"""Which names callers may have."""

from __future__ import annotations

from collections.abc import Iterable

from stigmer import SYSTEM, Caller

MAX_ID = 256
"""Characters of an id at most: it is stored with every session."""
MAX_ROLES = 256


def caller(id_: object, roles: Iterable[str] = ()) -> Caller:
    """The caller with this id and these roles.

    Raises:
        ValueError: the id is no text, empty, too long, not printable, or that of the server itself; or the roles are too many.
    """
    if not isinstance(id_, str) or not id_ or len(id_) > MAX_ID or not id_.isprintable() or id_ != id_.strip():
        raise ValueError(f"a caller's id is 1 to {MAX_ID} printable characters, without spaces around them")
    if id_ == SYSTEM.id:
        raise ValueError(f"{SYSTEM.id!r} is the server itself")
    held = frozenset(roles)
    if len(held) > MAX_ROLES:
        raise ValueError(f"a caller has at most {MAX_ROLES} roles")
    return Caller(id_, held)
