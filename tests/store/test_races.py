"""Several processes on one file."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stigmer.session.kind import SESSION
from stigmer.store import Query
from stigmer.store.sqlite.lock import FileLock
from stigmer.testing.store import make_stored_session


def test_one_of_two_processes_wins_a_slug(root):
    """Of 64 inserts of one slug from two processes one is stored and 63 are told that it is taken, round after round."""
    script = root / "benchmarks" / "races.py"
    child = subprocess.run([sys.executable, script, "--rounds", "5"], capture_output=True, text=True, timeout=120, check=False)
    assert child.returncode == 0, child.stdout + child.stderr
    assert "5 rounds" in child.stdout


async def test_two_stores_share_a_file(opened):
    """What one writes the other reads at once; sequences, slugs, ids and the secret are common."""
    one, two = await opened(), await opened()
    first = await one.insert(SESSION, make_stored_session("ses-1"))
    assert await two.get(SESSION, "ses-1") == first
    second = await two.insert(SESSION, make_stored_session("ses-2"))
    assert second.sequence > first.sequence
    assert (await one.page(SESSION, Query())).total == 2
    assert await one.secret() == await two.secret()
    await one.close()
    third = await two.update(SESSION, make_stored_session("ses-1", subject="x"), first.revision)
    assert await two.get(SESSION, "ses-1") == third


def test_the_lock_is_one_at_a_time(path):
    """Who does not get it in time is told; closing lets go of it."""
    one, two = FileLock(path), FileLock(path)
    assert one.try_acquire()
    assert not two.try_acquire()
    assert not two.acquire(0.01)
    with pytest.raises(TimeoutError), two.held(0.01):
        pass
    one.close()
    with two.held(1):
        three = FileLock(path)
        assert not three.try_acquire()
    assert three.try_acquire()
    two.close()
    three.close()
