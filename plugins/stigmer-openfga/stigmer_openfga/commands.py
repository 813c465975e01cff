"""``stigmer openfga``: prepares an OpenFGA, and repairs what crashes have left in it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer

from stigmer import ConfigurationError, Settings, StigmerError, Unavailable
from stigmer.app import assembled, open_store
from stigmer.cli.configuration import settings
from stigmer.cli.exits import Code, CommandError
from stigmer_openfga.client import Client
from stigmer_openfga.provision import Provisioned, provision
from stigmer_openfga.reconcile import Reconciliation, Report
from stigmer_openfga.settings import load_settings

T = TypeVar("T")

commands = typer.Typer(
    rich_markup_mode=None, add_completion=False, help="Prepare an OpenFGA, and repair what crashes have left in it."
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@commands.command()
def init(
    name: Annotated[str, typer.Option("--name", help="What the store in OpenFGA is called.")] = "stigmer",
    as_json: AsJson = False,
) -> None:
    """Make a store in OpenFGA and write the model, unless they are there; print the settings that name them.

    With STIGMER_OPENFGA_STORE_ID the model goes into that store. Exit codes: 0 done; 69 OpenFGA does not answer;
    78 a setting is refused.
    """
    found = _run(_init(name))
    if as_json:
        typer.echo(json.dumps(found._asdict()))
    else:
        typer.echo(f"STIGMER_OPENFGA_STORE_ID={found.store_id}\nSTIGMER_OPENFGA_MODEL_ID={found.model_id}")


@commands.command()
def reconcile(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, but change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give sessions the tuples that they have lost, and remove those of sessions that are gone, while servers serve or not.

    Exit codes: 0 done; 69 OpenFGA or the store does not answer; 78 a setting or the store is refused.
    """
    report = dataclasses.asdict(_run(_reconcile(dry=dry_run)))
    if as_json:
        typer.echo(json.dumps(report))
    else:
        for what, count in report.items():
            typer.echo(f"{what} {count}")


async def _init(name: str) -> Provisioned:
    wanted = load_settings()
    client = Client(wanted)
    try:
        return await provision(client, name, wanted.store_id)
    finally:
        client.close()


async def _reconcile(*, dry: bool) -> Report:
    wanted = load_settings()
    if not wanted.store_id:
        raise ConfigurationError("STIGMER_OPENFGA_STORE_ID is not set; `stigmer openfga init` prints it")
    described = assembled(_without_us())
    client, store = Client(wanted), await open_store(described)
    try:
        return await Reconciliation(client, store, dry=dry).run(described.kinds)
    finally:
        client.close()
        await store.close()


def _without_us() -> Settings:
    """The server's settings without this plugin: who opens only the store need not tell callers apart."""
    given = settings()
    return given.model_copy(update={"plugins": tuple(name for name in given.plugins if name != "openfga")})


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command; what is expected to fail ends it with its code."""
    try:
        return asyncio.run(work)
    except ConfigurationError as error:
        raise CommandError(Code.CONFIGURATION, str(error)) from error
    except Unavailable as error:
        raise CommandError(Code.UNREACHABLE, "OpenFGA or the store does not answer, or refuses") from error
    except StigmerError as error:
        raise CommandError(Code.REFUSED, error.text) from error
