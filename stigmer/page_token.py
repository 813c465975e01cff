"""Page tokens: opaque, tamper-proof, and good for one list, filter and caller only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from stigmer.store.selection import Position

_SEQUENCE_BYTES = 8
_MAC_BYTES = 16
_TEXT, _NUMBER = b"t", b"n"


def seal(secret: bytes, purpose: tuple[object, ...], position: Position) -> str:
    """The token that leads to what follows ``position``.

    Args:
        secret: 32 bytes that every process on the same store knows.
        purpose: what the token is bound to, such as operation, filter and caller; made of what JSON can hold.
        position: its sequence is at least 0.
    """
    place = position.sequence.to_bytes(_SEQUENCE_BYTES) + _key_bytes(position.key)
    return base64.urlsafe_b64encode(place + _mac(secret, purpose, place)).decode().rstrip("=")


def unseal(secret: bytes, purpose: tuple[object, ...], token: str) -> Position | None:
    """The position in a token, or None when the token is damaged or was made for another purpose."""
    try:
        data = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    place, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    if len(place) < _SEQUENCE_BYTES or not hmac.compare_digest(mac, _mac(secret, purpose, place)):
        return None
    position = Position(int.from_bytes(place[:_SEQUENCE_BYTES]), _key(place[_SEQUENCE_BYTES:]))
    return position if seal(secret, purpose, position) == token else None


def _key_bytes(key: str | int) -> bytes:
    """What the order goes by; nothing in order of creation."""
    if isinstance(key, int):
        return _NUMBER + key.to_bytes(8, signed=True)
    return _TEXT + key.encode() if key else b""


def _key(data: bytes) -> str | int:
    """The opposite of ``_key_bytes``."""
    return int.from_bytes(data[1:], signed=True) if data[:1] == _NUMBER else data[1:].decode()


def _mac(secret: bytes, purpose: tuple[object, ...], place: bytes) -> bytes:
    bound = json.dumps(purpose, ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.blake2b(place + hashlib.blake2b(bound).digest(), digest_size=_MAC_BYTES, key=secret).digest()
