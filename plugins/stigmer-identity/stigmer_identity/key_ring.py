"""The method ``key``: the API keys as a running server knows them, at most a quarter of a second behind their file."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import NamedTuple, Self

from loguru import logger

from stigmer import Caller, ConfigurationError, Unavailable
from stigmer_identity.api_key import ApiKey, digest, id_of
from stigmer_identity.callers import caller
from stigmer_identity.key_file import KeyFile
from stigmer_identity.presented import Presented
from stigmer_identity.refusals import expired, invalid
from stigmer_identity.settings import Settings

LOOK_EVERY = 0.25
"""Seconds between two looks at the file."""
_SETTLED = 2.0
"""Seconds after which a file's times tell whether it was changed again; until then it is read anew."""
_UNLIKE_ANY = (-1,)
"""The signature of no file: at the next look the file is read."""


class _Entry(NamedTuple):
    digest: bytes
    caller: Caller
    revoked: bool
    expires: float | None


_NOBODY = _Entry(bytes(32), Caller(""), revoked=True, expires=None)
"""Compared with when the id is unknown, so that an unknown id takes as long as a wrong secret."""


class KeyRing:
    """The keys of one file."""

    def __init__(
        self, file: KeyFile, now: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._now = now
        self._monotonic = monotonic
        self._entries: dict[str, _Entry] | None = None
        self._content: bytes | None = None
        self._seen: tuple[int, ...] | None = _UNLIKE_ANY
        self._looked = -LOOK_EVERY

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], float]) -> Self:
        """The method that ``settings`` describe."""
        if settings.keys is None:
            raise ConfigurationError("STIGMER_IDENTITY_KEYS is not set")
        return cls(KeyFile(settings.keys), now)

    async def start(self) -> None:
        """Reads the file.

        Raises:
            ConfigurationError: the file is refused.
        """
        self._load()
        if not self._entries:
            logger.warning("{} holds no API keys yet; stigmer identity key create makes one", self._file.path)

    async def close(self) -> None:
        """Has nothing under way."""

    async def caller(self, presented: Presented) -> Caller | None:
        """Who calls; None without a key.

        Raises:
            Unauthenticated: the key is unknown, revoked or expired.
            Unavailable: the file cannot be read now: whether the key was revoked is not known.
        """
        if presented.key is None:
            return None
        self._follow()
        if self._entries is None:
            raise Unavailable("credentials cannot be checked now")
        entry = self._entries.get(id_of(presented.key) or "", _NOBODY)
        if not hmac.compare_digest(digest(presented.key), entry.digest):
            raise invalid("API key is unknown, or its secret wrong")
        if entry.revoked:
            raise invalid("API key is revoked")
        if entry.expires is not None and self._now() >= entry.expires:
            raise expired("API key has expired")
        return entry.caller

    def _follow(self) -> None:
        """Reads the file again if it changed since."""
        now = self._monotonic()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        if self._signature() == self._seen:
            return
        try:
            self._load()
        except ConfigurationError as error:
            if self._entries is not None:
                logger.error("API keys are refused until their file can be read: {}", error)
            self._entries = None

    def _load(self) -> None:
        signature = self._signature()
        self._seen = _UNLIKE_ANY
        content = self._file.content()
        if self._entries is None or content != self._content:
            keys = self._file.parse(content) if content is not None else ()
            self._entries = {key.id: _entry(key) for key in keys}
            self._content = content
        # Two changes within one tick of the file system's clock may look alike: trust the times once they are past.
        settled = signature is None or time.time() - signature[1] / 1e9 > _SETTLED
        self._seen = signature if settled else _UNLIKE_ANY

    def _signature(self) -> tuple[int, ...] | None:
        """What changes whenever the file does; None when it is not there or cannot be looked at."""
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size)


def _entry(key: ApiKey) -> _Entry:
    try:
        who = caller(key.caller, key.roles)
    except ValueError as error:
        raise ConfigurationError(f"API key {key.id}: {error}") from None
    ends = key.expires_at.timestamp() if key.expires_at is not None else None
    return _Entry(bytes.fromhex(key.sha256), who, key.revoked_at is not None, ends)
