"""Ids are ULIDs that rise."""

import re

from stigmer.identity import IdGenerator, SystemClock
from stigmer.testing import SteppingClock


class StoppedClock:
    """A clock that stands still."""

    def now_ns(self):
        return 1_767_225_600_000_000_000


def test_an_id_is_a_prefix_and_a_lower_case_ulid():
    """26 characters of Crockford's alphabet follow the prefix; the first ten are the time in milliseconds."""
    new = IdGenerator(StoppedClock()).new("ses")
    assert re.fullmatch(r"ses-[0-7][0-9a-hjkmnp-tv-z]{25}", new)
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    milliseconds = 0
    for character in new[4:14]:
        milliseconds = milliseconds * 32 + alphabet.index(character)
    assert milliseconds == 1_767_225_600_000


def test_ids_rise_within_a_millisecond_and_across():
    """Each id is greater than the one before, whatever the clock does."""
    for clock in (StoppedClock(), SteppingClock(), SystemClock()):
        ids = IdGenerator(clock)
        made = [ids.new("ses") for _ in range(2000)]
        assert made == sorted(set(made))


def test_two_generators_do_not_meet():
    """Two processes that start in the same millisecond make different ids."""
    assert IdGenerator(StoppedClock()).new("ses") != IdGenerator(StoppedClock()).new("ses")


def test_the_clock_is_cut_to_microseconds():
    """Times hold no more than every language's timestamp can."""
    assert SystemClock().now_ns() % 1000 == 0
