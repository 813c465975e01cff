"""Kill -9 of a writing process loses nothing that was acknowledged."""

from __future__ import annotations

import random

import kills


async def test_nothing_acknowledged_is_lost(path, opened):
    """After each kill the file is sound, holds what was acknowledged and nothing that was deleted, and totals are exact."""
    seed = random.randrange(2**32)
    told, chance = {}, random.Random(seed)
    for round_ in range(4):
        await kills.kill_one(path, round_, chance, told)
        store = await opened()
        assert await kills.wrong(store, told) == [], f"seed {seed}"
        await store.close()
    assert len(told) > 4
