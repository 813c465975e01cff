"""Many time-outs, one timer."""

from __future__ import annotations

import asyncio

import pytest

from stigmer.client.patience import Patience


async def _work(patience, event):
    async with asyncio.timeout(None) as limit:
        patience.begin(limit)
        try:
            return await event.wait()
        finally:
            patience.end(limit)


async def test_each_ends_in_its_own_time():
    """What begins later ends later, and what is done in time is not ended."""
    patience, event, never = Patience(0.2), asyncio.Event(), asyncio.Event()
    done, first = (asyncio.create_task(_work(patience, each)) for each in (event, never))
    await asyncio.wait([done, first], timeout=0.1)
    second = asyncio.create_task(_work(patience, never))
    event.set()
    assert await done
    await asyncio.wait([first])
    assert not second.done()
    for late in (first, second):
        with pytest.raises(TimeoutError):
            await late
    assert patience._timer is None


async def test_without_seconds_nothing_ends():
    """None waits for ever, and sets no timer."""
    patience, event = Patience(None), asyncio.Event()
    work = asyncio.create_task(_work(patience, event))
    await asyncio.sleep(0)
    assert patience._timer is None
    event.set()
    assert await work


async def test_a_callers_cancellation_is_its_own():
    """Being cancelled from outside is no time-out."""
    patience = Patience(10)
    work = asyncio.create_task(_work(patience, asyncio.Event()))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    patience.close()
    assert patience._timer is None
