"""The rpcs by name, sent over a ``Connection``."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from stigmer.client._proto.ai.stigmer.agentic.session.v1 import (
    SessionCommandControllerStub,
    SessionHistoryControllerStub,
    SessionQueryControllerStub,
)
from stigmer.client.connection import Connection
from stigmer.client.metadata import NOTHING, Metadata
from stigmer.client.options import Writing

M = TypeVar("M", bound=Any)


class _Calls:
    """Sends what the generated stubs ask for over a ``Connection``."""

    repeatable = False

    def __init__(self, connection: Connection, metadata: Metadata = NOTHING) -> None:
        self._connection = connection
        self._metadata = metadata

    def sending(self, how: Writing) -> Self:
        """The same calls, made like this. With a key a call that may have happened can be made again."""
        if not how:
            return self
        key = how.get("idempotency_key", "")
        metadata = {"idempotency-key": key} if key else {}
        if how.get("validate_only"):
            metadata["validate-only"] = "true"
        calls = type(self)(self._connection, metadata)
        calls.repeatable = bool(key)
        return calls

    async def _unary_unary(self, route: str, request: Any, response_type: type[M], **_: None) -> M:
        """The decoded answer of the rpc at ``route``."""
        wire = await self._connection.call(route, bytes(request), repeatable=self.repeatable, metadata=self._metadata)
        message: M = response_type.parse(wire)
        return message


class Commands(_Calls, SessionCommandControllerStub):  # type: ignore[misc] # `_unary_unary` leaves deadlines to the connection
    """Calls that change sessions."""


class Changes(_Calls, SessionHistoryControllerStub):  # type: ignore[misc] # as above
    """Calls that change sessions to what they were."""


class History(_Calls, SessionHistoryControllerStub):  # type: ignore[misc] # as above
    """Calls that look at what sessions were."""

    repeatable = True


class Queries(_Calls, SessionQueryControllerStub):  # type: ignore[misc] # as above
    """Calls that change nothing."""

    repeatable = True
