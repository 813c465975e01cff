"""What ``stigmer session watch`` watches, and from where on: its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import typer

from stigmer.cli.options import Option, expands
from stigmer.cli.selection import FIELDS


class Watched(NamedTuple):
    """Which sessions are watched.

    Attributes:
        filter: such as ``labels.team = "search"``; empty for all.
        query: words that name or subject have.
        tag: that a session must carry, all of them.
        agent: id of the agent instance; empty for all.
        fields: paths of what is shown of each session.
        resume: token of the event after which to go on; empty for now.
        initial: everything that is there comes first.
        bookmarks: are shown, too.
    """

    filter: str
    query: str
    tag: list[str] | None
    agent: str
    fields: str
    resume: str
    initial: bool
    bookmarks: bool


_OPTIONS: Mapping[str, Option] = {
    "filter": Option(
        str,
        "",
        typer.Option(
            metavar="FILTER", help="Only sessions of which this is true, such as labels.team = search.", show_default=False
        ),
    ),
    "query": Option(
        str, "", typer.Option(metavar="WORDS", help="Only sessions whose name or subject has these.", show_default=False)
    ),
    "tag": Option(list[str] | None, None, typer.Option(help="Only sessions that carry this tag; again for several.")),
    "agent": Option(str, "", typer.Option(metavar="ID", help="Only those of this agent instance.", show_default=False)),
    "fields": FIELDS,
    "resume": Option(
        str, "", typer.Option("--from", metavar="TOKEN", help="Go on after the event with this token.", show_default=False)
    ),
    "initial": Option(bool, False, typer.Option("--initial", help="First show everything that is there.")),  # noqa: FBT003 - a default
    "bookmarks": Option(bool, False, typer.Option("--bookmarks", help="Show tokens that come without an event.")),  # noqa: FBT003 - likewise
}

watches = expands("watched", Watched, _OPTIONS)
"""Gives a command these options in place of its parameter ``watched``."""
