"""The client for sessions."""

from __future__ import annotations

import ssl as _ssl
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

from grpclib.client import Channel

from stigmer.client._proto.ai.stigmer.agentic.session.v1 import (
    BatchGetSessionsRequest,
    ListSessionsByAgentRequest,
    ListSessionsRequest,
    Session,
    SessionCommandControllerStub,
    SessionId,
    SessionList,
    SessionQueryControllerStub,
)
from stigmer.client._proto.ai.stigmer.commons.apiresource import ApiResourceReference
from stigmer.client._proto.google.protobuf import FieldMask
from stigmer.client.connection import TIMEOUT, Connection, Metadata
from stigmer.client.paging import follow

M = TypeVar("M", bound=Any)


class Selection(TypedDict, total=False):
    """Which sessions a list selects, in which order, and what it answers of each.

    Attributes:
        filter: such as ``labels.team = "search" AND created_at > "2026-01-01T00:00:00Z"``; all sessions without.
        query: words that name or subject have; one that ends in ``*`` stands for all that begin so.
        order_by: ``created_at``, ``updated_at`` or ``name``, perhaps with ``desc`` behind it; in order of creation without.
        read_mask: paths of the fields that are answered, such as ``["metadata.name", "spec.subject"]``; all without.
        page_size: at most so many sessions a page, 1,000 at most; 100 without.
    """

    filter: str
    query: str
    order_by: str
    read_mask: Sequence[str]
    page_size: int


