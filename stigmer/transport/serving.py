"""What all connections of a server share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from grpclib.encoding.base import CodecBase, StatusDetailsCodecBase
from grpclib.exceptions import GRPCError

from stigmer.transport.heavy import Heavy
from stigmer.transport.limits import Limits
from stigmer.transport.refusal import Describe, Refusal
from stigmer.transport.route import Route
from stigmer.transport.statistics import Statistics
from stigmer.transport.turns import Turns

if TYPE_CHECKING:
    from stigmer.transport.stream import Stream


@dataclasses.dataclass(slots=True)
class Serving:
    """A server, as its calls see it.

    Attributes:
        routes: by path.
        codec: of messages.
        details: of the details of statuses; None when they are left out.
        limits: on everything.
        statistics: of everything.
        describe: makes errors of refusals.
        running: calls whose handlers run, also those whose stream is closed.
        heavy: connections that have brought much, and wait to be read.
        turns: of what takes too long for the event loop.
        events: grpclib's dispatcher, or None while nobody listens.
        stopping: no new calls are taken.
    """

    routes: Mapping[bytes, Route]
    codec: CodecBase
    details: StatusDetailsCodecBase | None
    limits: Limits
    statistics: Statistics
    describe: Describe
    running: set[Stream]
    heavy: Heavy = dataclasses.field(default_factory=Heavy)
    turns: Turns = dataclasses.field(default_factory=Turns)
    events: Any = None
    stopping: bool = False

    def error(self, refusal: Refusal) -> GRPCError:
        """The error that a call ends with when it is refused."""
        return self.describe(refusal)
