"""Gets a small document over HTTP: bounded in size and time, without redirects, and without holding the event loop."""

from __future__ import annotations

import asyncio
import functools
import ssl

import httpx

MAX_BYTES = 1024 * 1024


class FetchError(Exception):
    """The document was not to be had; the text says why in a few words."""


async def fetch(url: str, timeout: float) -> bytes:  # noqa: ASYNC109 - the whole exchange has this long, however the bytes trickle
    """The document at ``url``, which has ``timeout`` seconds to arrive.

    Certificates are checked against the machine's own trust store; ``SSL_CERT_FILE`` names another.

    Raises:
        FetchError: nobody answers, or not in time, or with something else than 200 and at most ``MAX_BYTES`` bytes.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _fetch(url)
    except TimeoutError:
        raise FetchError(f"no answer within {timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise FetchError(type(error).__name__) from None


@functools.cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _fetch(url: str) -> bytes:
    context = await asyncio.to_thread(_trust)  # reads hundreds of certificates
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with httpx.AsyncClient(verify=context, timeout=None, headers=headers) as client, client.stream("GET", url) as answer:  # noqa: S113 - `fetch` bounds the whole
        if answer.status_code != httpx.codes.OK:
            raise FetchError(f"HTTP status {answer.status_code}")
        content = bytearray()
        async for piece in answer.aiter_raw():
            content += piece
            if len(content) > MAX_BYTES:
                raise FetchError(f"more than {MAX_BYTES} bytes")
        return bytes(content)
