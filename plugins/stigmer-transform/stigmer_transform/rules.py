"""What is to be hidden from whom: the rules, and where they are read from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from stigmer import ConfigurationError, Operation


class Rule(BaseModel):
    """Hides one field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hide: Annotated[str, Field(pattern=r"[^.]$", description="path from the resource, such as spec.sandbox_id")]
    unless_role: Annotated[str | None, Field(min_length=1, description="who may see it; nobody when left out")] = None
    operations: Annotated[tuple[str, ...], Field(description="names such as session.list; all when left out")] = ()
    kind: Annotated[str, Field(description="the kind of resource, as operation names begin")] = "session"

    def covers(self, operation: Operation) -> bool:
        """Whether the rule is about ``operation``."""
        return operation.kind.key == self.kind and (not self.operations or operation.name in self.operations)


class Settings(BaseSettings):
    """The plugin's own settings, ``STIGMER_TRANSFORM_*``. Rules of both sources count."""

    model_config = SettingsConfigDict(env_prefix="STIGMER_TRANSFORM_", frozen=True, extra="ignore")

    rules: Annotated[tuple[Rule, ...] | None, Field(description="a JSON list of rules")] = None
    file: Annotated[Path | None, Field(description="a YAML or JSON file that holds a list of rules")] = None


def load_rules() -> tuple[Rule, ...]:
    """The rules of the environment and of the file it names.

    Raises:
        ConfigurationError: they cannot be read, or there are none: then something that should be hidden is not.
    """
    try:
        settings = Settings()
    except (ValidationError, SettingsError) as error:
        raise ConfigurationError(f"STIGMER_TRANSFORM_RULES: {_told(error)}") from error
    if settings.rules is None and settings.file is None:
        text = "plugin 'transform' has no rules: set STIGMER_TRANSFORM_RULES or STIGMER_TRANSFORM_FILE, or turn it off"
        raise ConfigurationError(text)
    return (settings.rules or ()) + (_read(settings.file) if settings.file is not None else ())


def check_operations(rules: Iterable[Rule], operations: Sequence[Operation]) -> None:
    """Makes sure that each rule is about something.

    Raises:
        ConfigurationError: a rule names an operation or a kind that is not there.
    """
    for rule in rules:
        require(rule, "kind", rule.kind, {operation.kind.key for operation in operations})
        for name in rule.operations:
            require(rule, "operation", name, {operation.name for operation in operations if rule.kind == operation.kind.key})


def require(rule: Rule, what: str, wanted: str, there: Iterable[str]) -> None:
    """Makes sure that ``wanted`` is among those that are ``there``.

    Raises:
        ConfigurationError: it is not; the text names the rule and the nearest name.
    """
    known = sorted(there)
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there is only {', '.join(known) or 'nothing'}"
        raise ConfigurationError(f"plugin 'transform': rule hide={rule.hide!r}: no {what} {wanted!r}{hint}")


def _read(file: Path) -> tuple[Rule, ...]:
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return TypeAdapter(tuple[Rule, ...]).validate_python(content)
    except OSError as error:
        raise ConfigurationError(f"STIGMER_TRANSFORM_FILE: cannot read {file}: {error.strerror}") from error
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"STIGMER_TRANSFORM_FILE: {file}: {_told(error)}") from error


def _told(error: Exception) -> str:
    """The first thing that is wrong, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return " ".join(str(error).split())
