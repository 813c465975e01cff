"""The settings as command-line options: one for each, made from its name and description."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from stigmer.settings import Settings
from stigmer.transport.limits import Limits


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with a signature that names every setting, from which Typer makes the options."""
    parameters = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """The option of a setting. The value stays text: what it must look like is for the settings to say."""
    kind, option = _limit(field) if field.annotation is Limits else _option(name, field)
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type] # it is made for Typer to read
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _option(name: str, field: FieldInfo) -> tuple[type, Any]:
    flag = f"--{name.replace('_', '-')}"
    boolean = field.annotation is bool
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if boolean else flag,
        help=f"{field.description}. Variable STIGMER_{name.upper()}; default: {_shown(field)}.",
        show_default=False,
        metavar=None if boolean else "VALUE",
    )
    return (bool if boolean else str), option


def _limit(field: FieldInfo) -> tuple[Any, Any]:
    """The one option that stands for all limits."""
    text = f"{field.description}; again for several. Variables STIGMER_LIMIT_<NAME>."
    return list[str], typer.Option("--limit", help=text, show_default=False, metavar="NAME=VALUE")


def _shown(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    return "off" if default in {None, False} else str(default)
