"""``stigmer db``: looks after a store, while a server uses it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import typer

from stigmer.app import Assembly, open_store
from stigmer.cli.configuration import assembly, refusals
from stigmer.cli.exits import Code, CommandError
from stigmer.cli.text import visible
from stigmer.errors import ConfigurationError, StigmerError
from stigmer.store import Repairs, Store
from stigmer.stores import sqlite_path

T = TypeVar("T")

cli = typer.Typer(
    rich_markup_mode=None, add_completion=False, help="Check, repair or copy a store, while a server uses it or not."
)

Url = Annotated[str | None, typer.Option("--store", metavar="URL", help="In place of STIGMER_STORE.", show_default=False)]
Names = Annotated[
    str | None, typer.Option("--plugins", help="In place of STIGMER_PLUGINS, comma-separated.", show_default=False)
]


@cli.command()
def check(store: Url = None, plugins: Names = None) -> None:
    """Read everything in a store and name what is wrong with it, a line each.

    Exit codes: 0 all is well; 1 something is wrong; 78 the store is refused.
    """
    findings = _with_store(assembly(store=store, plugins=plugins), lambda opened: opened.check())
    for finding in findings:
        typer.echo(visible(finding))
    if findings:
        raise CommandError(Code.REFUSED, _count(len(findings)))
    typer.echo("all is well")


def _count(findings: int) -> str:
    return f"{findings} things are wrong" if findings > 1 else "one thing is wrong"


@cli.command()
def repair(
    keep: Annotated[Path, typer.Argument(metavar="COPY", help="Where the store is copied to before; it must not exist yet.")],
    store: Url = None,
    plugins: Names = None,
) -> None:
    """Mend what one copy of a session still has when another is damaged, and indexes, a line each; writes wait meanwhile.

    What cannot be mended is named, and stays as it is. If it was the change feed, who follows it has to begin again.

    Exit codes: 0 all is well; 1 something is left, or it failed; 78 the store or COPY is refused.
    """

    async def work(opened: Store) -> Repairs:
        await opened.backup(keep)
        return await opened.repair()

    repairs = _with_store(assembly(store=store, plugins=plugins), work)
    for line in repairs.mended:
        typer.echo(f"mended: {visible(line)}")
    for line in repairs.left:
        typer.echo(f"left: {visible(line)}")
    if repairs.left:
        raise CommandError(Code.REFUSED, _count(len(repairs.left)))
    typer.echo("all is well")


@cli.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; it must not exist yet.")],
    store: Url = None,
    plugins: Names = None,
) -> None:
    """Copy a store, as it is at one moment, to a new file.

    Exit codes: 0 done; 1 it failed on the way; 78 the store or TARGET is refused.
    """
    _with_store(assembly(store=store, plugins=plugins), lambda opened: opened.backup(target))
    typer.echo(f"copied to {visible(str(target))}")


def _with_store(described: Assembly, work: Callable[[Store], Awaitable[T]]) -> T:
    with refusals():
        _refuse_missing(described.settings.store)
        return asyncio.run(_work(described, work))


async def _work(described: Assembly, work: Callable[[Store], Awaitable[T]]) -> T:
    store = await open_store(described)
    try:
        return await work(store)
    except StigmerError as error:
        raise CommandError(Code.REFUSED, error.text) from error
    finally:
        await store.close()


def _refuse_missing(url: str) -> None:
    """Opening a file that is not there would make an empty store: well, and not the one that was meant."""
    if urlsplit(url).scheme == "sqlite" and not (path := sqlite_path(url)).exists():
        raise ConfigurationError(f"store {url!r}: there is no file {path}")