class SessionClient:
    """Creates, reads, changes and lists sessions.

    Such as::

        async with SessionClient("127.0.0.1:7234") as client:
            session = await client.create(Session(metadata=..., spec=...))
            async for each in client.sessions(tags=["urgent"]):
                print(each.metadata.id)

    One client serves any number of concurrent calls over one connection, made at the first call and made anew when it is
    lost, or when the server parts from it. A read that the loss of the connection interrupts is repeated once; a write never
    is. What the server says it has not begun with is made again, a few times within the call's own time.

    The messages are betterproto2's. Times are ``datetime`` values, so nanoseconds below the microsecond are cut off; nothing
    is lost, as the server's clock counts microseconds. Fields that this client does not know survive reading a message and
    writing it back, but not ``copy.copy`` or ``copy.deepcopy`` of it.

    A call that is cancelled, or outlives an ``asyncio.timeout`` around it, is cancelled on the server too.

    Every method raises ``SessionError``, or the subclass that fits, when the call fails.
    """

    def __init__(
        self,
        target: str | Channel = "127.0.0.1:7234",
        *,
        token: str | None = None,
        timeout: float | None = TIMEOUT,
        metadata: Metadata | None = None,
        ssl: _ssl.SSLContext | None = None,
    ) -> None:
        """Makes a client; nothing is sent before the first call.

        Args:
            target: ``HOST:PORT`` or ``unix:PATH``, or a grpclib channel, which stays open when the client closes.
            token: sent with every call as ``authorization: Bearer <token>``.
            timeout: seconds within which each call must be answered; None waits for ever.
            metadata: sent with every call; names in lower case, values of names that end in ``-bin`` are bytes.
            ssl: speak TLS like this; plain text without.

        Raises:
            ValueError: ``target`` is text, but no address.
        """
        bearer = {} if token is None else {"authorization": f"Bearer {token}"}
        self._connection = Connection(target, timeout=timeout, metadata={**(metadata or {}), **bearer}, ssl=ssl)
        self._commands = _Commands(self._connection)
        self._queries = _Queries(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection, unless it was handed in as a channel."""
        self._connection.close()

    async def create(self, session: Session) -> Session:
        """Stores a new session under a free slug and gives it as stored."""
        return await self._commands.create(session)

    async def update(self, session: Session) -> Session:
        """Replaces the spec of the session with this id, or else slug, and of its metadata what is given."""
        return await self._commands.update(session)

    async def apply(self, session: Session) -> Session:
        """Updates the session that id or slug name, or creates it; writes nothing when nothing would change."""
        return await self._commands.apply(session)

    async def delete(self, session_id: str) -> Session:
        """Removes the session for good and gives what it was."""
        return await self._commands.delete(SessionId(value=session_id))

    async def get(self, session_id: str, *, read_mask: Sequence[str] = ()) -> Session:
        """The session with this id; with a ``read_mask``, such as ``["metadata.name", "spec"]``, only those fields of it."""
        return await self._queries.get(SessionId(value=session_id, read_mask=_mask(read_mask)))

    async def batch_get(self, session_ids: Sequence[str], *, read_mask: Sequence[str] = ()) -> Sequence[Session]:
        """The sessions with these ids, 1,000 at most, in the order of the ids; NotFound when one of them is unknown."""
        request = BatchGetSessionsRequest(ids=[*session_ids], read_mask=_mask(read_mask))
        return (await self._queries.batch_get(request)).sessions

    async def get_by_reference(self, reference: ApiResourceReference) -> Session:
        """The session with this slug in an organization, or among the caller's own when no organization is given."""
        return await self._queries.get_by_reference(reference)

    async def list(self, *, tags: Sequence[str] = (), page_token: str = "", **selection: Unpack[Selection]) -> SessionList:
        """One page of the sessions that carry all of ``tags`` and are selected."""
        request = ListSessionsRequest(tags=[*tags], page_token=page_token, **_fields(selection))
        return await self._queries.list(request)

    async def list_by_agent(
        self, agent_instance_id: str, *, page_token: str = "", **selection: Unpack[Selection]
    ) -> SessionList:
        """One page of the sessions with this agent instance that are selected."""
        request = ListSessionsByAgentRequest(agent_id=agent_instance_id, page_token=page_token, **_fields(selection))
        return await self._queries.list_by_agent(request)

    def pages(self, *, tags: Sequence[str] = (), **selection: Unpack[Selection]) -> AsyncIterator[SessionList]:
        """All pages of ``list``."""
        return follow(lambda token: self.list(tags=tags, page_token=token, **selection))

    def pages_by_agent(self, agent_instance_id: str, **selection: Unpack[Selection]) -> AsyncIterator[SessionList]:
        """All pages of ``list_by_agent``."""
        return follow(lambda token: self.list_by_agent(agent_instance_id, page_token=token, **selection))

    async def sessions(self, *, tags: Sequence[str] = (), **selection: Unpack[Selection]) -> AsyncIterator[Session]:
        """All sessions that carry all of ``tags`` and are selected; pages are fetched on the way."""
        async for page in self.pages(tags=tags, **selection):
            for session in page.entries:
                yield session

    async def sessions_by_agent(self, agent_instance_id: str, **selection: Unpack[Selection]) -> AsyncIterator[Session]:
        """All sessions with this agent instance that are selected; pages are fetched on the way."""
        async for page in self.pages_by_agent(agent_instance_id, **selection):
            for session in page.entries:
                yield session


def _fields(selection: Selection) -> dict[str, Any]:
    """The fields of a request."""
    return {**selection, "read_mask": _mask(selection.get("read_mask", ()))}


def _mask(paths: Sequence[str]) -> FieldMask | None:
    return FieldMask(paths=[*paths]) if paths else None


class _Calls:
    """Sends what the generated stubs ask for over a ``Connection``."""

    repeatable = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _unary_unary(self, route: str, request: Any, response_type: type[M], **_: None) -> M:
        """The decoded answer of the rpc at ``route``."""
        wire = await self._connection.call(route, bytes(request), repeatable=self.repeatable)
        message: M = response_type.parse(wire)
        return message


class _Commands(_Calls, SessionCommandControllerStub):  # type: ignore[misc] # `_unary_unary` leaves deadlines to the connection
    """Calls that change sessions."""


class _Queries(_Calls, SessionQueryControllerStub):  # type: ignore[misc] # as above
    """Calls that change nothing."""

    repeatable = True
