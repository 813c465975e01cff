"""Where events go: the port to a bus, a webhook, or whatever else takes them."""

from __future__ import annotations

from typing import Protocol

from stigmer.publishing.cloud_event import CloudEvent


class TryAgain(Exception):
    """The event was not taken now; the text says why, for the log."""


class Sink(Protocol):
    """Takes events. A relay sends those of one resource one after the other, and of many resources at once."""

    async def send(self, event: CloudEvent) -> None:
        """Hands over one event, connecting first if need be; when it returns the event is in safe hands.

        It may have been sent before: receivers tell by its id.

        Raises:
            TryAgain: it was perhaps not taken; it is sent again, and nothing that follows it before. Anything else that is
                raised counts as the same, and is logged as a bug.
        """

    async def close(self) -> None:
        """Lets go of connections. It may never have been asked to send."""
