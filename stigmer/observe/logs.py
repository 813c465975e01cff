"""Sets up the log: where it goes, which form its lines have, and what of other libraries gets into it."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from loguru import logger

from stigmer.observe.lines import FORMS
from stigmer.settings import Settings

_NEVER = logging.CRITICAL + 1


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Sends the log of this process, and nothing else of loguru's, to ``stream``: standard error unless another is given.

    Of libraries that use ``logging`` warnings and errors are let in. What they say at lower levels is for their authors; some
    of them print header values there.
    """
    logger.remove()
    _route_stdlib(max(logging.WARNING, logger.level(settings.log_level).no) if settings.log != "off" else _NEVER)
    if settings.log == "off":
        return
    out = stream if stream is not None else sys.stderr
    form = FORMS[settings.log]

    def write(message: object) -> None:
        out.write(form(message.record))  # type: ignore[attr-defined]  # loguru hands over a str that carries its record
        out.flush()

    # The form is given empty: loguru would put the finished line through str.format_map, where a user's brace is a directive.
    logger.add(write, level=settings.log_level, format=_nothing, backtrace=False, diagnose=False)


def _nothing(_record: object) -> str:
    return ""


def _route_stdlib(level: int) -> None:
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _ToLoguru):
            root.removeHandler(handler)
    root.addHandler(_ToLoguru())
    root.setLevel(level)


class _ToLoguru(logging.Handler):
    """Passes a record of the standard library on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Logs the record under the name of the library's logger."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a library's wrong format string must not fail the call that logs
            text = str(record.msg)
        logger.opt(exception=record.exc_info).log(_loguru_level(record), "{}", text, logger=record.name)


def _loguru_level(record: logging.LogRecord) -> str | int:
    try:
        return logger.level(record.levelname).name
    except ValueError:
        return record.levelno
