"""A watcher over grpcio, and the state that its events add up to."""

from __future__ import annotations

import asyncio
import contextlib

import grpc

from stigmer._proto.ai.stigmer.agentic.session.v1.watch_pb import SessionEvent, WatchSessionsRequest

PATH = "/ai.stigmer.agentic.session.v1.SessionWatchController/watch"
TYPES = SessionEvent.Type


class Watcher:
    """One call of watch. What it has seen adds up in ``state``: id → session."""

    def __init__(self, wire, request, **options):
        rpc = wire.channel.unary_stream(
            PATH, request_serializer=lambda each: each.to_binary(), response_deserializer=SessionEvent.from_binary
        )
        self.call = rpc(request, **{"metadata": wire._metadata, **options})
        self.state: dict[str, object] = {}
        self.token = ""
        self.wrong: list[str] = []

    async def next(self, seconds: float = 20.0) -> SessionEvent:
        """The next event; an error of the call is raised."""
        async with asyncio.timeout(seconds):
            event = await self.call.read()
        assert event is not grpc.aio.EOF, "the watch ended by itself"
        self._note(event)
        return event

    def _note(self, event) -> None:
        if event.resume_token:
            self.token = event.resume_token
        if event.type == TYPES.BOOKMARK:
            return
        id_ = event.session.metadata.id
        expected = {TYPES.ADDED: id_ not in self.state, TYPES.MODIFIED: id_ in self.state, TYPES.DELETED: id_ in self.state}
        if not expected[event.type]:
            self.wrong.append(f"{event.type.name} {id_}")
        if event.type == TYPES.DELETED:
            self.state.pop(id_, None)
        else:
            self.state[id_] = event.session

    async def take(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of so many events, bookmarks aside."""
        found = []
        while len(found) < count:
            event = await self.next()
            if event.type != TYPES.BOOKMARK:
                found.append((event.type.name, event.session.metadata.name))
        return found

    async def begun(self) -> Watcher:
        """Reads on until the first bookmark: from then on nothing is missed."""
        while (await self.next()).type != TYPES.BOOKMARK:
            pass
        return self

    async def failure(self) -> grpc.aio.AioRpcError:
        """How the call ends."""
        try:
            while True:
                await self.next()
        except grpc.aio.AioRpcError as error:
            return error

    async def stop(self) -> None:
        """Cancels the call."""
        self.call.cancel()
        with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await self.call.code()


def watch(wire, **fields) -> Watcher:
    """Begins to watch."""
    return Watcher(wire, WatchSessionsRequest(**fields))
