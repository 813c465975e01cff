"""A plugin for stigmer that decides who may do what, with OpenFGA."""

from __future__ import annotations

from stigmer_openfga.plugin import OpenFga
from stigmer_openfga.settings import Settings

plugin = OpenFga()
"""What the entry point names: settings come from the environment."""

__all__ = ["OpenFga", "Settings", "plugin"]
