"""Orders of lists (https://google.aip.dev/132#ordering)."""

from __future__ import annotations

from stigmer.filtering.bad import Bad, did_you_mean, echo
from stigmer.store.selection import BY_CREATION, Order

_FIELDS = ("created_at", "updated_at", "name")
_WAYS = {"": False, "asc": False, "desc": True}


def order_of(text: str) -> Order:
    """The order that ``text`` names, such as ``name`` or ``updated_at desc``; that of creation when it is empty.

    Raises:
        Bad: it names none, or several.
    """
    if not text.strip():
        return BY_CREATION
    if "," in text:
        raise Bad("a list is ordered by one field")
    field, *way = text.split()
    if field not in _FIELDS:
        raise Bad(f"{echo(field)} is none of {', '.join(_FIELDS)}{did_you_mean(field, _FIELDS)}")
    if len(way) > 1 or "".join(way) not in _WAYS:
        raise Bad(f"{echo(' '.join(way))} behind {field} is neither asc nor desc")
    return Order(field, _WAYS["".join(way)])
