"""Publish: the step that sends the relay to look for what was committed."""

from __future__ import annotations

from collections.abc import Iterator

from stigmer.context import RequestContext
from stigmer.operation import Operation
from stigmer.publishing.relay import Relay
from stigmer.step import Placement, after


class Publish:
    """Wakes the relay, which tells of the change by what the commit itself has left in the feed.

    It stands after the commit: what is refused, rehearsed or changes nothing is not told. The call does not wait for anybody.
    """

    def __init__(self, relay: Relay, name: str = "Publish") -> None:
        self.name = name
        self._relay = relay

    async def __call__(self, ctx: RequestContext) -> None:
        """Wakes the relay."""
        del ctx
        self._relay.wake()


def publishing(operation: Operation, relay: Relay, name: str = "Publish") -> Iterator[Placement]:
    """Where the step stands in ``operation``: after what commits, if it writes at all."""
    if operation.writes:
        yield after("CleanupIamPolicies", "Persist", "DeleteResource", Publish(relay, name))
