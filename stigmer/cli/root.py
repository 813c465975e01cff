"""The root of the command line: its built-in commands by name, and those that plugins add."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any, ClassVar

import typer

from stigmer.cli.exits import Code, CommandError
from stigmer.cli.lazy import LazyCommand, LazyGroup
from stigmer.cli.text import visible_lines


class RootGroup(LazyGroup):
    """The built-in commands; the plugins in ``STIGMER_PLUGINS`` are loaded when help or a command that is not built in asks."""

    lazy: ClassVar[dict[str, LazyCommand]] = {
        "serve": LazyCommand("stigmer.cli.serve", "Serve sessions over gRPC until SIGTERM or SIGINT."),
        "session": LazyCommand("stigmer.cli.session", "Create, read, change and list the sessions of a running server."),
        "pipelines": LazyCommand("stigmer.cli.pipelines", "Show the steps of each operation, and which plugin brings them."),
        "plugins": LazyCommand("stigmer.cli.plugins", "Show the plugins that are built in or installed."),
        "db": LazyCommand("stigmer.cli.db", "Check or copy a store."),
    }
    _asked = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands. Plugins that cannot be loaded are told of, but do not spoil the list."""
        try:
            self._add_plugin_commands()
        except CommandError as error:
            typer.echo(f"warning: commands of plugins are missing: {visible_lines(error.text)}", err=True)
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None."""
        if cmd_name not in self.lazy:
            self._add_plugin_commands()
        return super().get_command(ctx, cmd_name)

    def _add_plugin_commands(self) -> None:
        if self._asked:
            return
        self._asked = True
        from stigmer.cli.plugin_commands import plugin_commands  # noqa: PLC0415 - built-in commands start without plugins

        for name, command in plugin_commands().items():
            if name in self.lazy:
                raise CommandError(Code.CONFIGURATION, f"a plugin brings the command {name!r}, which is built in")
            self.add_command(command, name)


cli = typer.Typer(
    cls=RootGroup,
    help="The session server for AI agents, and its client.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    add_completion=True,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"stigmer {version('stigmer')}")
        raise typer.Exit


@cli.callback()
def root(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The session server for AI agents, and its client."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise CommandError(Code.USAGE, "missing command")
