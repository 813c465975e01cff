"""Who may connect: connections, connection rate and offences, counted by address."""

from __future__ import annotations

import ipaddress
import itertools

from stigmer.transport.bucket import TokenBucket
from stigmer.transport.limits import Limits
from stigmer.transport.statistics import OFFENDER, Statistics

_LARGEST_TABLE = 20_000
"""Addresses that are remembered, about. Who comes from more of them meets the server's own limits."""
_AT_A_TIME, _IN_A_ROW = 1000, 16


class Address:
    """What one address has, and has done.

    Attributes:
        key: the address, or for IPv6 its /64; empty for unix sockets.
        connections: that are open.
        streams: that are open.
        calls: whose handlers run.
        request_bytes: of requests in flight.
        answer_bytes: of answers in flight.
        connects: the rate of new connections.
        offences: the rate of floods.
    """

    __slots__ = ("answer_bytes", "calls", "connections", "connects", "key", "offences", "request_bytes", "streams")

    def __init__(self, key: str, limits: Limits) -> None:
        self.key = key
        self.connections = self.streams = self.calls = self.request_bytes = self.answer_bytes = 0
        self.connects = TokenBucket(limits.connects_burst, limits.connects_per_second)
        self.offences = TokenBucket(limits.offences_burst, limits.offences_per_second)

    def is_over(self, limit: int, mine: int, of_all: int) -> bool:
        """Whether that is more bytes in flight than all may have, or than the half of them that one address may."""
        return of_all > limit or (bool(self.key) and mine > limit // 2)

    @property
    def blank(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not self.connections and not self.calls and self.connects.full and self.offences.full


class Admission:
    """The addresses of a server's clients."""

    def __init__(self, limits: Limits, statistics: Statistics) -> None:
        self._limits = limits
        self._statistics = statistics
        self._table: dict[str, Address] = {}

    def enter(self, peername: object) -> tuple[Address, str | None]:
        """The address, and the name of the limit that keeps its new connection out, which is not counted then."""
        key = _key(peername)
        address = self._table.get(key)
        if address is None:
            self._make_room()
            address = self._table[key] = Address(key, self._limits)
        reached = self._reached(address)
        if reached is None:
            address.connections += 1
            self._statistics.connections += 1
        return address, reached

    def _reached(self, address: Address) -> str | None:
        if self._statistics.connections >= self._limits.connections:
            return "connections"
        if not address.key:
            return None
        if address.offences.empty:
            return OFFENDER
        if address.connections >= self._limits.connections_per_address:
            return "connections_per_address"
        return None if address.connects.take() else "connects_burst"

    def leave(self, address: Address) -> None:
        """Forgets a connection that was let in."""
        address.connections -= 1
        self._statistics.connections -= 1

    def prune(self) -> None:
        """Forgets addresses that have nothing and did nothing lately: a part of the table each time."""
        for key in list(itertools.islice(self._table, _AT_A_TIME)):
            address = self._table.pop(key)
            if not address.blank:
                self._table[key] = address

    def _make_room(self) -> None:
        """Forgets addresses of which nothing is open, those that were looked at longest ago, when there are too many."""
        for key in list(itertools.islice(self._table, _IN_A_ROW)):
            if len(self._table) < _LARGEST_TABLE:
                return
            address = self._table.pop(key)
            if address.connections or address.calls:
                self._table[key] = address

    def __len__(self) -> int:
        return len(self._table)


def _key(peername: object) -> str:
    if not isinstance(peername, tuple):
        return ""
    host = str(peername[0])
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
