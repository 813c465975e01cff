"""Times in filters: RFC 3339, compared exactly with the microseconds that are stored."""

from __future__ import annotations

import datetime as dt
import re

from stigmer.filtering.bad import Bad, echo
from stigmer.filtering.tokens import Token
from stigmer.store.selection import AnyOf, Compare, Condition, Operator

_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_BETWEEN = {
    Operator.LESS: Operator.AT_MOST,
    Operator.AT_MOST: Operator.AT_MOST,
    Operator.MORE: Operator.MORE,
    Operator.AT_LEAST: Operator.MORE,
}
"""How a whole number compares with one that has a fraction, said of the latter's whole part."""


def compared(field: str, how: Operator, value: Token) -> Condition:
    """The condition that a time compares so with a literal.

    Raises:
        Bad: the literal is no time.
    """
    microseconds, fraction = _microseconds(value)
    if not fraction:
        return Compare(field, how, microseconds)
    if how in _BETWEEN:
        return Compare(field, _BETWEEN[how], microseconds)
    return AnyOf(()) if how is Operator.EQUAL else Compare(field, Operator.UNEQUAL, 0)


def _microseconds(value: Token) -> tuple[int, bool]:
    """The whole microseconds since 1970, and whether there is a fraction of one more."""
    found = _TIME.fullmatch(value.text)
    if found is None:
        raise Bad(f'{echo(value.text)} is no time; write it as "2026-01-31T12:00:00Z"', value.at)
    date, time, fraction, offset = found.groups()
    nanoseconds = int((fraction or "").ljust(9, "0"))
    try:
        whole = dt.datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
        since = (whole - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise Bad(f"there is no time {echo(value.text)}", value.at) from None
    return since + nanoseconds // 1000, nanoseconds % 1000 > 0
