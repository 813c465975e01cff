"""Reads when a key ends: after a while, or at a date or time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_WHILE = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def moment(text: str, now: datetime) -> datetime:
    """The time that ``text`` means: ``30d`` from ``now``, or ``2030-01-31``, or a time in ISO 8601; UTC unless it says so.

    Raises:
        ValueError: it means none, or one that is past.
    """
    try:
        if found := _WHILE.fullmatch(text):
            ends = now + int(found[1]) * _UNITS[found[2]]
        else:
            ends = datetime.fromisoformat(text)
            ends = ends if ends.tzinfo is not None else ends.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is neither a while, such as 30d, nor a date or time, such as 2030-01-31") from None
    if ends <= now:
        raise ValueError(f"{text[:40]!r} is past")
    return ends
