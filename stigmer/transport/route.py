"""What a server serves: path → handler, with all that can be known about its calls before the first one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from grpclib._typing import IServable
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase

from stigmer.transport.codec import BytesCodec


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """One rpc.

    Attributes:
        path: ``/package.Service/method``.
        func: the handler.
        request_type: for the codec.
        reply_type: for the codec.
        client_streaming: the request may be any number of messages.
        server_streaming: the answer may be any number of messages.
        unary: neither may: such calls have deadlines, and a stopping server waits for them.
        passes: requests are bytes, which the codec need not see.
        cardinality: both of them, in grpclib's word.
    """

    path: str
    func: Any
    request_type: Any
    reply_type: Any
    client_streaming: bool
    server_streaming: bool
    unary: bool
    passes: bool
    cardinality: Cardinality


def routes(mapping: Mapping[str, Handler], codec: CodecBase) -> dict[bytes, Route]:
    """The routes by path, as it stands in requests."""
    return {path.encode(): _route(path, handler, codec) for path, handler in mapping.items()}


def _route(path: str, handler: Handler, codec: CodecBase) -> Route:
    kind = handler.cardinality
    return Route(
        path=path,
        func=handler.func,
        request_type=handler.request_type,
        reply_type=handler.reply_type,
        client_streaming=kind.client_streaming,
        server_streaming=kind.server_streaming,
        unary=not (kind.client_streaming or kind.server_streaming),
        passes=handler.request_type is bytes and isinstance(codec, BytesCodec),
        cardinality=kind,
    )


def refuse_repetition(handlers: Collection[IServable]) -> None:
    """Makes sure that no two handlers claim the same path; grpclib itself would let the last one win.

    Raises:
        ValueError: two do.
    """
    seen: set[str] = set()
    for handler in handlers:
        for path in handler.__mapping__():
            if path in seen:
                raise ValueError(f"two handlers answer {path}")
            seen.add(path)
