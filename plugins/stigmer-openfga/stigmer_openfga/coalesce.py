"""Checks that wait at the same time go out together, and those that are the same are asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from stigmer_openfga.client import Client, Relation, left
from stigmer_openfga.connection import NoAnswer


class _Question(NamedTuple):
    relation: Relation
    fresh: bool


class Checks:
    """Asks whether callers may do things.

    A check that is asked already, but has not gone out yet, is shared. One that has gone out is shared only where caches
    are allowed: it may have been decided before a revocation that was acknowledged before this question came.
    """

    def __init__(self, client: Client, *, size: int, batches: int, seconds: float) -> None:
        self._client = client
        self._size = size
        self._batches = batches
        self._seconds = seconds
        self._waiting: dict[_Question, asyncio.Future[bool]] = {}
        self._asked: dict[_Question, asyncio.Future[bool]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def allowed(self, question: Relation, *, fresh: bool, deadline: float | None = None) -> bool:
        """Whether it holds.

        Args:
            question: who, what, on which object.
            fresh: not out of OpenFGA's caches.
            deadline: on the clock of ``time.monotonic()``.

        Raises:
            NoAnswer: OpenFGA did not say in time.
        """
        answer = self._answer(_Question(question, fresh))
        try:
            async with asyncio.timeout(left(self._seconds, deadline)):
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise NoAnswer from error

    async def close(self) -> None:
        """Gives up what is under way; whoever waits gets ``NoAnswer``."""
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            _fail(answer)
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _answer(self, question: _Question) -> asyncio.Future[bool]:
        found = self._waiting.get(question)
        if found is None and not question.fresh:
            found = self._asked.get(question)
        if found is None:
            found = self._waiting[question] = asyncio.get_running_loop().create_future()
            self._schedule()
        return found

    def _schedule(self) -> None:
        """Sends what waits at the end of this turn of the loop, so that what comes in the same turn goes along."""
        if self._waiting and not self._scheduled and len(self._running) < self._batches:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._running) < self._batches:
            first = next(iter(self._waiting))
            alike = [question for question in self._waiting if question.fresh == first.fresh][: self._size]
            batch = {question: self._waiting.pop(question) for question in alike}
            self._asked.update(batch)
            task = asyncio.get_running_loop().create_task(self._ask(batch))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _ask(self, batch: dict[_Question, asyncio.Future[bool]]) -> None:
        answers: Sequence[bool | None] = [None] * len(batch)
        try:
            answers = await self._told(list(batch))
        except NoAnswer:
            pass  # every question is answered below, with None
        finally:
            for (question, future), answer in zip(batch.items(), answers, strict=True):
                if self._asked.get(question) is future:
                    del self._asked[question]
                _fail(future) if answer is None else _settle(future, answer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Makes room for what waits; not before the task is over, or the last one would find no room for it."""
        self._running.discard(task)
        self._schedule()

    async def _told(self, questions: list[_Question]) -> Sequence[bool | None]:
        fresh, relations = questions[0].fresh, [question.relation for question in questions]
        if len(relations) == 1:
            return [await self._client.check(relations[0], fresh=fresh)]
        return await self._client.check_all(relations, fresh=fresh)


def _settle(future: asyncio.Future[bool], answer: bool) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_exception(NoAnswer())
        future.exception()  # whoever waited may have given up: then nobody else would look at it
