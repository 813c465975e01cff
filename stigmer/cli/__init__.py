"""The command ``stigmer``."""

from __future__ import annotations

import typer

from stigmer.cli.root import cli


def main() -> None:
    """Runs the command line and exits."""
    typer.main.get_command(cli)(prog_name="stigmer")


__all__ = ["cli", "main"]
