"""What a watcher may see, as that changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from stigmer.errors import OutOfRange
from stigmer.kind import Kind
from stigmer.store import Store, Visible
from stigmer.store.feed import Most
from stigmer.watching.happened import Happened
from stigmer.watching.selection import Selection, decoded


class Sight(NamedTuple):
    """How to find out what somebody may see.

    Attributes:
        caller: id of who it is.
        now: tells; None stands for everything.
    """

    caller: str
    now: Callable[[], Awaitable[Visible | None]]


def sees_others() -> OutOfRange:
    """What the caller may see is not what it might see before."""
    return OutOfRange("what you may see has changed; list anew and go on from there", reason="VISIBILITY_CHANGED")


async def differences(kind: Kind[Any], store: Store, selection: Selection, before: Visible, number: int) -> list[Happened]:
    """What is there to see for ``selection`` that was not ``before``, and the other way round.

    Both as of the change with this number, so that what has happened since can follow.
    """
    visible = selection.visible
    if visible is None:
        return []
    found = [Happened.lost(kind, id_) for id_ in sorted(before.ids - visible.ids)]
    for id_ in sorted(visible.ids - before.ids):
        for version in await store.versions(kind, id_, number + 1, Most(changes=1)):
            document = decoded(kind, version.wire)
            if selection.has(kind, document):
                found.append(Happened.added(document, version.wire))
    return found
