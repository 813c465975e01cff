"""How a call ends that the server has not begun with. It can be made again, whatever it is."""

from __future__ import annotations

from grpclib.exceptions import StreamTerminatedError


class NotProcessed(StreamTerminatedError):
    """The server has not looked at the call and will not: it can be made again, whatever it is."""


class Refused(NotProcessed):
    """The server had no room for the call."""


class Unused(NotProcessed):
    """The connection was gone before anything of the call was sent on it."""
