"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stigmer.cli.text import visible, visible_json


def print_json(text: str) -> None:
    """Writes JSON text as a line of UTF-8, whatever the terminal's own encoding."""
    stream = typer.get_binary_stream("stdout")
    stream.write(f"{visible_json(text)}\n".encode())
    stream.flush()


def print_value(value: Any) -> None:
    """Writes plain Python values as indented JSON."""
    print_json(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, header: bool = True) -> None:
    """Prints rows of cells. On a terminal long cells are folded; elsewhere each row is one line, however long."""
    table = Table(*columns, box=None, show_header=header, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    _reconfigure()
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
    else:
        console.width = max(1, Measurement.get(console, console.options.update(max_width=sys.maxsize), table).maximum)
        with console.capture() as capture:
            console.print(table)
        for line in capture.get().splitlines():
            typer.echo(line.rstrip())
    sys.stdout.flush()


def _reconfigure() -> None:
    """Characters that the terminal's encoding does not have are printed as escapes."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
