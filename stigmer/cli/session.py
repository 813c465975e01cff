"""``stigmer session``: its commands and their options. What they do is in ``session_work``, loaded when one of them runs."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from stigmer.cli.exits import Code, CommandError
from stigmer.cli.selection import FIELDS, Selection, selects
from stigmer.cli.target import Target, calls_server
from stigmer.cli.watched import Watched, watches
from stigmer.cli.writing import Writing, writes

cli = typer.Typer(
    rich_markup_mode=None, add_completion=False, help="Create, read, change and list the sessions of a running server."
)

EXITS = "Exit codes: 1 the server said no; 2 wrong usage or file; 69 the server is not there or cannot answer now."

File = Annotated[
    str,
    typer.Option(
        "--file", "-f", metavar="FILE|-", help="YAML or JSON in the shape of the message Session; - reads standard input."
    ),
]
Id = Annotated[str, typer.Argument(help="Id of the session.")]
AsJson = Annotated[bool, typer.Option("--json", help="The session as ProtoJSON, one object on one line.")]
PageAsJson = Annotated[
    bool,
    typer.Option("--json", help="ProtoJSON: one SessionList object or, with --all, one Session object a line."),
]
Fields = Annotated[str, FIELDS.info]


@cli.command(epilog=EXITS)
@calls_server
@writes
def create(target: Target, writing: Writing, file: File, as_json: AsJson = False) -> None:
    """Store a new session under a free slug."""
    _work().change(target, "create", file, writing, as_json=as_json)


@cli.command(epilog=EXITS)
@calls_server
@writes
def update(target: Target, writing: Writing, file: File, as_json: AsJson = False) -> None:
    """Replace the spec of the session with this id, or else slug, and of its metadata what is given."""
    _work().change(target, "update", file, writing, as_json=as_json)


@cli.command(epilog=EXITS)
@calls_server
@writes
def apply(target: Target, writing: Writing, file: File, as_json: AsJson = False) -> None:
    """Update the session that id or slug name, or create it. Nothing is written when nothing would change."""
    _work().change(target, "apply", file, writing, as_json=as_json)


@cli.command(epilog=EXITS)
@calls_server
def get(
    *,
    target: Target,
    session_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id of the session; or give --slug.")] = None,
    slug: Annotated[str | None, typer.Option(help="Slug of the session, in place of its id.")] = None,
    org: Annotated[str | None, typer.Option(help="With --slug: the organization that owns it; without, you do.")] = None,
    version: Annotated[str | None, typer.Option(help="With --slug: what it was in this version.")] = None,
    fields: Fields = "",
    as_json: AsJson = False,
) -> None:
    """Show one session."""
    by_slug = org is not None or version is not None
    if (session_id is None) == (slug is None) or (by_slug and slug is None) or (fields and slug is not None):
        raise CommandError(Code.USAGE, "give either ID and perhaps --fields, or --slug and perhaps --org and --version")
    if slug is None:
        _work().by_id(target, session_id, fields, as_json=as_json)
    else:
        _work().by_slug(target, slug, org or "", version or "", as_json=as_json)


@cli.command("batch-get", epilog=EXITS)
@calls_server
def batch_get(
    target: Target,
    session_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of sessions, 1,000 at most.")],
    fields: Fields = "",
    as_json: Annotated[bool, typer.Option("--json", help="ProtoJSON: one Session object a line.")] = False,
) -> None:
    """Show several sessions in the order of their ids, all or none."""
    _work().by_ids(target, session_ids, fields, as_json=as_json)


@cli.command(epilog=EXITS)
@calls_server
@writes
def delete(target: Target, writing: Writing, session_id: Id, as_json: AsJson = False) -> None:
    """Remove a session for good, and show what it was."""
    _work().delete(target, session_id, writing, as_json=as_json)


@cli.command(epilog=EXITS)
@calls_server
def versions(
    target: Target,
    session_id: Id,
    as_json: Annotated[bool, typer.Option("--json", help="ProtoJSON: one SessionVersion object a line.")] = False,
) -> None:
    """List what is kept of a session's history, the newest first."""
    _follow().versions(target, session_id, as_json=as_json)


@cli.command(epilog=EXITS)
@calls_server
@writes
def restore(
    *,
    target: Target,
    writing: Writing,
    session_id: Id,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Id of the version, as `versions` shows it.")],
    message: Annotated[str, typer.Option(help="Why; shown with the new version.", show_default=False)] = "",
    if_current: Annotated[
        str, typer.Option(metavar="VERSION", help="Only if this is the current version.", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a session what it was in an earlier version."""
    _follow().restore(target, session_id, version, writing, message=message, if_current=if_current, as_json=as_json)


@cli.command(epilog=EXITS)
@calls_server
@watches
def watch(
    *,
    target: Target,
    watched: Watched,
    as_json: Annotated[bool, typer.Option("--json", help="ProtoJSON: one SessionEvent object a line.")] = False,
) -> None:
    """Show what happens to sessions, an event a line, until interrupted.

    When the connection breaks or the server restarts it goes on where it was.
    """
    _follow().watch(target, watched, as_json=as_json)


@cli.command("list", epilog=EXITS)
@calls_server
@selects
def list_(
    *,
    target: Target,
    selection: Selection,
    tag: Annotated[list[str] | None, typer.Option(help="Only sessions that carry this tag; again for several.")] = None,
    as_json: PageAsJson = False,
) -> None:
    """List sessions."""
    _work().pages(target, selection, as_json=as_json, tags=tag or [])


@cli.command("list-by-agent", epilog=EXITS)
@calls_server
@selects
def list_by_agent(
    *,
    target: Target,
    selection: Selection,
    agent_instance_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the agent instance.")],
    as_json: PageAsJson = False,
) -> None:
    """List the sessions of one agent instance."""
    _work().pages(target, selection, as_json=as_json, agent_id=agent_instance_id)


def _work() -> ModuleType:
    from stigmer.cli import session_work  # noqa: PLC0415 - `stigmer session --help` needs neither gRPC nor YAML

    return session_work


def _follow() -> ModuleType:
    from stigmer.cli import session_follow  # noqa: PLC0415 - likewise

    return session_follow
