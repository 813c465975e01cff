"""Who may connect is decided by address, and what is remembered of addresses is bounded."""

from __future__ import annotations

import pytest

from stigmer.transport import admission
from stigmer.transport.admission import Admission
from stigmer.transport.limits import Limits
from stigmer.transport.statistics import Statistics


def admitting(**limits):
    return Admission(Limits(**limits), Statistics())


@pytest.mark.parametrize(
    ("peername", "key"),
    [
        (("192.0.2.1", 1234), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1"),
        (("::1", 1, 0, 0), "::/64"),
        ("", ""),
        (b"", ""),
        ("/run/socket", ""),
        (None, ""),
    ],
)
def test_addresses(peername, key):
    """An address is an IPv4 one, however it is written, or the /64 of an IPv6 one; a unix socket has none."""
    address, reached = admitting().enter(peername)
    assert (address.key, reached) == (key, None)


def test_a_network_counts_as_one():
    """Who has a whole /64 gets no more than who has one address."""
    table = admitting(connections_per_address=3)
    reached = [table.enter((f"2001:db8::{each:x}", 1, 0, 0))[1] for each in range(5)]
    assert reached == [None] * 3 + ["connections_per_address"] * 2
    assert table.enter(("2001:db8:0:1::1", 1, 0, 0))[1] is None


def test_mapped_addresses_are_the_same():
    """IPv4 over an IPv6 socket is the same client."""
    table = admitting(connections_per_address=1)
    assert table.enter(("192.0.2.1", 1))[1] is None
    assert table.enter(("::ffff:192.0.2.1", 1, 0, 0))[1] == "connections_per_address"


def test_unix_sockets_have_no_limit_by_address():
    """Local clients cannot be told apart: only the limit of the server holds for them."""
    table = admitting(connections=5, connections_per_address=1, connects_burst=1, connects_per_second=0.001)
    assert [table.enter("")[1] for _ in range(6)] == [None] * 5 + ["connections"]


def test_rate():
    """More new connections than the rate are kept out, also when the old ones are gone."""
    table = admitting(connects_burst=3, connects_per_second=0.001)
    reached = []
    for _ in range(5):
        address, name = table.enter(("192.0.2.1", 1))
        reached.append(name)
        if name is None:
            table.leave(address)
    assert reached == [None] * 3 + ["connects_burst"] * 2
    assert table.enter(("192.0.2.2", 1))[1] is None


def test_who_is_kept_out_counts_for_nothing():
    """A connection that was not let in takes no place, of the address or of the server."""
    statistics = Statistics()
    table = Admission(Limits(connections_per_address=1), statistics)
    address, _ = table.enter(("192.0.2.1", 1))
    for _ in range(3):
        table.enter(("192.0.2.1", 1))
    assert (address.connections, statistics.connections) == (1, 1)
    table.leave(address)
    assert (address.connections, statistics.connections) == (0, 0)
    assert table.enter(("192.0.2.1", 1))[1] is None


def test_offenders():
    """An address without offences left is kept out, others are not."""
    table = admitting(offences_burst=2, offences_per_second=0.001)
    address, _ = table.enter(("192.0.2.1", 1))
    address.offences.take()
    assert table.enter(("192.0.2.1", 1))[1] is None
    address.offences.take()
    assert table.enter(("192.0.2.1", 1))[1] == "offences"
    assert table.enter(("192.0.2.2", 1))[1] is None


def test_the_quiet_are_forgotten():
    """An address that has nothing and did nothing lately is forgotten; one that is in use or did is not."""
    table = admitting(connects_burst=2, connects_per_second=1e9, offences_burst=2, offences_per_second=0.001)
    left, stays, offended = (table.enter((f"192.0.2.{each}", 1))[0] for each in range(3))
    for address in (left, offended):
        table.leave(address)
    offended.offences.take()
    table.prune()
    assert len(table) == 2
    assert table.enter(("192.0.2.1", 1))[0] is stays
    assert table.enter(("192.0.2.2", 1))[0] is offended
    assert table.enter(("192.0.2.0", 1))[0] is not left


def test_an_address_with_a_handler_is_remembered():
    """An address whose connections are gone but whose handlers still run is not forgotten, or they would not be counted."""
    table = admitting(connects_per_second=1e9)
    address, _ = table.enter(("192.0.2.1", 1))
    table.leave(address)
    address.calls = 1
    table.prune()
    assert len(table) == 1


def test_the_table_stays_bounded(monkeypatch):
    """In a flood of addresses the oldest that have nothing are forgotten, never those that are connected."""
    monkeypatch.setattr(admission, "_LARGEST_TABLE", 100)
    table = admitting(connects_per_second=0.001)
    kept = [table.enter((f"192.0.2.{each}", 1))[0] for each in range(10)]
    for each in range(500):
        table.leave(table.enter((f"10.0.{each // 250}.{each % 250}", 1))[0])
    assert 100 <= len(table) <= 110
    assert [table.enter((f"192.0.2.{each}", 1))[0] for each in range(10)] == kept


def test_who_is_kept_out_in_a_flood(monkeypatch):
    """Addresses that were never let in do not stay either."""
    monkeypatch.setattr(admission, "_LARGEST_TABLE", 100)
    table = admitting(connections=1)
    table.enter(("192.0.2.1", 1))
    for each in range(500):
        assert table.enter((f"10.0.{each // 250}.{each % 250}", 1))[1] == "connections"
    table.prune()
    assert len(table) == 1
