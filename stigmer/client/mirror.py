"""A mapping of sessions that follows what happens to them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable

from stigmer.client._proto.ai.stigmer.agentic.session.v1 import Session, SessionEvent, SessionEventType
from stigmer.client.errors import OutOfRange
from stigmer.client.resuming import Place, resuming


async def mirrored(
    begin: Callable[[Place], AsyncGenerator[SessionEvent, None]], there: dict[str, Session]
) -> AsyncGenerator[None, None]:
    """Keeps ``there`` up to date; gives something whenever it has changed, the first time when everything is there.

    When the place is lost it begins anew.

    Args:
        begin: begins to watch.
        there: by id.

    Raises:
        SessionError: trying again does not help.
    """
    while True:
        with contextlib.suppress(OutOfRange):
            listed = False
            listing: dict[str, Session] = {}
            async with contextlib.aclosing(resuming(begin, Place(listed=True))) as events:
                async for event in events:
                    if event.type == SessionEventType.BOOKMARK:
                        if not listed:
                            there.clear()
                            there.update(listing)
                            listed = True
                            yield
                    else:
                        _follow(there if listed else listing, event)
                        if listed:
                            yield


def _follow(there: dict[str, Session], event: SessionEvent) -> None:
    session = event.session
    if session is None or session.metadata is None:
        return
    if event.type == SessionEventType.DELETED:
        there.pop(session.metadata.id, None)
    else:
        there[session.metadata.id] = session
