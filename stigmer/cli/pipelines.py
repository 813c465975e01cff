"""``stigmer pipelines``: what happens to a call, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from stigmer.cli.configuration import assembly
from stigmer.cli.exits import Code, CommandError
from stigmer.cli.output import print_table, print_value
from stigmer.pipeline import Pipeline

cli = typer.Typer(rich_markup_mode=None, add_completion=False)


@cli.command()
def pipelines(
    operation: Annotated[str | None, typer.Argument(help="Only this one, such as session.create or create.")] = None,
    plugins: Annotated[str | None, typer.Option(help="In place of STIGMER_PLUGINS, comma-separated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array, an object for each operation.")] = False,
) -> None:
    """Show the steps of each operation in the order they run, which plugin brings each, and why it stands there.

    Nothing is served and no store is opened.
    """
    chosen = _chosen(assembly(plugins=plugins).pipelines, operation)
    if as_json:
        print_value([_as_value(pipeline) for pipeline in chosen])
        return
    rows = [
        (pipeline.operation.name, str(number), step.name, step.origin, step.why)
        for pipeline in chosen
        for number, step in enumerate(pipeline.steps, 1)
    ]
    print_table(("OPERATION", "#", "STEP", "PLUGIN", "WHY"), rows)


def _chosen(found: Mapping[str, Pipeline], operation: str | None) -> list[Pipeline]:
    chosen = [pipeline for name, pipeline in found.items() if operation in {None, name, pipeline.operation.verb}]
    if not chosen:
        raise CommandError(Code.USAGE, f"no operation {operation!r}; there are: {', '.join(found)}")
    return chosen


def _as_value(pipeline: Pipeline) -> dict[str, object]:
    return {
        "operation": pipeline.operation.name,
        "rpc": pipeline.operation.path,
        "steps": [{"name": step.name, "plugin": step.origin, "why": step.why} for step in pipeline.steps],
    }
