"""The plugin: a relay that begins and ends with the server, and the step that wakes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stigmer import ConfigurationError, Operation, Placement, hookimpl
from stigmer.publishing import Relay, publishing
from stigmer_webhook.settings import Settings, load_settings
from stigmer_webhook.sink import WebhookSink


class Webhook:
    """Posts to a URL, for one server at a time.

    Args:
        settings: those of the environment when left out, read when the first operation is put together.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._given = settings
        self._settings: Settings | None = None
        self._relay: Relay | None = None

    @hookimpl
    def contribute_steps(self, op: Operation) -> Iterator[Placement]:
        """A step of its own name, so that another plugin may bring Publish."""
        yield from publishing(op, self._assembled(), "PublishToWebhook")

    @hookimpl
    async def startup(self, app: Any) -> None:
        """Refuses to serve without a URL; from here on every change is posted."""
        relay = self._assembled()
        if self._settings is None or not self._settings.url:
            raise ConfigurationError("STIGMER_WEBHOOK_URL is not set")
        await relay.start(app.store, app.assembly.kinds, app.clock)

    @hookimpl
    async def shutdown(self) -> None:
        """Notes how far it has come."""
        relay, self._relay = self._relay, None
        if relay is not None:
            await relay.stop()

    def _assembled(self) -> Relay:
        if self._relay is None:
            self._settings = self._given or load_settings()
            self._relay = Relay(WebhookSink(self._settings), self._settings.consumer, self._settings.source)
        return self._relay
