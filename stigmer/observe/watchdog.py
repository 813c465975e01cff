"""Notices when the event loop stands still, from a thread of its own, and says which step holds it."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from loguru import logger

from stigmer.operation import Operation
from stigmer.pipeline import Pipeline, PlacedStep

_LOOKS = 4
"""So often the loop shows that it turns, and the thread looks, within the time that it may stand still."""
_PYTHON = (f"{Path(threading.__file__).parent}{os.sep}asyncio", threading.__file__, selectors.__file__, "<frozen ")
_RUNNING = frozenset(
    function.__code__
    for function in (Pipeline.run, Pipeline._run, Pipeline._answer, Pipeline._undo, Pipeline._run_after_commit)  # noqa: SLF001 - their frames tell which step runs, at no cost to it
)


class Place(NamedTuple):
    """Where the loop's thread is.

    Attributes:
        code: the innermost function that is not Python's own, as FILE:LINE FUNCTION.
        step: the step that runs, as STEP of OPERATION; empty when none does.
    """

    code: str
    step: str


class Watchdog:
    """Watches the loop that runs where it is started.

    Attributes:
        stalls: how often it stood still.
        stalled_seconds: for how long, all together.
    """

    def __init__(self, seconds: float) -> None:
        """Warns when the loop stands still for so many seconds, once for each time that it does."""
        self.stalls = 0
        self.stalled_seconds = 0.0
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._turned = time.monotonic()
        self._over = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._watch, name="stigmer-watchdog", daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._turn()
        self._thread.start()

    def stop(self) -> None:
        """Ends; does not wait for the thread, which ends by itself."""
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()

    def _turn(self) -> None:
        self._turned = time.monotonic()
        self._timer = self._loop.call_later(self._seconds / _LOOKS, self._turn)

    def _watch(self) -> None:
        standing: float | None = None
        while not self._over.wait(self._seconds / _LOOKS):
            turned = self._turned
            if standing is not None and turned != standing:
                self.stalled_seconds += turned - standing
                logger.warning("the event loop turns again, after {:.1f} s", turned - standing)
                standing = None
            elif standing is None and time.monotonic() - turned > self._seconds:
                standing = turned
                self.stalls += 1
                self._warn()

    def _warn(self) -> None:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - documented, in spite of its name
        place = where(frame)
        logger.warning(
            "the event loop stands still for more than {} s, and nobody is served: {}{}",
            self._seconds,
            f"step {place.step} holds it in " if place.step else "it is in ",
            place.code,
        )


def where(frame: FrameType | None) -> Place:
    """Where a thread is whose innermost frame this is."""
    if frame is None:
        return Place("a thread that is gone", "")
    frames: list[FrameType] = []
    outer: FrameType | None = frame
    while outer is not None:
        frames.append(outer)
        outer = outer.f_back
    inner = next((each for each in frames if not each.f_code.co_filename.startswith(_PYTHON)), frame)
    running = next((each for each in frames if each.f_code in _RUNNING), None)
    code = f"{inner.f_code.co_filename}:{inner.f_lineno} {inner.f_code.co_name}"
    return Place(code, "" if running is None else _step(running))


def _step(frame: FrameType) -> str:
    pipeline, step = frame.f_locals.get("self"), frame.f_locals.get("step")
    if not isinstance(pipeline, Pipeline) or not isinstance(step, PlacedStep):
        return ""
    operation: Operation = pipeline.operation
    return f"{step.name} ({step.origin}) of {operation.name}"
