"""A rate is a burst and a pace."""

import math

import pytest

from stigmer.transport.bucket import TokenBucket


def filled(burst=10, per_second=2.0):
    """A bucket, and the time at which it was full."""
    bucket = TokenBucket(burst, per_second)
    return bucket, bucket._since


def test_a_burst():
    """As many tokens as the burst can be taken at once, and no more."""
    bucket, now = filled()
    assert [bucket.take(now=now) for _ in range(11)] == [True] * 10 + [False]


def test_tokens_come_back():
    """They come back at the pace, never more than the burst."""
    bucket, now = filled()
    bucket.take(10, now=now)
    assert not bucket.take(2, now=now + 0.9)
    assert bucket.take(2, now=now + 1)
    assert not bucket.take(1, now=now + 1.4)
    assert bucket.take(10, now=now + 1000)
    assert not bucket.take(1, now=now + 1000)


def test_what_is_refused_costs_nothing():
    """Too large a wish takes nothing."""
    bucket, now = filled()
    assert not bucket.take(11, now=now)
    assert bucket.take(10, now=now)


def test_parts_of_tokens():
    """Tokens can be taken in parts."""
    bucket, now = filled(burst=1)
    assert [bucket.take(0.25, now=now) for _ in range(5)] == [True] * 4 + [False]


def test_time_that_goes_back():
    """A moment before the last one changes nothing."""
    bucket, now = filled()
    assert bucket.take(10, now=now)
    assert not bucket.take(1, now=now - 100)
    assert bucket.take(1, now=now + 0.5)


def test_full_and_empty():
    """A bucket that nobody takes from is full; one without a whole token is empty."""
    bucket, _ = filled(per_second=0.001)
    assert (bucket.full, bucket.empty) == (True, False)
    bucket.take(9.5)
    assert (bucket.full, bucket.empty) == (False, True)


@pytest.mark.parametrize(
    ("burst", "per_second", "n", "seconds"), [(2, 4.0, 3, math.inf), (2, 0.0, 1, math.inf), (2, 4.0, 2, 0.5)]
)
def test_how_long_tokens_take(burst, per_second, n, seconds):
    """What is missing, at the pace; for ever when the bucket cannot hold so many, or gets none back."""
    bucket = TokenBucket(burst, per_second)
    assert bucket.seconds_until(min(n, burst)) == 0
    assert bucket.take(burst)
    assert bucket.seconds_until(n) == pytest.approx(seconds, abs=0.05)
