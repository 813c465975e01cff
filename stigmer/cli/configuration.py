"""Settings and assemblies for commands; whatever refuses them ends the command as CONFIGURATION."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from stigmer.app import Assembly, assembled
from stigmer.cli.exits import Code, CommandError
from stigmer.errors import ConfigurationError, StigmerError
from stigmer.settings import Settings


def settings(**flags: Any) -> Settings:
    """The settings: of ``flags`` those that are not None, for the rest the environment.

    Raises:
        CommandError: a value is refused; the text names flag and variable, a line each.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if "limits" in given:
        given["limits"] = dict(_limit(text) for text in given["limits"])
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = [f"{_names(problem['loc'])}: {_reason(problem)}" for problem in error.errors()]
        raise CommandError(Code.CONFIGURATION, "\n".join(lines)) from error
    except SettingsError as error:
        raise CommandError(Code.CONFIGURATION, str(error)) from error


def assembly(**flags: Any) -> Assembly:
    """The assembly that ``flags`` and the environment describe.

    Raises:
        CommandError: settings or plugins are refused.
    """
    wanted = settings(**flags)
    with refusals():
        return assembled(wanted)


@contextmanager
def refusals() -> Iterator[None]:
    """Ends the command when a server, a store or a plugin inside the block is refused."""
    try:
        yield
    except ConfigurationError as error:
        raise CommandError(Code.CONFIGURATION, str(error)) from error
    except StigmerError as error:
        raise CommandError(Code.CONFIGURATION, error.text) from error


def _limit(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(Code.CONFIGURATION, f"--limit: {text!r} is not NAME=VALUE")
    return name.strip().lower().replace("-", "_"), value.strip()


def _names(location: tuple[int | str, ...]) -> str:
    if location[:1] == ("limits",):
        name = str(location[1]) if len(location) > 1 else ""
        return f"--limit {name or 'NAME=VALUE'} (STIGMER_LIMIT_{name.upper() or '<NAME>'})"
    field = str(location[0]) if location else "settings"
    return f"--{field.replace('_', '-')} (STIGMER_{field.upper()})"


def _reason(problem: Any) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")
