"""The file of the API keys: read as a whole, replaced as a whole, changed by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from stigmer import ConfigurationError
from stigmer_identity.api_key import ApiKey

_MINE_ALONE = 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()


class KeyFile:
    """The API keys in the file at ``path``. A file that is not there holds no keys."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[ApiKey, ...]:
        """All keys, revoked ones too.

        Raises:
            ConfigurationError: the file cannot be read, holds something else, or others may write it.
        """
        content = self.content()
        return self.parse(content) if content is not None else ()

    def content(self) -> bytes | None:
        """What stands in the file; None when it is not there.

        Raises:
            ConfigurationError: it cannot be read, or others may write it.
        """
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & _OTHERS_WRITE:
                    raise ConfigurationError(f"{self.path}: others may write this file and let themselves in; chmod 600")
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"{self.path}: cannot be read: {error.strerror}") from None

    def parse(self, content: bytes) -> tuple[ApiKey, ...]:
        """The keys in ``content``.

        Raises:
            ConfigurationError: it is something else.
        """
        try:
            keys = _Content.model_validate_json(content).keys
        except ValidationError:  # its text quotes the file
            raise ConfigurationError(f"{self.path}: is no file of API keys, or damaged") from None
        if len({key.id for key in keys}) < len(keys):
            raise ConfigurationError(f"{self.path}: two keys have one id")
        return keys

    def change(self, change: Callable[[Sequence[ApiKey]], Sequence[ApiKey]]) -> None:
        """Writes what ``change`` makes of the keys; other processes that change them wait meanwhile.

        Whoever reads sees the keys before or after, and so does whoever reads after a crash.

        Raises:
            ConfigurationError: the file cannot be read or written.
        """
        try:
            target = self.path.resolve()
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(target.with_name(f"{target.name}.lock")):
                content = _Content(keys=tuple(change(KeyFile(target).read())))
                _replace(target, f"{content.model_dump_json(indent=1)}\n".encode())
        except OSError as error:
            raise ConfigurationError(f"{self.path}: cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock in a file of its own: the keys' own file is another one after each change."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MINE_ALONE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_alike(descriptor: int, target: Path) -> None:
    """Gives a file the owner and mode of the one it replaces: a server that could read that can read this."""
    if target.exists():
        found, mine = target.stat(), os.fstat(descriptor)
        if (found.st_uid, found.st_gid) != (mine.st_uid, mine.st_gid):
            os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & 0o644)


def _replace(target: Path, content: bytes) -> None:
    """Puts ``content`` where ``target`` is, durably; a file made by ``mkstemp`` has mode 0600 from the start."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            _make_alike(file.fileno(), target)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
