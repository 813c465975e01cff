"""Walks along pages, whatever they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar


class TokenPage(Protocol):
    """A page that names the one after it."""

    next_page_token: str


P = TypeVar("P", bound=TokenPage)


async def follow(fetch: Callable[[str], Awaitable[P]], token: str = "") -> AsyncIterator[P]:
    """Every page from the one that ``token`` fetches, by default the first; a page is asked for when the loop wants it."""
    while True:
        page = await fetch(token)
        yield page
        token = page.next_page_token
        if not token:
            return
