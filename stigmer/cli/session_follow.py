"""What the commands of ``stigmer session`` do that follow sessions through time."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncGenerator
from typing import Any

import typer

from stigmer._proto.ai.stigmer.agentic.session.v1.history_pb import (
    ListSessionVersionsRequest,
    RestoreSessionRequest,
    SessionVersionList,
)
from stigmer._proto.ai.stigmer.agentic.session.v1.watch_pb import SessionEvent, WatchSessionsRequest
from stigmer.cli.exits import Code, CommandError
from stigmer.cli.output import print_json, print_table
from stigmer.cli.remote import Remote, with_server
from stigmer.cli.session_work import mask_of, one
from stigmer.cli.target import Target
from stigmer.cli.text import visible
from stigmer.cli.watched import Watched
from stigmer.cli.writing import Writing
from stigmer.client.paging import follow
from stigmer.client.resuming import Place, resuming

COLUMNS = ("VERSION", "EVENT", "TIME", "WHO", "MESSAGE")
_BOOKMARK = SessionEvent.Type.BOOKMARK


def versions(target: Target, session_id: str, *, as_json: bool) -> None:
    """Prints all versions of a session that are kept."""

    async def show(remote: Remote) -> None:
        async def fetch(token: str) -> SessionVersionList:
            request = ListSessionVersionsRequest(session_id=session_id, page_token=token)
            page: SessionVersionList = await remote.call("listVersions", request)
            return page

        first = True
        async for page in follow(fetch):
            if as_json:
                for entry in page.entries:
                    print_json(entry.to_json())
            else:
                print_table(COLUMNS, [_row(entry) for entry in page.entries], header=first)
            first = False

    with_server(target, show)


def restore(
    target: Target, session_id: str, version: str, writing: Writing, *, message: str, if_current: str, as_json: bool
) -> None:
    """Restores a version and prints what the session is now."""
    request = RestoreSessionRequest(session_id=session_id, version_id=version, message=message, current_version_id=if_current)
    one(target, "restore", request, writing.metadata, as_json=as_json)


def watch(target: Target, watched: Watched, *, as_json: bool) -> None:
    """Prints events until interrupted."""
    if watched.resume and watched.initial:
        raise CommandError(Code.USAGE, "--from and --initial do not go together")
    with contextlib.suppress(KeyboardInterrupt):
        with_server(target, lambda remote: _watch(remote, watched, as_json=as_json))


async def _watch(remote: Remote, watched: Watched, *, as_json: bool) -> None:
    fields: dict[str, Any] = {
        "filter": watched.filter,
        "query": watched.query,
        "tags": watched.tag or [],
        "agent_id": watched.agent,
        "read_mask": mask_of(watched.fields),
    }

    def begin(place: Place) -> AsyncGenerator[SessionEvent, None]:
        request = WatchSessionsRequest(**fields, resume_token=place.token, initial_list=place.listed)
        return remote.stream("watch", request)

    place = Place(watched.resume, listed=watched.initial)
    async with contextlib.aclosing(resuming(begin, place, patient=False)) as events:
        async for event in events:
            if event.type == _BOOKMARK and not watched.bookmarks:
                continue
            if as_json:
                print_json(event.to_json())
            else:
                typer.echo(_line(event))


def _line(event: SessionEvent) -> str:
    session = event.session
    metadata = session.metadata if session is not None else None
    shown = [metadata.id, metadata.name] if metadata is not None else []
    if event.type == _BOOKMARK:
        shown = [event.resume_token]
    return visible("  ".join([_moment(event.time), f"{event.type.name:8}", *shown]).rstrip())


def _row(entry: Any) -> tuple[str, ...]:
    version, actor = entry.version, entry.actor
    return (
        version.id if version is not None else "",
        entry.event,
        _moment(entry.time),
        actor.id if actor is not None else "",
        version.message if version is not None else "",
    )


def _moment(timestamp: Any) -> str:
    """UTC to the millisecond; of as many blanks when there is none."""
    if timestamp is None:
        return " " * 24
    moment = dt.datetime.fromtimestamp(timestamp.seconds, dt.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{timestamp.nanos // 1_000_000:03}Z"
