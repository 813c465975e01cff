"""What the reusable steps hand to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from stigmer.context import Slot
from stigmer.errors import DataLoss, Undecodable
from stigmer.kind import Kind
from stigmer.payload import decode
from stigmer.store import Page, Stored, Visible
from stigmer.store.feed import Change


class Existing(NamedTuple):
    """A resource as it was loaded. ``message`` is shared and never changed."""

    stored: Stored
    message: Any

    @classmethod
    def of(cls, kind: Kind[Any], stored: Stored) -> Existing:
        """``stored``, decoded.

        Raises:
            DataLoss: the stored bytes are no message of the kind.
        """
        try:
            return cls(stored, decode(kind.message, stored.wire))
        except Undecodable as error:
            raise DataLoss(f"the stored {kind.key} is damaged") from error


class Versions(NamedTuple):
    """A page of the versions of a resource: the newest first, and whether older ones follow."""

    entries: Sequence[Change]
    more: bool


SLUG: Slot[str] = Slot("slug")
"""The slug that the request means; empty when it names none and an id says which resource is meant."""

RESOURCE_ID: Slot[str] = Slot("resource_id")
"""The id of the resource that is to be deleted."""

EXISTING: Slot[Existing | None] = Slot("existing")
"""The resource that is to be changed; None when an apply found none and creates."""

STATE: Slot[Any] = Slot("state")
"""The message that is to be stored; a plugin's step may change it before Persist. None when nothing changes."""

VISIBLE: Slot[Visible | None] = Slot("visible")
"""What the caller may see of a list; while it is empty, or None, everything. Pages, totals and tokens count nothing else."""

LOOK_AGAIN: Slot[Callable[[], Awaitable[Visible | None]]] = Slot("look_again")
"""Asks what the caller may see now: for answers that go on for longer than what was VISIBLE at first can be relied on."""

MOST: Slot[int] = Slot("most")
"""How many resources of the kind the owner may have that gets a new one; while it is empty, any number."""

PAGE: Slot[Page] = Slot("page")
"""The entries of a list."""

EARLIER: Slot[Any] = Slot("earlier")
"""The message of a version that a resource is to become again; shared and never changed."""

VERSIONS: Slot[Versions] = Slot("versions")
"""What a resource was before."""
