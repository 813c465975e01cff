"""How connections on libnghttp2 let the server send: all it has, or as much as is taken."""

from __future__ import annotations

from ngh2 import Configuration

_LARGEST_HEADERS = 2**24
"""How large metadata may be is the server's business."""

FREELY = Configuration(max_send_header_block_length=_LARGEST_HEADERS)
PACED = Configuration(max_send_header_block_length=_LARGEST_HEADERS, auto_window_update=False)
