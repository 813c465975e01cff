"""What the commands of ``stigmer session`` do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import typer
from protobuf.wkt import FieldMask

from stigmer._proto.ai.stigmer.agentic.session.v1.api_pb import Session
from stigmer._proto.ai.stigmer.agentic.session.v1.io_pb import (
    BatchGetSessionsRequest,
    BatchGetSessionsResponse,
    ListSessionsByAgentRequest,
    ListSessionsRequest,
    SessionId,
    SessionList,
)
from stigmer._proto.ai.stigmer.commons.apiresource.io_pb import ApiResourceReference
from stigmer.cli.document import Refused, read_document
from stigmer.cli.exits import Code, CommandError
from stigmer.cli.output import print_json
from stigmer.cli.remote import Remote, with_server
from stigmer.cli.selection import Selection
from stigmer.cli.session_view import print_session, print_sessions
from stigmer.cli.shape import message_of
from stigmer.cli.target import Target
from stigmer.cli.writing import Writing
from stigmer.client.metadata import NOTHING, Metadata
from stigmer.client.paging import follow

MOST = 1000
"""The largest page that the server gives; what ``--all`` asks for unless told otherwise."""


def change(target: Target, rpc: Literal["create", "update", "apply"], file: str, writing: Writing, *, as_json: bool) -> None:
    """Sends the session in ``file`` and prints what the server made of it."""
    document = read_document(file)
    try:
        session = message_of(Session, document)
    except Refused as error:
        raise CommandError(Code.USAGE, f"{'standard input' if file == '-' else file}: {error}") from error
    one(target, rpc, session, writing.metadata, as_json=as_json)


def by_id(target: Target, session_id: str, fields: str, *, as_json: bool) -> None:
    """Gets a session and prints it."""
    one(target, "get", SessionId(value=session_id, read_mask=mask_of(fields)), as_json=as_json)


def delete(target: Target, session_id: str, writing: Writing, *, as_json: bool) -> None:
    """Deletes a session and prints what it was."""
    one(target, "delete", SessionId(value=session_id), writing.metadata, as_json=as_json)


def by_ids(target: Target, session_ids: list[str], fields: str, *, as_json: bool) -> None:
    """Gets several sessions at once and prints them."""
    request = BatchGetSessionsRequest(ids=session_ids, read_mask=mask_of(fields))
    found: BatchGetSessionsResponse = _run(target, lambda remote: remote.call("batchGet", request))
    if as_json:
        for session in found.sessions:
            print_json(session.to_json())
    else:
        print_sessions(found.sessions)


def by_slug(target: Target, slug: str, org: str, version: str, *, as_json: bool) -> None:
    """Gets a session by slug and prints it."""
    one(target, "getByReference", ApiResourceReference(slug=slug, org=org, version=version), as_json=as_json)


def pages(
    target: Target, selection: Selection, *, as_json: bool, tags: Sequence[str] = (), agent_id: str | None = None
) -> None:
    """Prints a page of the selected sessions and, if ``every``, all that follow, each as it comes.

    The sessions are those of the agent instance ``agent_id``, or else those that carry all of ``tags``.
    """
    request = _list_request(selection, tags, agent_id)
    every = selection.every

    async def show(remote: Remote) -> None:
        first = True
        async for page in _pages(remote, request):
            _print_page(page, first=first, every=every, as_json=as_json)
            first = False
            if not every:
                return

    _run(target, show)


def _list_request(
    selection: Selection, tags: Sequence[str], agent_id: str | None
) -> ListSessionsRequest | ListSessionsByAgentRequest:
    common: dict[str, Any] = {
        "filter": selection.filter,
        "query": selection.query,
        "order_by": selection.order_by,
        "read_mask": mask_of(selection.fields),
        "page_size": selection.page_size or (MOST if selection.every else 0),
        "page_token": selection.page_token,
    }
    if agent_id is None:
        return ListSessionsRequest(tags=[*tags], **common)
    return ListSessionsByAgentRequest(agent_id=agent_id, **common)


def mask_of(fields: str) -> FieldMask | None:
    """A read mask of paths with commas between; None for everything."""
    paths = [path.strip() for path in fields.split(",")]
    return FieldMask(paths=paths) if fields else None


def _pages(remote: Remote, request: Any) -> AsyncIterator[SessionList]:
    rpc = "list" if isinstance(request, ListSessionsRequest) else "listByAgent"

    async def fetch(token: str) -> SessionList:
        request.page_token = token
        page: SessionList = await remote.call(rpc, request)
        return page

    return follow(fetch, request.page_token)


def _print_page(page: SessionList, *, first: bool, every: bool, as_json: bool) -> None:
    if as_json and every:
        for session in page.entries:
            print_json(session.to_json())
    elif as_json:
        print_json(_page_json(page))
    else:
        print_sessions(page.entries, header=first)
        if page.next_page_token and not every:
            more = (
                f"{len(page.entries)} of {page.total_count} sessions; the rest: --all, or --page-token {page.next_page_token}"
            )
            typer.echo(more, err=True)


def _page_json(page: SessionList) -> str:
    """ProtoJSON of the page, with all of its own fields: programs find ``entries`` on an empty page too."""
    entries = ",".join(session.to_json() for session in page.entries)
    counts = f'"totalPages":{page.total_pages},"totalCount":"{page.total_count}"'
    return f'{{"entries":[{entries}],"nextPageToken":{json.dumps(page.next_page_token)},{counts}}}'


def one(target: Target, rpc: str, request: Any, metadata: Metadata = NOTHING, *, as_json: bool) -> None:
    """Makes a call that is answered with a session, and prints it."""
    session: Session = _run(target, lambda remote: remote.call(rpc, request, metadata))
    if as_json:
        print_json(session.to_json())
    else:
        print_session(session)


def _run(target: Target, work: Any) -> Any:
    return with_server(target, work)
