"""Whether, and when, a call that failed is made once more."""

from __future__ import annotations

import random

from stigmer.client.errors import ConnectionLost, SessionError, Unreachable
from stigmer.client.unanswered import NotProcessed, Refused

_TRIES = 6
"""Of a call that the server has not begun with, all together: about two seconds."""
_FIRST_PAUSE = 0.05
_NOT_BEGUN, _CUT_OFF = "SERVER_STOPPING", "CUT_OFF"
"""The server ends: before it began with the call, or before the call ended."""


def pause(error: SessionError, *, tries: int, repeatable: bool) -> float | None:
    """Seconds after which a call is made again; None when it must not, or when that was tried often enough.

    What may have begun is never made again, unless that changes nothing.

    Args:
        error: how it failed.
        tries: how often by now.
        repeatable: the call changes nothing.
    """
    cause = error.__cause__
    if isinstance(cause, NotProcessed) or error.reason == _NOT_BEGUN:
        most = _TRIES
    elif isinstance(error, Unreachable):
        most = _TRIES if tries > 1 else 1  # a server that was there a moment ago may be restarting
    elif repeatable and (isinstance(error, ConnectionLost) or error.reason == _CUT_OFF):
        most = 2
    else:
        return None
    if tries >= most:
        return None
    if tries == 1 and not isinstance(cause, Refused):
        return 0.0
    return float(_FIRST_PAUSE * 2**tries * random.uniform(0.5, 1))  # noqa: S311 - nobody gains by guessing it
