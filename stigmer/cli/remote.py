"""Calls a server from the command line.

The messages are protobuf-py's, not those of ``stigmer.client``: what the server sent is printed whole, to the nanosecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar

from protobuf import Message

from stigmer._proto.ai.stigmer.agentic.session.v1 import command_pb, history_pb, query_pb, watch_pb
from stigmer.cli.exits import Code, CommandError
from stigmer.cli.target import Target
from stigmer.client.connection import Connection
from stigmer.client.errors import DeadlineExceeded, SessionError, Unavailable
from stigmer.client.metadata import NOTHING, Metadata

T = TypeVar("T")

_READING = frozenset({"listVersions"})
"""Rpcs that change nothing in services that change something."""
_METHODS: Final = {
    method.name: (method, file is query_pb or method.name in _READING)
    for file in (command_pb, history_pb, query_pb, watch_pb)
    for service in file.desc().services
    for method in service.methods
}


class Remote:
    """A server's session services."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def call(self, rpc: str, request: Message[Any], metadata: Metadata = NOTHING) -> Any:
        """The answer of ``rpc``, named as in the proto.

        Raises:
            SessionError: the call failed.
        """
        method, reads = _METHODS[rpc]
        path = f"/{method.parent.type_name}/{method.name}"
        repeatable = reads or "idempotency-key" in metadata
        wire = await self._connection.call(path, request.to_binary(), repeatable=repeatable, metadata=metadata)
        return method.output.type.from_binary(wire)

    async def stream(self, rpc: str, request: Message[Any]) -> AsyncGenerator[Any, None]:
        """The messages of the answer of ``rpc``, as they come.

        Raises:
            SessionError: the call failed.
        """
        method, _ = _METHODS[rpc]
        path = f"/{method.parent.type_name}/{method.name}"
        async with contextlib.aclosing(self._connection.stream(path, request.to_binary())) as messages:
            async for wire in messages:
                yield method.output.type.from_binary(wire)


def with_server(target: Target, work: Callable[[Remote], Awaitable[T]]) -> T:
    """What ``work`` gives, done at ``target``.

    Raises:
        CommandError: it names no address, token or certificate that is one, the server cannot be reached, or refuses.
    """
    connection = _connection(target)
    try:
        return asyncio.run(_work(connection, work))
    except (DeadlineExceeded, Unavailable) as error:
        if error.reason:  # a server gave it: it is there, and says no
            raise CommandError(Code.REFUSED, _text(error)) from error
        raise CommandError(Code.UNREACHABLE, f"{target.server}: {error.text}") from error
    except SessionError as error:
        raise CommandError(Code.REFUSED, _text(error)) from error


def _connection(target: Target) -> Connection:
    token = target.token
    if token is not None and not (token.isascii() and token.isprintable()):
        raise CommandError(Code.USAGE, "--token: must be printable ASCII")
    metadata = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        return Connection(target.server, timeout=target.timeout, metadata=metadata, ssl=_tls(target))
    except ValueError as error:
        raise CommandError(Code.USAGE, f"--server: {error}") from error


def _tls(target: Target) -> ssl.SSLContext | None:
    """What TLS is spoken with; None for plain text."""
    if target.tls_ca is None:
        if target.tls_certificate or target.tls_key:
            raise CommandError(Code.USAGE, "--tls-certificate and --tls-key mean nothing without --tls-ca")
        return None
    with _worded("--tls-ca", target.tls_ca):
        context = ssl.create_default_context(cafile=None if target.tls_ca == "system" else target.tls_ca)
    context.set_alpn_protocols(["h2"])
    if target.tls_certificate is not None:
        with _worded("--tls-certificate", target.tls_certificate):
            context.load_cert_chain(target.tls_certificate, target.tls_key)
    elif target.tls_key is not None:
        raise CommandError(Code.USAGE, "--tls-key means nothing without --tls-certificate")
    return context


@contextlib.contextmanager
def _worded(option: str, path: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError:
        raise CommandError(Code.USAGE, f"{option} {path}: it does not hold what it should, in PEM") from None
    except OSError as error:
        raise CommandError(Code.USAGE, f"{option} {path}: {error.strerror}") from error


async def _work(connection: Connection, work: Callable[[Remote], Awaitable[T]]) -> T:
    try:
        return await work(Remote(connection))
    finally:
        connection.close()


def _text(error: SessionError) -> str:
    """The server's text; of broken rules, where the server names them one by one, a line each."""
    if len(error.violations) > 1:
        return "\n".join(["validation errors:", *(f" - {field}: {text}" for field, text in error.violations)])
    return error.text.replace("\n", " ")
