"""Page tokens: opaque, tamper-proof, and good for one list, filter and caller only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

_POSITION_BYTES = 8
_MAC_BYTES = 16


def seal(secret: bytes, purpose: tuple[object, ...], position: int) -> str:
    """The token that leads to what follows ``position``.

    Args:
        secret: 32 bytes that every process on the same store knows.
        purpose: what the token is bound to, such as operation, filter and caller; made of what JSON can hold.
        position: a sequence, at least 0.
    """
    place = position.to_bytes(_POSITION_BYTES)
    return base64.urlsafe_b64encode(place + _mac(secret, purpose, place)).decode().rstrip("=")


def unseal(secret: bytes, purpose: tuple[object, ...], token: str) -> int | None:
    """The position in a token, or None when the token is damaged or was made for another purpose."""
    try:
        data = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    place, mac = data[:_POSITION_BYTES], data[_POSITION_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, purpose, place)):
        return None
    return int.from_bytes(place) if seal(secret, purpose, int.from_bytes(place)) == token else None


def _mac(secret: bytes, purpose: tuple[object, ...], place: bytes) -> bytes:
    bound = json.dumps(purpose, ensure_ascii=False, separators=(",", ":")).encode()
    return hmac.digest(secret, place + hashlib.sha256(bound).digest(), "sha256")[:_MAC_BYTES]
