"""Files that appear whole or not at all, readable by nobody else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_SIDE_FILES = ("-journal", "-wal", "-shm")


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Gives an empty file to fill; at the end it takes the name ``path``, durably. After an error, nothing is left.

    Two at a time for the same ``path`` would be in each other's way.

    Raises:
        FileExistsError: ``path`` exists.
        OSError: it cannot be written there.
    """
    if os.path.lexists(path):
        raise FileExistsError(path)
    draft = beside(path, "-new")
    _remove(draft)
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield draft
        _sync(draft)
        _rename(draft, path)
        _sync(path.parent)
    finally:
        _remove(draft)


def sweep(path: Path) -> None:
    """Removes what a process left behind that was killed while it made ``path``."""
    _remove(beside(path, "-new"))


def side_files(path: Path) -> list[Path]:
    """Those of the files that SQLite keeps beside ``path`` that exist."""
    return [file for suffix in _SIDE_FILES if os.path.lexists(file := beside(path, suffix))]


def beside(path: Path, suffix: str) -> Path:
    """The file whose name is that of ``path`` and ``suffix``."""
    return path.with_name(path.name + suffix)


def _rename(draft: Path, path: Path) -> None:
    """Gives ``draft`` its name. A link never replaces what is there; where there are no links, we have just looked."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        draft.rename(path)


def _remove(draft: Path) -> None:
    for file in (draft, *side_files(draft)):
        file.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
