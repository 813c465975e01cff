"""Attacks, short ones: others go on being served meanwhile, and afterwards it is as if nothing had been."""

from __future__ import annotations

import asyncio
import os
import shutil

import pytest
from attack_calls import stalled_handshakes
from attacks import ATTACKS, Criteria, attacker, outcome
from resets import NO_LIMITS, growth, is_nothing
from victim import victim

SECONDS, QUIET_SECONDS = 0.4, 0.5
# Others use the processors too, and the first burst of an attack may last as long as the whole of these: times say little here,
# but for the loop's turns, which are measured in time that it really had.
# Memory that was freed stays with the C library for a while: what is bounded here is bounded, `nox -s hostile` is strict.
CRITERIA = Criteria(ratio=5, floor=400, longest=3000, turn=600, growth=220 * 2**20, remainder=3)
STREAMS = {"ngh2": 50_000, "h2": 10_000}


@pytest.fixture(scope="module")
def pool():
    """The process that attacks."""
    with attacker() as found:
        yield found


@pytest.fixture(scope="module", params=["ngh2", "h2"])
def server(request):
    """A server and its bystander, who has had half a second of peace: its calls then."""
    with victim(request.param) as found:
        asyncio.run(asyncio.sleep(QUIET_SECONDS))
        yield found, found.seen()


@pytest.mark.parametrize("name", ATTACKS)
async def test_others_are_served(server, pool, name):
    """During an attack others are answered in time and without errors, and after it nothing is left of it."""
    found, quiet = server
    if name == stalled_handshakes.__name__ and shutil.which("openssl") is None:
        reason = "openssl, which makes the certificate, is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    target = found.target(1 + list(ATTACKS).index(name), SECONDS)
    result = await outcome(found, pool, name, quiet=quiet, target=target)
    assert result.missed(CRITERIA) == []


@pytest.mark.parametrize("engine", STREAMS)
async def test_resets_leave_nothing(engine):
    """Of thousands of streams that were opened and reset no object and no memory is kept."""
    with victim(engine, limits=NO_LIMITS) as found:
        grown = await growth(found, STREAMS[engine])
        assert is_nothing(grown), grown
        assert "Traceback" not in found.log()
