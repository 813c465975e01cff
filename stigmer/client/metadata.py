"""What is sent along with a call."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

Metadata: TypeAlias = Mapping[str, str | bytes]
"""Names in lower case; values of names that end in ``-bin`` are bytes."""

NOTHING: Metadata = MappingProxyType({})
