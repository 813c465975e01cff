"""The sink: one POST for each event, signed, until somebody takes it or refuses it for good."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from collections import Counter

import httpx
from loguru import logger

from stigmer.publishing import CloudEvent, TryAgain
from stigmer_webhook.settings import Settings

_AGAIN = frozenset({408, 409, 425, 429})
"""Refusals that another time may not be."""


class WebhookSink:
    """A ``Sink`` that posts to a URL: CloudEvents in HTTP's binary mode, with the signature of Standard Webhooks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None
        self._refused: Counter[str] = Counter()

    async def send(self, event: CloudEvent) -> None:
        """See ``Sink``. An event that is refused for good is a dead letter, and what follows it goes on."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._settings.timeout_seconds, follow_redirects=False)
        try:
            answer = await self._client.post(self._settings.url, content=event.data, headers=self.headers_of(event))
        except httpx.HTTPError as error:
            raise TryAgain(f"the webhook cannot be reached: {type(error).__name__}") from error
        if answer.is_success:
            self._refused.pop(event.id, None)
            return
        self._refused[event.id] += 1
        for_good = answer.is_client_error and answer.status_code not in _AGAIN
        if not for_good and self._refused[event.id] < self._settings.attempts:
            raise TryAgain(f"the webhook answers {answer.status_code}")
        await asyncio.to_thread(self._bury, event, answer.status_code)
        self._refused.pop(event.id, None)

    async def close(self) -> None:
        """See ``Sink``."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def headers_of(self, event: CloudEvent) -> dict[str, str]:
        """Each attribute is a header, but for the content type, which is HTTP's own."""
        attributes = dict(event.attributes)
        headers = {"content-type": attributes.pop("datacontenttype")}
        headers |= {f"ce-{name}": value for name, value in attributes.items()}
        timestamp = str(int(time.time()))
        headers |= {"webhook-id": event.id, "webhook-timestamp": timestamp}
        if self._settings.key:
            signed = b".".join([event.id.encode(), timestamp.encode(), event.data])
            digest = hmac.new(self._settings.key, signed, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return headers

    def _bury(self, event: CloudEvent, status: int) -> None:
        """Adds to the dead letters, durably: what is there is not sent again."""
        letter = {**event.attributes, "data": json.loads(event.data), "refusedwith": status}
        with self._settings.dead_letters.open("a", encoding="utf-8") as file:
            file.write(json.dumps(letter, ensure_ascii=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        logger.error("event {} was refused for good with {}, and is a dead letter", event.id, status)
