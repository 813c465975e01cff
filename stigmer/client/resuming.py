"""A watch that goes on where it was, whatever happens to connections and servers."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple, Protocol, TypeVar

from stigmer.client.errors import Aborted, SessionError, Unavailable

_FIRST_SECONDS, _LONGEST_SECONDS = 0.05, 15.0
_TOO_SLOW = "CLIENT_TOO_SLOW"


class Told(Protocol):
    """What is needed to know of an event."""

    @property
    def resume_token(self) -> str:
        """Leads to what follows it; empty when nothing does yet."""


E = TypeVar("E", bound=Told)


class Place(NamedTuple):
    """Where a watch begins.

    Attributes:
        token: after the event that carried it; empty for now.
        listed: with everything that is there.
    """

    token: str = ""
    listed: bool = False


async def resuming(
    begin: Callable[[Place], AsyncGenerator[E, None]], place: Place, *, patient: bool = True
) -> AsyncGenerator[E, None]:
    """The events of one watch after the other, each begun where the one before was interrupted.

    None is missing and none comes twice, but that a list that is interrupted begins again.

    Args:
        begin: begins to watch.
        place: where the first one begins.
        patient: wait for a server that is not there at the very first.

    Raises:
        SessionError: trying again does not help.
    """
    tries, ever = 0, patient
    while True:
        try:
            async with contextlib.aclosing(begin(place)) as events:
                async for event in events:
                    tries, ever = 0, True
                    yield event
                    if event.resume_token:
                        place = Place(event.resume_token)
        except SessionError as error:
            if not _may_go_on(error) or not ever:
                raise
        # Also when the server ends the call in peace, which it has no reason to.
        tries += 1
        seconds = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(tries, 12))
        await asyncio.sleep(seconds * random.uniform(0.5, 1))  # noqa: S311 - spreads load


def _may_go_on(error: SessionError) -> bool:
    return isinstance(error, Unavailable) or (isinstance(error, Aborted) and error.reason == _TOO_SLOW)
