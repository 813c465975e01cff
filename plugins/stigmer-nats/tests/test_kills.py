"""Servers and NATS are killed under load: every committed change is published, in order, and nothing else."""

import random

import publish_kills


async def test_kills_lose_nothing(nats_server):
    """A few of the kills that ``benchmarks/publish_kills.py`` makes hundreds of."""
    verdict = await publish_kills.main(4, random.randrange(2**32), bus_every=2)
    assert verdict.is_good, verdict
    assert verdict.committed > 10
