"""The sink: publishes an event and waits until JetStream has stored it."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError

from stigmer.publishing import CloudEvent, TryAgain
from stigmer_nats.connection import connect, ensure_stream
from stigmer_nats.settings import Settings

MESSAGE_ID = "Nats-Msg-Id"
"""By which JetStream drops what it has already."""
_HEADROOM = 4096
"""Of the largest message, for headers and for the protocol."""


class NatsSink:
    """A ``Sink`` in front of a JetStream stream."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._connecting = asyncio.Lock()

    async def send(self, event: CloudEvent) -> None:
        """See ``Sink``."""
        stream = self._stream or await self._connected()
        largest = (self._client.max_payload if self._client is not None else 0) - _HEADROOM
        headers = headers_of(event)
        data = event.data
        if len(data) > largest:
            data = b""
            headers["ce-dataref"] = f"/{event.kind}/{event.subject}?version={event.attributes.get('versionid', '')}"
        subject = subject_of(self._settings.subject, event.kind, event.subject)
        try:
            await stream.publish(subject, data, timeout=self._settings.timeout_seconds, headers=headers)
        except NoStreamResponseError as error:
            self._stream = None  # it was removed, or JetStream is not ready yet
            raise TryAgain(f"there is no stream for {self._settings.subject}.>") from error
        except (Error, OSError, TimeoutError) as error:
            if self._client is None or self._client.is_closed:
                self._stream = None
            raise TryAgain(f"NATS does not acknowledge: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """See ``Sink``."""
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            await client.close()

    async def _connected(self) -> JetStreamContext:
        async with self._connecting:
            if self._stream is None:
                if self._client is None or self._client.is_closed:
                    self._client = await connect(self._settings)
                stream = self._client.jetstream(timeout=self._settings.timeout_seconds)
                await ensure_stream(stream, self._settings)
                self._stream = stream
            return self._stream


def subject_of(prefix: str, kind: str, id_: str) -> str:
    """The subject of a resource's events: its id is one token, so a dot in it is written ``%2E``."""
    return f"{prefix}.{kind}.{quote(id_, safe='-_~').replace('.', '%2E')}"


def headers_of(event: CloudEvent) -> dict[str, str]:
    """Binary mode: each attribute is a header."""
    attributes = {f"ce-{name}": _fit(value) for name, value in event.attributes.items()}
    return {MESSAGE_ID: event.id, **attributes}


def _fit(value: str) -> str:
    """Text as CloudEvents encodes it in headers."""
    return quote(value, safe=" !#$&'()*+,/:;=?@[]<>^`{|}~") if not value.isascii() or not value.isprintable() else value
