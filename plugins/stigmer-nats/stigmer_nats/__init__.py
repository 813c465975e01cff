"""A plugin for stigmer that publishes changes to NATS JetStream."""

from __future__ import annotations

from stigmer_nats.plugin import Nats
from stigmer_nats.settings import Settings

__all__ = ["Nats", "Settings", "plugin"]

plugin = Nats()
