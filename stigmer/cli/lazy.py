"""A group whose commands are imported when one of them is run: ``stigmer session`` need not load the server."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from stigmer.cli.exits import Code, CommandError
from stigmer.cli.text import visible_lines
from stigmer.errors import ConfigurationError, StigmerError


class LazyCommand(NamedTuple):
    """Where a command is: the module, which has it as the Typer application ``cli``, and its line in ``--help``."""

    module: str
    help: str


class LazyGroup(TyperGroup):
    """A group that knows the names of its commands but not what they do, and that words every failure alike."""

    lazy: ClassVar[dict[str, LazyCommand]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in self.lazy.items():
            self.add_command(TyperCommand(name, help=command.help), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that ``args`` ask for, imported, and the arguments left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.lazy:
            module = importlib.import_module(self.lazy[name].module)
            command = typer.main.get_command(module.cli)
        return name, command, rest

    def main(self, args: Any = None, prog_name: str | None = None, *, standalone_mode: bool = True, **options: Any) -> Any:  # type: ignore[override] # the rest goes through as it comes
        """Runs the command line; exits with the code that tells how it went, after one ``error:`` if it went wrong."""
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **options)
        try:
            result = super().main(args, prog_name, standalone_mode=False, **options)
        except CommandError as error:
            _end(error.code, error.text)
        except ConfigurationError as error:
            _end(Code.CONFIGURATION, str(error))
        except StigmerError as error:
            _end(Code.REFUSED, error.text)
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            usage = cast("typer.BadParameter", error)
            _end(usage.exit_code, _usage_text(usage))
        raise SystemExit(result if isinstance(result, int) else Code.OK)


def _usage_text(error: typer.BadParameter) -> str:
    """What was wrong with the arguments, and who can tell more."""
    text = error.format_message().rstrip(".")
    return text if error.ctx is None else f"{text}; see {error.ctx.command_path} --help"


def _end(code: int, text: str) -> None:
    typer.echo(f"error: {visible_lines(text)}", err=True)
    raise SystemExit(code)
