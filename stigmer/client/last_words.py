"""What a server said before it closed the connection."""

from __future__ import annotations

import contextlib
import os
from typing import Any


def unread(transport: Any) -> bytes:
    """What is left in the socket: asyncio leaves it unread when it is a write that finds the connection closed.

    Servers that close while a client still sends cause that, and GOAWAY is often the last that they say.
    """
    found = bytearray()
    if transport.get_extra_info("ssl_object") is None:
        with contextlib.suppress(OSError):
            while data := os.read(transport.get_extra_info("socket").fileno(), 65536):
                found += data
    return bytes(found)
