"""What may still come on streams that are closed."""

from __future__ import annotations

import enum
from collections import OrderedDict


class Closing(enum.Enum):
    """How a stream was closed."""

    BY_US = enum.auto()
    """Reset, refused or ignored: what the client sent before it knew is dropped."""
    BY_CLIENT = enum.auto()
    """Reset: nothing should follow."""
    ENDED = enum.auto()
    """By both sides: nothing may follow."""
    NEVER_OPENED = enum.auto()
    """Nothing may come: a later stream was opened first."""


class ClosedStreams:
    """Remembers the last ones. Of those before them it says ``BY_US``, which forgives most.

    Args:
        keep: how many.
    """

    __slots__ = ("_closings", "_forgotten", "_keep")

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._closings: OrderedDict[int, Closing] = OrderedDict()
        self._forgotten = 0

    def add(self, stream_id: int, closing: Closing) -> None:
        """The stream was closed."""
        self._closings[stream_id] = closing
        if len(self._closings) > self._keep:
            oldest, _ = self._closings.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest)

    def closing(self, stream_id: int) -> Closing:
        """How it was closed: a stream that is not open, of a number that was passed."""
        default = Closing.BY_US if stream_id <= self._forgotten else Closing.NEVER_OPENED
        return self._closings.get(stream_id, default)
