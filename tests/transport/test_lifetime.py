"""The times of a connection, without a clock and without a connection."""

from __future__ import annotations

import pytest

from stigmer.transport.lifetime import Lifetime
from stigmer.transport.limits import Limits


class Connection:
    """What a connection knows of itself, at any time that a test likes."""

    def __init__(self, **limits):
        self.lifetime = Lifetime(Limits(**limits), 0.0)
        self.facts = {"streams": 0, "waiting": 0, "taken": 0, "leaving": False}
        self.lifetime.greeted = True
        self.lifetime.called = 0.0

    def at(self, now, **facts):
        """The verdict at that time."""
        self.facts.update(facts)
        return self.lifetime.verdict(now, **self.facts)


def test_nothing_yet():
    """A new connection has time."""
    connection = Connection()
    connection.lifetime.greeted, connection.lifetime.called = False, None
    assert connection.at(0.1) is None


@pytest.mark.parametrize(
    ("greeted", "called", "streams", "reached", "seconds"),
    [
        (False, None, 0, "preface_seconds", 5),
        (True, None, 0, "first_request_seconds", 20),
        (True, 0.0, 0, "idle_seconds", 300),
        (True, 0.0, 1, "keepalive_seconds", 120),
    ],
)
def test_what_must_have_happened(greeted, called, streams, reached, seconds):
    """Each stage of a connection has its own time, which is over a moment later, not at once."""
    connection = Connection()
    connection.lifetime.greeted, connection.lifetime.called = greeted, called
    assert connection.at(seconds - 0.1, streams=streams) is None
    assert connection.at(seconds + 0.1, streams=streams) == reached


def test_idle_begins_with_the_last_call():
    """A connection is idle from its last call on, not while one is open."""
    connection = Connection(keepalive_seconds=10_000, age_seconds=100_000)
    assert connection.at(1000, streams=1) is None
    connection.lifetime.called = 1000.0
    assert connection.at(1299, streams=0) is None
    assert connection.at(1301) == "idle_seconds"


def test_age_differs():
    """Connections made together do not all end together: their ages differ by up to a tenth."""
    connections = [Connection(age_seconds=1000, idle_seconds=10_000) for _ in range(50)]
    assert [each for each in connections if each.at(899) is not None] == []
    assert 0 < len([each for each in connections if each.at(1000) == "age_seconds"]) < 50
    assert [each for each in connections if each.at(1101) != "age_seconds"] == []


def test_who_leaves_is_not_told_again():
    """Neither age nor idleness matter once one side has said GOAWAY, but how long its calls may take then does."""
    connection = Connection()
    assert connection.at(5_000, leaving=True) is None
    assert connection.at(6_000, leaving=True) == "age_grace_seconds"


def test_a_ping_and_its_answer():
    """A silent client is asked once; whatever it says then is an answer."""
    connection = Connection(age_seconds=10_000)
    assert connection.at(121, streams=1) == "keepalive_seconds"
    assert connection.at(122) is None
    connection.lifetime.heard = 122.5
    assert connection.at(150) is None
    assert connection.at(243) == "keepalive_seconds"


def test_a_ping_without_an_answer():
    """A client that does not answer is gone, for all that anybody knows."""
    connection = Connection()
    assert connection.at(121, streams=1) == "keepalive_seconds"
    assert connection.at(140) is None
    assert connection.at(142) == "keepalive_timeout_seconds"


def test_silence_without_calls():
    """A client without calls may be silent; it is idle soon enough."""
    assert Connection().at(299) is None


def test_a_stall():
    """A client that takes nothing of what waits for it is cut after a while."""
    connection = Connection()
    assert connection.at(99) is None
    assert connection.at(100, waiting=1) is None
    assert connection.at(118) is None
    assert connection.at(121) == "stall_seconds"


def test_who_takes_something():
    """A client that takes some of it now and then is not, though as much waits for it as before."""
    connection = Connection(idle_seconds=10_000, age_seconds=10_000)
    assert [connection.at(19 * turn, waiting=1000, taken=turn) for turn in range(1, 50)] == [None] * 49


def test_nothing_waits():
    """Who has taken all that there was may take its time, which begins anew with what comes next."""
    connection = Connection()
    assert connection.at(1, waiting=1) is None
    assert connection.at(2, waiting=0, taken=1) is None
    assert connection.at(100) is None
    assert connection.at(101, waiting=1) is None
    assert connection.at(119) is None
    assert connection.at(121, taken=1) == "stall_seconds"


def test_a_stall_of_who_leaves():
    """Who leaves must take what is its own all the same."""
    connection = Connection()
    assert connection.at(1, waiting=1, leaving=True) is None
    assert connection.at(22) == "stall_seconds"
