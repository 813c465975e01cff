"""A step that blocks the event loop is named in the log, while it does."""

from __future__ import annotations

import asyncio
import sys
import threading

import httpx
import pytest
from loguru import logger

from stigmer import before, hookimpl
from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionSpec
from stigmer.observe.plugin import Observe
from stigmer.observe.watchdog import Watchdog, where
from stigmer.testing import serving


class Blocks:
    """A plugin whose step holds the loop until somebody has said something."""

    name = "Blocks"

    def __init__(self):
        self.go = threading.Event()

    async def __call__(self, ctx):
        assert self.go.wait(20)

    @hookimpl
    def contribute_steps(self, op):
        if op.verb == "create":
            yield before("Persist", self)


@pytest.fixture
def said():
    """What is logged while the test runs, and who is told at once."""
    lines, tell = [], []

    def note(line):
        lines.append(str(line))
        for each in tell:
            each(str(line))

    number = logger.add(note, level="WARNING", format="{message}")
    yield lines, tell
    logger.remove(number)


async def test_a_step_that_blocks_is_named(said):
    """Once, with the place in its code; and once that the loop turns again."""
    lines, tell = said
    blocks, again = Blocks(), asyncio.Event()
    loop = asyncio.get_running_loop()
    tell.append(lambda line: blocks.go.set() if "stands still" in line else None)
    tell.append(lambda line: loop.call_soon_threadsafe(again.set) if "turns again" in line else None)
    async with serving({"blocks": blocks}, log="plain", watchdog_seconds=0.1) as app, SessionClient(app.address) as client:
        metadata = ApiResourceMetadata(name="A", org="acme", owner_scope=ApiResourceOwnerScope.organization)
        await client.create(Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1")))
        await asyncio.wait_for(again.wait(), 20)
    standing = [line for line in lines if "stands still" in line]
    assert len(standing) == 1
    assert "step Blocks (blocks) of session.create holds it in " in standing[0]
    assert "test_watchdog.py" in standing[0]
    assert standing[0].rstrip().endswith(" __call__")


async def test_it_is_counted(said, unused_tcp_port):
    """Also where there is no log."""
    blocks, again, loop = Blocks(), asyncio.Event(), asyncio.get_running_loop()
    said[1].append(lambda line: blocks.go.set() if "stands still" in line else None)
    said[1].append(lambda line: loop.call_soon_threadsafe(again.set) if "turns again" in line else None)
    listen = f"127.0.0.1:{unused_tcp_port}"
    settings = {"log": "off", "watchdog_seconds": 0.05, "metrics_listen": listen}
    async with serving({"blocks": blocks}, **settings) as app, SessionClient(app.address) as client:
        metadata = ApiResourceMetadata(name="A", org="acme", owner_scope=ApiResourceOwnerScope.organization)
        await client.create(Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1")))
        await asyncio.wait_for(again.wait(), 20)
        found = await scraped(listen)
    assert found["stigmer_loop_stalls_total"] >= 1
    assert found["stigmer_loop_stalled_seconds_total"] >= 0.05


async def scraped(listen):
    """The metrics without labels, by name."""
    async with httpx.AsyncClient() as client:
        lines = (await client.get(f"http://{listen}/metrics")).text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#" and "{" not in line)}


async def test_a_loop_that_turns_is_left_alone(said):
    """Nothing is said, and the thread ends."""
    watchdog = Watchdog(0.05)
    watchdog.start()
    for _ in range(200):
        await asyncio.sleep(0.001)
    watchdog.stop()
    watchdog._thread.join(5)
    assert not watchdog._thread.is_alive()
    assert [line for line in said[0] if "stands still" in line] == []


@pytest.mark.parametrize("settings", [{"log": "off"}, {"log": "plain", "watchdog_seconds": 0}], ids=["no log", "never"])
async def test_it_can_be_turned_off(settings):
    """Without a log there is nobody to tell."""
    observe = Observe()
    async with serving({"second": observe}, **settings):
        assert observe._watchdog is None
    async with serving({"second": observe}, log="plain"):
        assert observe._watchdog is not None


def test_a_place_without_a_step():
    """Other code of ours, or of the loop's, has no step."""
    place = where(sys._getframe())
    assert place.step == ""
    assert place.code.endswith("test_a_place_without_a_step")
    assert where(None).step == ""
