"""HTTP/2 and gRPC below grpclib handlers. Imports nothing else of stigmer, and could be a package of its own."""

from stigmer.transport.framing import BytesCodec, receive_unary
from stigmer.transport.reflection import reflection
from stigmer.transport.server import Server

__all__ = ["BytesCodec", "Server", "receive_unary", "reflection"]
