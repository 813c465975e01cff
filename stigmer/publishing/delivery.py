"""Takes a batch of changes to a sink: many resources at once, those of one resource one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from loguru import logger

from stigmer.kind import Kind
from stigmer.publishing.cloud_event import CloudEvent
from stigmer.publishing.sink import Sink, TryAgain
from stigmer.store.feed import Change

AT_ONCE = 64
"""So many events are on their way to a sink at a time."""


class LostClaim(Exception):
    """It is another relay's turn: whatever is sent from here on might get before what that one sends."""


class Delivery:
    """Delivers the changes of one kind.

    Attributes:
        trouble: why the last batch did not go out as a whole; empty when it did.
    """

    def __init__(self, kind: Kind[Any], sink: Sink, source: str) -> None:
        self.trouble = ""
        self._kind = kind
        self._sink = sink
        self._source = source
        self._sent: set[int] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def deliver(self, changes: Sequence[Change], until: float) -> int:
        """Sends what was not sent before; gives the number up to which everything is.

        Args:
            changes: the next ones, in order, at least one.
            until: nothing is begun after that, on ``time.monotonic``.

        Raises:
            LostClaim: that moment came.
        """
        self.trouble = ""
        rows: dict[int, list[Change]] = {}
        for change in changes:
            rows.setdefault(change.sequence, []).append(change)
        async with asyncio.TaskGroup() as group:
            for row in rows.values():
                group.create_task(self._in_order(row, until))
        if time.monotonic() >= until:
            raise LostClaim
        done = changes[0].number - 1
        for change in changes:
            if change.number not in self._sent:
                break
            done = change.number
        self._sent = {number for number in self._sent if number > done}
        return done

    async def _in_order(self, row: Sequence[Change], until: float) -> None:
        """Sends the changes of one resource, up to the first that is not taken."""
        async with self._room:
            for change in row:
                if change.number in self._sent:
                    continue
                if time.monotonic() >= until or not await self._taken(change):
                    return
                self._sent.add(change.number)

    async def _taken(self, change: Change) -> bool:
        try:
            await self._sink.send(CloudEvent.of(self._kind, change, self._source))
        except TryAgain as error:
            self.trouble = str(error) or type(error).__name__
        except Exception as error:  # noqa: BLE001 - a sink's bug; the event is kept until it is mended
            logger.exception("a sink failed with change {} of {}", change.number, self._kind.key)
            self.trouble = type(error).__name__
        else:
            return True
        return False
