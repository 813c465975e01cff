"""An API key: how it is written, how it is made, and what is kept of it."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime
from typing import Annotated, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

PREFIX = "stigmer_"
"""Every key begins with it, so that people and scanners of leaked secrets know one when they see one."""
_ID_BYTES, _SECRET_BYTES = 8, 32


class Minted(NamedTuple):
    """A new key: its public id, and the whole of it, which is shown once and kept nowhere."""

    id: str
    text: str


class ApiKey(BaseModel):
    """What is kept of a key.

    The secret has 256 random bits: nobody can try them all, so one round of SHA-256 keeps it. A slow hash is for secrets that
    people think up; here it would only make every call slow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z2-7]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    caller: str
    roles: tuple[str, ...] = ()
    description: str = ""
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    @classmethod
    def kept(cls, minted: Minted, caller: str, created_at: datetime) -> Self:
        """The record of a new key without roles, description and end."""
        return cls(id=minted.id, sha256=digest(minted.text).hex(), caller=caller, created_at=created_at)

    def state(self, now: datetime) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "active"


def mint() -> Minted:
    """A new key, from the operating system's random numbers."""
    id_ = _base32(_ID_BYTES)
    return Minted(id_, f"{PREFIX}{id_}_{_base32(_SECRET_BYTES)}")


def id_of(text: str) -> str | None:
    """The public id within a key; None when ``text`` is not written like one."""
    id_, separator, secret = text.removeprefix(PREFIX).partition("_")
    return id_ if text.startswith(PREFIX) and id_ and separator and secret else None


def digest(text: str) -> bytes:
    """What is kept of a key's text."""
    return hashlib.sha256(text.encode()).digest()


def _base32(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()
