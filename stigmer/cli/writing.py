"""How a command writes: the options that all commands which write have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import typer

from stigmer.cli.options import Option, expands


class Writing(NamedTuple):
    """How something is written.

    Attributes:
        idempotency_key: makes the same write twice one; empty for none.
        validate_only: nothing is written.
    """

    idempotency_key: str
    validate_only: bool

    @property
    def metadata(self) -> Mapping[str, str]:
        """What is sent along."""
        key = {"idempotency-key": self.idempotency_key} if self.idempotency_key else {}
        return {**key, **({"validate-only": "true"} if self.validate_only else {})}


_OPTIONS: Mapping[str, Option] = {
    "idempotency_key": Option(
        str,
        "",
        typer.Option(metavar="KEY", help="Do it once, however often it is asked with this key.", show_default=False),
    ),
    "validate_only": Option(bool, False, typer.Option("--validate-only", help="Write nothing; show what would be.")),  # noqa: FBT003 - a default
}

writes = expands("writing", Writing, _OPTIONS)
"""Gives a command these options in place of its parameter ``writing``."""
