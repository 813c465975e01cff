"""What a command that lists selects, orders and shows: the options that all of these have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import typer

from stigmer.cli.options import Option, expands


class Selection(NamedTuple):
    """Which page of which sessions.

    Attributes:
        filter: such as ``labels.team = "search"``; empty for all.
        query: words that name or subject have.
        order_by: a field, perhaps with ``desc`` behind it; empty for the order of creation.
        fields: paths of what is shown of each session, with commas between; empty for everything.
        every: all pages, not only the first.
        page_size: 0 leaves it to the server.
        page_token: of the page before; empty for the first page.
    """

    filter: str
    query: str
    order_by: str
    fields: str
    every: bool
    page_size: int
    page_token: str


FIELDS = Option(
    str,
    "",
    typer.Option(
        metavar="PATH,...",
        help="Only these fields, such as metadata.name,spec.subject (a read mask).",
        show_default=False,
    ),
)
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
    "order_by": Option(
        str,
        "",
        typer.Option(
            metavar="FIELD [desc]", help="created_at, updated_at or name; else in order of creation.", show_default=False
        ),
    ),
    "fields": FIELDS,
    "every": Option(bool, False, typer.Option("--all", help="Every page, not only the first.")),  # noqa: FBT003 - a default
    "page_size": Option(int, 0, typer.Option(min=0, max=1000, help="Sessions a page; 0 leaves it to the server.")),
    "page_token": Option(str, "", typer.Option(help="nextPageToken of the page before.", show_default=False)),
}

selects = expands("selection", Selection, _OPTIONS)
"""Gives a command these options in place of its parameter ``selection``."""
