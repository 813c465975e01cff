"""Copies a store while it serves. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from stigmer.errors import ConfigurationError
from stigmer.store.sqlite.files import appearing


def backup(connection: sqlite3.Connection, target: Path) -> None:
    """Writes a copy of one moment, without what deleted rows left behind.

    Raises:
        ConfigurationError: ``target`` exists or cannot be written.
        sqlite3.Error: the store cannot be read.
    """
    try:
        with appearing(target) as draft:
            connection.execute("VACUUM INTO ?", (str(draft),))
    except FileExistsError:
        raise ConfigurationError(f"backup {target}: it exists already") from None
    except OSError as error:
        raise ConfigurationError(f"backup {target}: {error.strerror or error}") from error
