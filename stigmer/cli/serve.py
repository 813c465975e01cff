"""``stigmer serve``: one option for each setting."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from pydantic.fields import FieldInfo

from stigmer.app import App
from stigmer.cli.configuration import refusals, settings
from stigmer.cli.text import visible
from stigmer.observe import configure_logging
from stigmer.settings import Settings

cli = typer.Typer(rich_markup_mode=None, add_completion=False)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(**flags: Any) -> None:
    """Serve sessions over gRPC until SIGTERM or SIGINT, then finish the calls in flight and exit with 0.

    Every option is also a variable; options win. Standard error has a line "stigmer is serving on HOST:PORT" once calls are
    answered. Exit code 78: a setting, a plugin, the address or the store file is refused.
    """
    wanted = settings(**flags)
    configure_logging(wanted)
    with refusals(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(wanted))


async def _serve(wanted: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    _say(
        f"stigmer {version('stigmer')}: store {_without_password(wanted.store)}, plugins {', '.join(wanted.plugins) or 'none'}"
    )
    app = await App.start(wanted)
    _settle_memory()
    try:
        _say(f"stigmer is serving on {app.address}")
        await stop.wait()
        _say(f"stigmer is stopping: calls in flight have {wanted.drain_seconds:g} s to finish")
    finally:
        await app.stop()
    _say("stigmer has stopped")


def _settle_memory() -> None:
    """Spares calls the garbage collector, which has little to find: what is here now stays, and cycles are rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _say(line: str) -> None:
    """Prints progress on a line of its own. That nobody reads any more is no reason to stop serving."""
    with contextlib.suppress(OSError):
        print(visible(line), file=sys.stderr, flush=True)  # noqa: T201 - rich would end the process when the pipe is gone


def _without_password(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where there is uvloop; else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - not every platform has it
    except ImportError:
        return None
    return uvloop.new_event_loop


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """The option of a setting. The value stays text: what it must look like is for the settings to say."""
    flag = f"--{name.replace('_', '-')}"
    boolean = field.annotation is bool
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = {(): "none", None: "off", False: "off"}.get(default, default)
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if boolean else flag,
        help=f"{field.description}. Variable STIGMER_{name.upper()}; default: {shown}.",
        show_default=False,
        metavar=None if boolean else "VALUE",
    )
    annotation = Annotated[bool | None, option] if boolean else Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with a signature that names every setting, from which Typer makes the options."""
    parameters = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


cli.command()(_with_options(serve))
