"""Who calls, what time it is, and how new ids are made."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from typing import Protocol

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_RANDOM_BITS = 80


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a call.

    Attributes:
        id: stable identifier; becomes the audit actor and the owner of identity_account resources.
        roles: names that plugins may ask for; empty unless an authenticator fills them.
    """

    id: str
    roles: frozenset[str] = frozenset()


SYSTEM = Caller("system")
"""The caller when no authenticator is on."""


ANONYMOUS = Caller("")
"""The caller while an authenticator has not told yet who it is; nobody may do anything in its name."""


class Clock(Protocol):
    """The source of time; tests bring their own."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""


class SystemClock:
    """The machine's clock, cut to microseconds: what every language's timestamp can hold."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, a multiple of 1,000."""
        return time.time_ns() // 1000 * 1000


class IdGenerator:
    """Makes ids of a prefix, a dash and a lower-case ULID; they rise within the process, also within a millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def new(self, prefix: str) -> str:
        """A new id, such as ``ses-01jd3v8m0b7w2q4rk5x9tczg6n``."""
        milliseconds = self._clock.now_ns() // 1_000_000
        fresh = milliseconds << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
        self._last = max(fresh, self._last + 1)
        return f"{prefix}-{_base32(self._last)}"


def issued(prefix: str) -> re.Pattern[str]:
    """What ids match that ``IdGenerator.new`` has made with this prefix, if they match as a whole."""
    return re.compile(f"{re.escape(prefix)}-[{_CROCKFORD}]{{26}}")


def _base32(number: int) -> str:
    """26 characters of Crockford's alphabet: the ULID's 128 bits, most significant first."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
