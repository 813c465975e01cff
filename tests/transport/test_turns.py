"""What takes too long for the event loop is done one by one, and nothing is kept of whoever gives up."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from stigmer.transport.turns import Turns


class Body:
    """Something large that a call waits with."""


class Held:
    """Work that lasts until the test lets it go on, and notes what it works on."""

    def __init__(self):
        self.begun = asyncio.Event()
        self.go_on = threading.Event()
        self.done = []
        self._loop = asyncio.get_running_loop()

    def __call__(self, what):
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.go_on.wait(20)
        self.done.append(what)
        return what


async def test_one_after_the_other():
    """In the order in which they came."""
    work, turns = Held(), Turns()
    waiting = [asyncio.ensure_future(turns.run(work, number)) for number in range(5)]
    await work.begun.wait()
    assert work.done == []
    work.go_on.set()
    assert await asyncio.gather(*waiting) == work.done == [0, 1, 2, 3, 4]


async def test_who_gives_up_leaves_nothing():
    """What was to be worked on is free at once, though the thread is still busy with something else."""
    work, turns, body = Held(), Turns(), Body()
    first = asyncio.ensure_future(turns.run(work, "first"))
    await work.begun.wait()
    second = asyncio.ensure_future(turns.run(work, body))
    await asyncio.sleep(0)
    there = weakref.ref(body)
    second.cancel()
    await asyncio.wait([second])
    assert second.cancelled()
    del body, second
    gc.collect()
    assert there() is None
    work.go_on.set()
    assert await first == "first"
    assert work.done == ["first"]


async def test_who_gives_up_in_the_middle_holds_nobody_up():
    """What runs is finished, and only then the next one begins."""
    work, turns = Held(), Turns()
    first = asyncio.ensure_future(turns.run(work, 1))
    await work.begun.wait()
    second = asyncio.ensure_future(turns.run(work, 2))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert work.done == []
    work.go_on.set()
    assert await second == 2
    assert work.done == [1, 2]


async def test_a_failure_is_the_callers():
    """And the next one has its turn."""
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        await turns.run(lambda: 1 // 0)
    assert await turns.run(lambda: 7) == 7


async def test_a_failure_that_nobody_waits_for(caplog):
    """Is not logged: whoever asked has gone."""
    work, turns = Held(), Turns()

    def fails():
        work(0)
        raise ZeroDivisionError

    first = asyncio.ensure_future(turns.run(fails))
    await work.begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go_on.set()
    assert await turns.run(lambda: 7) == 7
    del first
    gc.collect()
    assert caplog.records == []
