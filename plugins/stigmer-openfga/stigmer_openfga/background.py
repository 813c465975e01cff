"""Reconciles now and then, while the server serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from loguru import logger

from stigmer import ConfigurationError, Kind, StigmerError, Store
from stigmer_openfga.client import Client
from stigmer_openfga.reconcile import Reconciliation


class Repairs:
    """A task that reconciles; what fails is tried again the next time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._task: asyncio.Task[None] | None = None

    def start(self, store: Store, kinds: Sequence[Kind[Any]], pause_seconds: float) -> None:
        """Begins, with a first run at once; a pause of 0 is never over."""
        if pause_seconds:
            self._task = asyncio.create_task(self._forever(store, kinds, pause_seconds))

    async def stop(self) -> None:
        """Ends it, half-way if need be: the next run goes on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _forever(self, store: Store, kinds: Sequence[Kind[Any]], pause_seconds: float) -> None:
        while True:
            try:
                report = await Reconciliation(self._client, store).run(kinds)
            except (StigmerError, ConfigurationError) as error:
                logger.warning("reconciling with OpenFGA failed: {}", error)
            except Exception:  # noqa: BLE001 - a bug here must not end the repairs for good
                logger.exception("reconciling with OpenFGA failed")
            else:
                if report.restored or report.removed:
                    logger.warning("reconciled with OpenFGA: {} tuples restored, {} removed", report.restored, report.removed)
            await asyncio.sleep(pause_seconds)
