"""Options that several commands have in common: they stand in place of one parameter, which is made of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias

Command: TypeAlias = Callable[..., None]


class Option(NamedTuple):
    """An option of a command.

    Attributes:
        kind: type of its value.
        default: its value when it is not given.
        info: what ``typer.Option`` made.
    """

    kind: Any
    default: Any
    info: Any


def expands(parameter: str, made_by: Callable[..., Any], options: Mapping[str, Option]) -> Callable[[Command], Command]:
    """Gives a command ``options`` in place of ``parameter``, which is what ``made_by`` makes of their values."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def calling(**given: Any) -> None:
            value = made_by(**{name: given.pop(name) for name in options})
            command(**{parameter: value}, **given)

        own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != parameter]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        parameters += [_parameter(name, option) for name, option in options.items()]
        calling.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        calling.__annotations__ = {each.name: each.annotation for each in parameters}
        return calling

    return decorate


def _parameter(name: str, option: Option) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=option.default, annotation=Annotated[option.kind, option.info])
