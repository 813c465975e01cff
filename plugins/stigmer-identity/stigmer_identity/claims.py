"""What a token says about its bearer: until when it holds, who it is, which roles it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stigmer_identity.refusals import expired, invalid

_LATEST = 2.0**53
"""Later times are no times: they do not even add up exactly."""


def check_times(claims: Mapping[str, Any], now: float, leeway: float) -> float:
    """Makes sure that the token holds now, give or take ``leeway``; until when it does, in seconds since the Unix epoch.

    Raises:
        Unauthenticated: it does not, or does not say until when.
    """
    end = _time(claims, "exp")
    if end is None:
        raise invalid("token has no exp")
    if any((start := _time(claims, name)) is not None and start > now + leeway for name in ("nbf", "iat")):
        raise invalid("token is not valid yet")
    if now >= end + leeway:
        raise expired("token has expired")
    return end + leeway


def roles(claims: Mapping[str, Any], name: str) -> list[str]:
    """The roles in the claim ``name``: a list, or words in a text; none when the claim is not there.

    Raises:
        Unauthenticated: the claim holds something else.
    """
    found = _claim(claims, name) if name else None
    if found is None:
        return []
    words = found.split() if isinstance(found, str) else found
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise invalid("token has roles that are neither a list nor words")
    return words


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of exactly this name, else the one that the name's dots lead to."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise invalid(f"token has an {name} that is no time")
    return float(value)
