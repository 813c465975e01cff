"""One line of log for each call: what was asked, by whom, how it ended, and which step ended it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from loguru import logger

from stigmer.context import RequestContext
from stigmer.errors import StigmerError, Undecodable
from stigmer.observe.outcome import OK, STATUS_NAMES, status_of
from stigmer.operation import Operation
from stigmer.payload import Payload
from stigmer.pipeline import Handle
from stigmer.settings import Settings

_FAULTS = {
    "ERROR": frozenset({"UNKNOWN", "INTERNAL", "DATA_LOSS"}),
    "WARNING": frozenset(
        {"DEADLINE_EXCEEDED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "UNAVAILABLE", "UNAUTHENTICATED"}
    ),
}
_LEVELS = tuple(next((level for level, names in _FAULTS.items() if name in names), "INFO") for name in STATUS_NAMES)
"""The level of each status: ours to mend, worth a look, or the client's affair."""


class RequestLog:
    """Writes the lines. None carries what a client sent, but for its request id and what error texts echo."""

    def __init__(self, settings: Settings, trace_id: Callable[[], str] | None) -> None:
        """``trace_id`` gives the trace that runs now, in hexadecimal."""
        self._least = logger.level(settings.log_level).no
        self._trace_id = trace_id

    @staticmethod
    def listens(settings: Settings) -> bool:
        """Whether any line can ever be written."""
        return settings.log != "off" and logger.level(settings.log_level).no <= logger.level("ERROR").no

    def around(self, op: Operation, call_next: Handle) -> Handle:
        """``call_next`` with a line after each call."""
        name = op.name
        write = self._write
        says_ok = logger.level(_LEVELS[OK]).no >= self._least

        async def handle(ctx: RequestContext) -> Payload[Any]:
            start = perf_counter()
            try:
                answer = await call_next(ctx)
            except BaseException as error:
                self._write_failure(name, ctx, start, error)
                raise
            if says_ok:
                write(_LEVELS[OK], name, "OK", ctx, start)
            return answer

        return handle

    def _write_failure(self, name: str, ctx: RequestContext, start: float, error: BaseException) -> None:
        status = status_of(ctx, error)
        level = "WARNING" if isinstance(error, Undecodable) else _LEVELS[status]
        if logger.level(level).no < self._least:
            return
        about: dict[str, str] = {"step": ctx.step}
        if isinstance(error, StigmerError):
            about |= {"reason": error.reason, "error": error.text}
        elif not isinstance(error, asyncio.CancelledError):
            about |= {"reason": "INTERNAL", "error": type(error).__name__}
        bug = _bug(error) if level == "ERROR" else None
        self._write(level, name, STATUS_NAMES[status], ctx, start, about=about, bug=bug)

    def _write(
        self,
        level: str,
        name: str,
        status: str,
        ctx: RequestContext,
        start: float,
        *,
        about: dict[str, str] | None = None,
        bug: BaseException | None = None,
    ) -> None:
        # All goes in as fields. The template is a constant: a user's text in its place could raise, or read attributes.
        log = logger if bug is None else logger.opt(exception=bug)
        log.log(
            level,
            "call",
            operation=name,
            status=status,
            duration_ms=round((perf_counter() - start) * 1000, 3),
            request_id=ctx.request_id,
            **({"trace_id": self._trace_id()} if self._trace_id is not None else {}),
            caller=ctx.caller.id,
            peer=ctx.info.peer,
            **(about or {}),
        )


def _bug(error: BaseException) -> BaseException | None:
    """The exception whose traceback tells what to mend; none when an expected error says all."""
    return error.__cause__ if isinstance(error, StigmerError) else error
