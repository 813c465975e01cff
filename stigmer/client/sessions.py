"""The client for sessions."""

from __future__ import annotations

import contextlib
import ssl as _ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from grpclib.client import Channel

from stigmer.client._proto.ai.stigmer.agentic.session.v1 import (
    BatchGetSessionsRequest,
    ListSessionsByAgentRequest,
    ListSessionsRequest,
    ListSessionVersionsRequest,
    RestoreSessionRequest,
    Session,
    SessionEvent,
    SessionEventType,
    SessionId,
    SessionList,
    SessionVersion,
    SessionVersionList,
    WatchSessionsRequest,
)
from stigmer.client._proto.ai.stigmer.commons.apiresource import ApiResourceReference
from stigmer.client.connection import TIMEOUT, Connection
from stigmer.client.errors import Aborted
from stigmer.client.metadata import Metadata
from stigmer.client.mirror import mirrored
from stigmer.client.options import Selection, Watched, Writing, list_fields, mask_of, watch_fields
from stigmer.client.paging import follow
from stigmer.client.resuming import Place, resuming
from stigmer.client.stubs import Changes, Commands, History, Queries

M = TypeVar("M", bound=Any)

_WATCH = "/ai.stigmer.agentic.session.v1.SessionWatchController/watch"
_NOT_CURRENT = "VERSION_NOT_CURRENT"


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
        self._commands = Commands(self._connection)
        self._queries = Queries(self._connection)
        self._changes = Changes(self._connection)
        self._history = History(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection, unless it was handed in as a channel."""
        self._connection.close()

    async def create(self, session: Session, **how: Unpack[Writing]) -> Session:
        """Stores a new session under a free slug and gives it as stored."""
        return await self._commands.sending(how).create(session)

    async def update(self, session: Session, **how: Unpack[Writing]) -> Session:
        """Replaces the spec of the session with this id, or else slug, and of its metadata what is given.

        With ``metadata.version`` as it was read it replaces nothing else: if somebody has changed the session since, it raises
        Aborted with the reason VERSION_NOT_CURRENT.
        """
        return await self._commands.sending(how).update(session)

    async def apply(self, session: Session, **how: Unpack[Writing]) -> Session:
        """Updates the session that id or slug name, or creates it; writes nothing when nothing would change."""
        return await self._commands.sending(how).apply(session)

    async def delete(self, session_id: str, **how: Unpack[Writing]) -> Session:
        """Removes the session for good and gives what it was."""
        return await self._commands.sending(how).delete(SessionId(value=session_id))

    async def restore(
        self, session_id: str, version_id: str, *, message: str = "", current_version_id: str = "", **how: Unpack[Writing]
    ) -> Session:
        """Makes a session what it was in an earlier version; only if ``current_version_id`` is current, where it is given."""
        request = RestoreSessionRequest(
            session_id=session_id, version_id=version_id, message=message, current_version_id=current_version_id
        )
        return await self._changes.sending(how).restore(request)

    async def modify(self, session_id: str, change: Callable[[Session], None]) -> Session:
        """Reads a session, lets ``change`` change it, and writes it; again and again until nobody came in between."""
        while True:
            session = await self.get(session_id)
            change(session)
            try:
                return await self.update(session)
            except Aborted as error:
                if error.reason != _NOT_CURRENT:
                    raise

    async def get(self, session_id: str, *, read_mask: Sequence[str] = ()) -> Session:
        """The session with this id; with a ``read_mask``, such as ``["metadata.name", "spec"]``, only those fields of it."""
        return await self._queries.get(SessionId(value=session_id, read_mask=mask_of(read_mask)))

    async def batch_get(self, session_ids: Sequence[str], *, read_mask: Sequence[str] = ()) -> Sequence[Session]:
        """The sessions with these ids, 1,000 at most, in the order of the ids; NotFound when one of them is unknown."""
        request = BatchGetSessionsRequest(ids=[*session_ids], read_mask=mask_of(read_mask))
        return (await self._queries.batch_get(request)).sessions

    async def get_by_reference(self, reference: ApiResourceReference) -> Session:
        """The session with this slug in an organization, or among the caller's own when no organization is given."""
        return await self._queries.get_by_reference(reference)

    async def list(self, *, tags: Sequence[str] = (), page_token: str = "", **selection: Unpack[Selection]) -> SessionList:
        """One page of the sessions that carry all of ``tags`` and are selected."""
        request = ListSessionsRequest(tags=[*tags], page_token=page_token, **list_fields(selection))
        return await self._queries.list(request)

    async def list_by_agent(
        self, agent_instance_id: str, *, page_token: str = "", **selection: Unpack[Selection]
    ) -> SessionList:
        """One page of the sessions with this agent instance that are selected."""
        request = ListSessionsByAgentRequest(agent_id=agent_instance_id, page_token=page_token, **list_fields(selection))
        return await self._queries.list_by_agent(request)

    async def list_versions(self, session_id: str, *, page_size: int = 0, page_token: str = "") -> SessionVersionList:
        """One page of the versions of a session that are kept, the newest first."""
        request = ListSessionVersionsRequest(session_id=session_id, page_size=page_size, page_token=page_token)
        return await self._history.list_versions(request)

    async def versions(self, session_id: str) -> AsyncIterator[SessionVersion]:
        """All versions of a session that are kept, the newest first; pages are fetched on the way."""
        async for page in follow(lambda token: self.list_versions(session_id, page_token=token)):
            for version in page.entries:
                yield version

    async def watch(
        self, *, resume_token: str = "", initial_list: bool = False, bookmarks: bool = False, **selection: Unpack[Watched]
    ) -> AsyncGenerator[SessionEvent, None]:
        """What happens to the sessions that are selected, as it happens, until it is closed.

        It goes on by itself where it was when the connection breaks or the server restarts, as long as that takes: no event is
        missing and none comes twice, but that an initial list which is interrupted begins again.

        Args:
            resume_token: of the last event that was handled; from now on when empty.
            initial_list: everything that is there comes first.
            bookmarks: give those, too; they tell nothing but a newer token.
            selection: which sessions, and what of them.

        Raises:
            OutOfRange: what follows the token is no longer kept, or the caller may see other sessions than before.
        """
        begin = partial(self._watch, watch_fields(selection))
        async with contextlib.aclosing(resuming(begin, Place(resume_token, listed=initial_list))) as events:
            async for event in events:
                if bookmarks or event.type != SessionEventType.BOOKMARK:
                    yield event

    async def live(self, **selection: Unpack[Watched]) -> AsyncGenerator[Mapping[str, Session], None]:
        """The sessions that are selected, by id: first as they are, and again after each change, for ever.

        It is always the same mapping, which is brought up to date.
        """
        there: dict[str, Session] = {}
        if selection.get("read_mask"):
            selection["read_mask"] = [*selection["read_mask"], "metadata.id"]
        begin = partial(self._watch, watch_fields(selection))
        async with contextlib.aclosing(mirrored(begin, there)) as states:
            async for _ in states:
                yield there

    async def _watch(self, fields: dict[str, Any], place: Place) -> AsyncGenerator[SessionEvent, None]:
        request = WatchSessionsRequest(**fields, resume_token=place.token, initial_list=place.listed)
        async with contextlib.aclosing(self._connection.stream(_WATCH, bytes(request))) as messages:
            async for message in messages:
                yield SessionEvent.parse(message)

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
