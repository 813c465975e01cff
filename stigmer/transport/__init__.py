"""HTTP/2 and gRPC below grpclib handlers: ``server.Server`` and its ``limits.Limits``. Imports nothing else of stigmer."""
