"""``stigmer plugins``: who takes part."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from stigmer.cli.configuration import assembly
from stigmer.cli.output import print_table, print_value

cli = typer.Typer(rich_markup_mode=None, add_completion=False)


@cli.command()
def plugins(
    names: Annotated[str | None, typer.Option("--plugins", help="In place of STIGMER_PLUGINS, comma-separated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array, an object for each plugin.")] = False,
) -> None:
    """Show the plugins that are built in or installed, and whether they are on. Plugins that are off are not imported."""
    found = assembly(plugins=names).plugins.describe()
    if as_json:
        print_value([dataclasses.asdict(plugin) for plugin in found])
        return
    rows = [(plugin.name, "on" if plugin.enabled else "off", plugin.source, ", ".join(plugin.hooks)) for plugin in found]
    print_table(("PLUGIN", "STATE", "SOURCE", "HOOKS"), rows)
