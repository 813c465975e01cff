"""Exit codes, and how a command ends when it cannot do what it was asked to."""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    """What the exit code of ``stigmer`` tells."""

    OK = 0
    REFUSED = 1
    """The server said no, or a check found something wrong."""
    USAGE = 2
    """Wrong usage, or a file that is no session."""
    UNREACHABLE = 69
    """The server is not there, or does not answer in time."""
    CONFIGURATION = 78
    """Settings, plugins, address or store file are refused."""


class CommandError(Exception):
    """An expected failure: ``text`` goes to standard error after ``error: ``, and the command exits with ``code``."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
