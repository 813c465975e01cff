"""The power is cut: what was acknowledged is there, and nothing is damaged. ``nox -s torture -- power`` makes 10,000 cuts."""

from __future__ import annotations

import random

import power
import pytest
import sqlite_vfs
from disk import Deleted, Disk, Synced, Truncated, Written

pytestmark = pytest.mark.skipif(not sqlite_vfs.available(), reason="the SQLite of this Python cannot be reached")


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Checkpoints are made all the time."""
    monkeypatch.setattr(power.checkpoints, "_EVERY_SECONDS", 0.005)


@pytest.fixture
def seed():
    """Shown when a test fails; ``power.one_life`` with it lives nearly the same life."""
    return random.randrange(2**32)


async def test_nothing_acknowledged_is_lost(seed):
    """Whatever a cut leaves of what was not synced, the store starts, is sound and has all that it has acknowledged."""
    assert await power.one_life(seed, "FULL", 40, writes=6) == power.Losses(40)


async def test_the_cuts_see_losses(seed):
    """Without a sync at each commit they find acknowledged writes missing: the proof can fail."""
    losses = await power.one_life(seed, "NORMAL", 30, writes=6)
    assert losses.lost
    assert not losses.damaged


async def test_the_cuts_see_damage(seed):
    """Without any sync they find damaged files."""
    assert (await power.one_life(seed, "OFF", 40, writes=6)).damaged


class Always(random.Random):
    """Chooses what a test wants."""

    def __init__(self, mood):
        super().__init__(1)
        self.mood = mood

    def choice(self, seq):
        return self.mood if self.mood in seq else super().choice(seq)


@pytest.fixture
def disk(path):
    """A disk with one file, to which something has been done since the last sync."""
    disk = Disk({path: b"a" * 2000})
    disk.happen(Written(path, 0, b"b" * 1000))
    disk.happen(Synced(path))
    disk.happen(Written(path, 0, b"c" * 2000))
    return disk


def test_a_sync_makes_durable(disk, path):
    """What was synced is there, and nothing else, when all else is forgotten."""
    assert disk.cut(Always("none")) == {path: b"b" * 1000 + b"a" * 1000}


def test_a_write_is_torn_into_sectors(disk, path):
    """Each sector is as it was or as it was to be."""
    chance = Always("torn")
    found = {disk.cut(chance)[path] for _ in range(50)}
    assert len(found) > 5
    for content in found:
        sectors = [set(content[at : at + 512]) for at in range(0, 2000, 512)]
        assert all(sector <= set(b"ab") or sector == set(b"c") for sector in sectors)


def test_the_end_of_a_file_may_be_forgotten(disk, path):
    """A truncation and a removal are as volatile as a write, unless they are synced."""
    disk.happen(Truncated(path, 10))
    assert disk.cut(Always("all")) == {path: b"c" * 10}
    disk.happen(Deleted(path, durable=False))
    assert disk.cut(Always("none")) == {path: b"b" * 1000 + b"a" * 1000}
    disk.happen(Deleted(path, durable=True))
    assert disk.cut(Always("none")) == {}
