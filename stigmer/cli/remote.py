"""Calls a server from the command line.

The messages are protobuf-py's, not those of ``stigmer.client``: what the server sent is printed whole, to the nanosecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from protobuf import Message

from stigmer._proto.ai.stigmer.agentic.session.v1 import command_pb, query_pb
from stigmer.cli.exits import Code, CommandError
from stigmer.client.connection import Connection
from stigmer.client.errors import DeadlineExceeded, SessionError, Unavailable

T = TypeVar("T")

_METHODS: Final = {
    method.name: (method, file is query_pb)
    for file in (command_pb, query_pb)
    for service in file.desc().services
    for method in service.methods
}


class Remote:
    """A server's session services."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def call(self, rpc: str, request: Message[Any]) -> Any:
        """The answer of ``rpc``, named as in the proto.

        Raises:
            SessionError: the call failed.
        """
        method, reads = _METHODS[rpc]
        path = f"/{method.parent.type_name}/{method.name}"
        return method.output.type.from_binary(await self._connection.call(path, request.to_binary(), repeatable=reads))


def with_server(server: str, token: str | None, timeout: float, work: Callable[[Remote], Awaitable[T]]) -> T:
    """What ``work`` gives, done at ``server``.

    Raises:
        CommandError: ``server`` is no address, ``token`` no token, the server cannot be reached, or refuses.
    """
    connection = _connection(server, token, timeout)
    try:
        return asyncio.run(_work(connection, work))
    except (DeadlineExceeded, Unavailable) as error:
        if error.reason:  # a server gave it: it is there, and says no
            raise CommandError(Code.REFUSED, _text(error)) from error
        raise CommandError(Code.UNREACHABLE, f"{server}: {error.text}") from error
    except SessionError as error:
        raise CommandError(Code.REFUSED, _text(error)) from error


def _connection(server: str, token: str | None, timeout: float) -> Connection:
    if token is not None and not (token.isascii() and token.isprintable()):
        raise CommandError(Code.USAGE, "--token: must be printable ASCII")
    metadata = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        return Connection(server, timeout=timeout, metadata=metadata)
    except ValueError as error:
        raise CommandError(Code.USAGE, f"--server: {error}") from error


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
