"""A plugin for stigmer that bounds how fast callers and organizations call, and how much they store."""

from __future__ import annotations

from stigmer_limits.plugin import Limits
from stigmer_limits.settings import Allowance, Settings

__all__ = ["Allowance", "Limits", "Settings", "plugin"]

plugin = Limits()
