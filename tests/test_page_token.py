"""Page tokens cannot be made up, changed, or used elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer.page_token import seal, unseal
from stigmer.store.selection import Position

SECRET = b"s" * 32
PURPOSE = ("session.list", "system", "{}")
KEYS = st.text(st.characters(codec="utf-8")) | st.integers(-(2**63), 2**63 - 1)
POSITIONS = st.builds(Position, st.integers(min_value=0, max_value=2**63 - 1), KEYS)


@given(POSITIONS)
def test_a_token_gives_back_its_position(position):
    """A token opens for what it was made for."""
    assert unseal(SECRET, PURPOSE, seal(SECRET, PURPOSE, position)) == position


@given(POSITIONS, st.integers(min_value=0), st.characters(codec="utf-8"))
def test_a_changed_token_does_not_open(position, at, character):
    """Any changed, added or dropped character makes a token worthless."""
    token = seal(SECRET, PURPOSE, position)
    at %= len(token)
    changed = {token[:at] + character + token[at + 1 :], token[:at] + token[at + 1 :], token[:at] + character + token[at:]}
    assert all(unseal(SECRET, PURPOSE, bad) is None for bad in changed - {token})


@pytest.mark.parametrize(
    ("secret", "purpose"),
    [
        (b"t" * 32, PURPOSE),
        (SECRET, ("session.list_by_agent", "system", "{}")),
        (SECRET, ("session.list", "alice", "{}")),
        (SECRET, ("session.list", "system", '{"tags":["a"]}')),
        (SECRET, ("session.listsystem", "{}")),
    ],
)
def test_a_token_of_another_purpose_does_not_open(secret, purpose):
    """A token is bound to the store's secret, the operation, the caller and the filter."""
    assert unseal(secret, purpose, seal(SECRET, PURPOSE, Position(7))) is None


@pytest.mark.parametrize("text", ["", "x", "é", "=", "AAAA", "A" * 20_000, "\x00", "../../etc/passwd"])
def test_noise_does_not_open(text):
    """What never was a token does not open, and raises nothing."""
    assert unseal(SECRET, PURPOSE, text) is None
