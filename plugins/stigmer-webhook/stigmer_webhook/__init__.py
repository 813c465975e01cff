"""A plugin for stigmer that posts changes to a URL."""

from __future__ import annotations

from stigmer_webhook.plugin import Webhook
from stigmer_webhook.settings import Settings

__all__ = ["Settings", "Webhook", "plugin"]

plugin = Webhook()
