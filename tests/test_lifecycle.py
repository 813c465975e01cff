"""Plugins that misbehave while the server starts or stops: it is refused, or stops, and says which plugin it was."""

from __future__ import annotations

import asyncio
import sys

import pytest
from loguru import logger

from stigmer import ConfigurationError, hookimpl, lifecycle
from stigmer.app import App
from stigmer.testing import make_settings, serving


class Surprise(BaseException):
    """Neither an error nor a cancellation."""


def raising(error):
    def misdeed(app):
        raise error

    return misdeed


async def exits(app):
    sys.exit("enough")


async def says_it_is_cancelled(app):
    raise asyncio.CancelledError


MISDEEDS = {
    "raises": raising(ZeroDivisionError("odd")),
    "exits": exits,
    "closes": raising(GeneratorExit()),
    "surprises": raising(Surprise("odd")),
    "stops": raising(StopAsyncIteration()),
    "says it is cancelled": says_it_is_cancelled,
}


class Hooks:
    """A plugin that notes what it hears, and then does something."""

    def __init__(self, log, startup=None, shutdown=None):
        self._log = log
        self._misdeeds = {"startup": startup, "shutdown": shutdown}

    def _heard(self, hook, app):
        self._log.append(hook)
        misdeed = self._misdeeds[hook]
        return misdeed(app) if misdeed is not None else None

    @hookimpl
    def startup(self, app):
        return self._heard("startup", app)

    @hookimpl
    def shutdown(self, app):
        return self._heard("shutdown", app)


@pytest.fixture
def said():
    """What is logged while the test runs, tracebacks included."""
    lines = []
    number = logger.add(lambda line: lines.append(str(line)), level="DEBUG")
    yield lines
    logger.remove(number)


@pytest.mark.parametrize("misdeed", MISDEEDS.values(), ids=MISDEEDS)
async def test_a_start(misdeed, tmp_path):
    """It is refused in the plugin's name, every plugin hears of the end, and the store is closed: another start succeeds."""
    store, before, after = f"sqlite:///{tmp_path}/s.db", [], []
    plugins = {"a": Hooks(before), "odd": Hooks([], startup=misdeed), "z": Hooks(after)}
    with pytest.raises(ConfigurationError, match=r"^plugin 'odd', hook startup: (?!plugin)"):
        await App.start(make_settings(store=store), plugins)
    assert (before, after) == (["startup", "shutdown"], ["shutdown"])
    async with serving(store=store) as app:
        assert await app.store.check() == []


@pytest.mark.parametrize("misdeed", MISDEEDS.values(), ids=MISDEEDS)
async def test_a_stop(misdeed, said):
    """The others still hear of it, the store is closed, and the log names the plugin."""
    after = []
    async with serving({"odd": Hooks([], shutdown=misdeed), "z": Hooks(after)}) as app:
        pass
    assert after == ["startup", "shutdown"]
    assert app.store.version() is None
    assert any("plugin odd failed to shut down" in line for line in said)


async def test_a_stop_that_hangs(said, monkeypatch):
    """A plugin that does not come to its end is left after a while."""
    monkeypatch.setattr(lifecycle, "SHUTDOWN_SECONDS", 0.05)
    after = []

    async def hangs(app):
        await asyncio.Event().wait()

    async with serving({"odd": Hooks([], shutdown=hangs), "z": Hooks(after)}):
        pass
    assert after == ["startup", "shutdown"]
    assert any("plugin odd failed to shut down" in line for line in said)


async def test_a_stop_that_is_cancelled():
    """All plugins still hear of it, the store is closed, and the cancellation comes after."""
    after, begun = [], asyncio.Event()

    async def waits(app):
        begun.set()
        await asyncio.Event().wait()

    app = await App.start(make_settings(), {"a": Hooks([], shutdown=waits), "z": Hooks(after)})
    stopping = asyncio.create_task(app.stop())
    await begun.wait()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert after == ["startup", "shutdown"]
    assert app.store.version() is None


async def test_a_start_that_is_cancelled():
    """It ends as it was asked to, not as refused; what had started has stopped."""
    before, begun = [], asyncio.Event()

    async def waits(app):
        begun.set()
        await asyncio.Event().wait()

    starting = asyncio.create_task(App.start(make_settings(), {"a": Hooks(before), "z": Hooks([], startup=waits)}))
    await begun.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert before == ["startup", "shutdown"]
