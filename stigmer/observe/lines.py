"""Makes a line of a log record, plain or JSON, such that no text in it can pass for another line or steer a terminal."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loguru import Record

LONGEST_FIELD = 500
LONGEST_TRACEBACK = 100
"""Lines of a traceback that are kept: the last ones, where the failure is."""

_BARE = re.compile(r"[!#-<>-\[\]-~]+")
"""What needs no quotes: visible ASCII but for the quote, the equals sign and the backslash."""


def plain(record: Record) -> str:
    """``time LEVEL message key=value …``, then the lines of a traceback, each behind a bar."""
    words = [record["time"].isoformat(timespec="milliseconds"), f"{record['level'].name:<7}", escaped(_cut(record["message"]))]
    words.extend(f"{key}={_word(value)}" for key, value in record["extra"].items() if value not in (None, ""))
    return "\n".join([" ".join(words), *(f"    | {line}" for line in _traceback(record)), ""])


def as_json(record: Record) -> str:
    """One flat JSON object: ``time``, ``level``, ``message``, the fields, and ``traceback`` as one text."""
    fields: dict[str, Any] = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "message": _cut(record["message"]),
    }
    for key, value in record["extra"].items():
        if value not in (None, ""):
            fields.setdefault(key, value if isinstance(value, int | float) else _cut(str(value)))
    if record["exception"] is not None:
        fields["traceback"] = "\n".join(_traceback(record))
    return _dumps(fields) + "\n"


FORMS: dict[str, Callable[[Record], str]] = {"plain": plain, "json": as_json}
"""How a record becomes text, by the setting ``log``."""


def escaped(text: str) -> str:
    """``text`` with all that does not print as itself written as an escape sequence."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text])


def _word(value: object) -> str:
    """A value of the plain form: in quotes unless it is one simple word, so that it cannot pass for another field."""
    text = str(value)
    if len(text) <= LONGEST_FIELD and _BARE.fullmatch(text):
        return text
    return '"' + escaped(_cut(text).replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_FIELD else text[:LONGEST_FIELD] + "…"


def _traceback(record: Record) -> Iterator[str]:
    """The lines of a traceback, one text each. Values of variables are not in it: they may be a user's."""
    raised = record["exception"]
    if raised is not None and raised.value is not None:
        lines = "".join(traceback.format_exception(raised.value)).splitlines()
        yield from (escaped(_cut(line)) for line in lines[-LONGEST_TRACEBACK:])


# DEL is the one control character that JSON lets through; the rest of ASCII it escapes, and all that is not ASCII.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def _dumps(fields: dict[str, Any]) -> str:
    return _encode(fields).replace("\x7f", "\\u007f")
