"""Kill -9 of a writing process loses nothing that was acknowledged."""

from __future__ import annotations

import random

import kills


async def test_nothing_acknowledged_is_lost(path, opened):
    """After each kill the file is sound, holds what was acknowledged and nothing that was deleted, and totals are exact."""
    told, chance = {}, random.Random()
    for round_ in range(4):
        await kills.kill_one(path, round_, chance, told)
        store = await opened()
        assert await kills.wrong(store, told) == []
        await store.close()
    assert len(told) > 4
