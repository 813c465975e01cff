"""The commands that plugins add through the hook ``add_commands``."""

from __future__ import annotations

from typing import Any

import typer

from stigmer.cli.configuration import refusals, settings
from stigmer.cli.exits import Code, CommandError
from stigmer.plugins import Plugins


def plugin_commands() -> dict[str, Any]:
    """The commands of the plugins in ``STIGMER_PLUGINS``, by name; a group of commands counts as one.

    Raises:
        CommandError: a plugin is refused or fails, or two bring a command of the same name.
    """
    names = settings().plugins
    if not names:
        return {}
    with refusals():
        plugins = Plugins.load({}, names)
    cli = typer.Typer()
    try:
        for _, add_commands in plugins.implementations("add_commands"):
            add_commands(cli=cli)
        return _by_name(cli)
    except CommandError:
        raise
    except Exception as error:
        raise CommandError(Code.CONFIGURATION, f"a plugin's commands cannot be added: {error}") from error


def _by_name(cli: typer.Typer) -> dict[str, Any]:
    """The finished commands. Typer itself would let the last of two with one name win."""
    count = len(cli.registered_commands) + len(cli.registered_groups)
    cli.callback()(_no_callback)  # makes it a group, also with one command
    commands: dict[str, Any] = dict(getattr(typer.main.get_command(cli), "commands", {}))
    if len(commands) < count:
        raise CommandError(Code.CONFIGURATION, f"plugins bring {count} commands, but with fewer names: {', '.join(commands)}")
    return commands


def _no_callback() -> None:
    """Nothing happens before a plugin's command."""
