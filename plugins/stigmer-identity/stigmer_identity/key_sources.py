"""Where a provider's public keys come from: a file, a URL, or the URL that the issuer's own description names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from stigmer_identity.fetch import FetchError, fetch
from stigmer_identity.settings import Settings, check_transport, is_url

Source = Callable[[], Awaitable[bytes]]
"""Gives the key set as JSON; raises ``FetchError`` when it is not to be had."""
WELL_KNOWN = "/.well-known/openid-configuration"


def source_of(settings: Settings) -> Source:
    """The source that ``settings`` name."""
    wait = settings.jwks_timeout_seconds
    if settings.jwks is None:
        return lambda: _discovered(settings.issuer or "", wait, allow_http=settings.allow_http)
    place = settings.jwks
    if is_url(place):
        return lambda: fetch(place, wait)
    return lambda: _from_file(Path(place.removeprefix("file://")))


async def _from_file(path: Path) -> bytes:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise FetchError(error.strerror or "cannot be read") from None


async def _discovered(issuer: str, wait: float, *, allow_http: bool) -> bytes:
    """The set that the issuer's description names; a description of another issuer is refused."""
    description = await fetch(issuer.rstrip("/") + WELL_KNOWN, wait)
    try:
        found = json.loads(description)
        if found["issuer"] != issuer:
            raise FetchError("the description is of another issuer")
        url = str(found["jwks_uri"])
        check_transport(url, allow_http=allow_http)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FetchError("the issuer's description names no keys") from None
    return await fetch(url, wait)
