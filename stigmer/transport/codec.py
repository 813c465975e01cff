"""The codec of a server whose own messages are bytes already."""

from __future__ import annotations

from typing import Any

from grpclib.encoding.base import CodecBase
from grpclib.encoding.proto import ProtoCodec


class BytesCodec(CodecBase):
    """Lets messages of type ``bytes`` through as they are; everything else is a google.protobuf message."""

    __content_subtype__ = "proto"

    def __init__(self) -> None:
        self._messages = ProtoCodec()

    def encode(self, message: Any, message_type: Any) -> bytes:
        """The bytes of ``message``."""
        return message if message_type is bytes else self._messages.encode(message, message_type)

    def decode(self, data: bytes, message_type: Any) -> Any:
        """The message in ``data``."""
        return data if message_type is bytes else self._messages.decode(data, message_type)
