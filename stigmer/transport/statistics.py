"""What a server counts: what there is now, and how often a limit was reached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sized
from typing import Protocol

from stigmer.transport.limits import Limits

_log = logging.getLogger("stigmer.transport")

FLOOD, OFFENDER, NOT_HTTP2, BROKEN, WINDOW = "flood", "offences", "not_http2", "protocol_error", "window_healed"
EVENTS = {
    FLOOD: "a connection sent too many resets, or frames that mean nothing, and was told GOAWAY",
    NOT_HTTP2: "a connection spoke HTTP/1.1, TLS or something else, and was closed",
    BROKEN: "a connection broke the rules of HTTP/2, and was told GOAWAY",
    WINDOW: "a connection was given back receive window that resets had cost it",
}
"""What is counted beside the limits, and what it means."""
_ROUTINE = frozenset({"idle_seconds", "age_seconds", "default_deadline_seconds", "largest_deadline_seconds", BROKEN, WINDOW})
_SECONDS = 1.0
"""How long a kind of line is silent after it was logged: a flood must not become one of the log."""


class HasStreams(Protocol):
    """A connection, as far as it is counted."""

    @property
    def streams(self) -> Sized:
        """Those that are open."""


class Statistics:
    """The counters of one server.

    Attributes:
        limited: how often each limit was reached, by its name; and the ``EVENTS``.
        connections: that are open.
        request_bytes: of large requests in flight.
        answer_bytes: of large answers in flight.
    """

    __slots__ = ("_clock", "_open", "_quiet", "_running", "answer_bytes", "connections", "limited", "request_bytes")

    def __init__(
        self,
        connections: Collection[HasStreams] = (),
        running: Sized = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts from nothing; ``connections`` are those that are open, ``running`` the calls that run, at any time."""
        self._open = connections
        self._running = running
        self.limited = dict.fromkeys([*Limits.texts(), "offences", *EVENTS], 0)
        self.connections = self.request_bytes = self.answer_bytes = 0
        self._clock = clock
        self._quiet: dict[str, tuple[float, int]] = {}

    @property
    def calls(self) -> int:
        """Calls whose handlers run."""
        return len(self._running)

    @property
    def streams(self) -> int:
        """Streams that are open, on all connections."""
        return sum(len(connection.streams) for connection in self._open)

    def reached(self, name: str, address: str) -> None:
        """Counts that a client at ``address`` reached the limit ``name``, and logs it, at most once a second for each name."""
        self.limited[name] += 1
        level = logging.INFO if name in _ROUTINE else logging.WARNING
        if not _log.isEnabledFor(level):
            return
        now = self._clock()
        until, kept_back = self._quiet.get(name, (0.0, 0))
        if now < until:
            self._quiet[name] = until, kept_back + 1
            return
        self._quiet[name] = now + _SECONDS, 0
        more = f", and {kept_back} times more since the last such line" if kept_back else ""
        _log.log(level, "%s: reached by %s%s", name, address or "a local client", more)
