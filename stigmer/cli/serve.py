"""``stigmer serve``: one option for each setting."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import typer

from stigmer.addresses import host_and_port, joined
from stigmer.app import App
from stigmer.cli.configuration import refusals, settings
from stigmer.cli.exits import CommandError
from stigmer.cli.process import say, serve_here
from stigmer.cli.setting_options import with_options
from stigmer.cli.text import visible_lines
from stigmer.cli.workers import Parent, Supervisor
from stigmer.listening import Listener, reserved
from stigmer.observe import configure_logging
from stigmer.settings import Settings

cli = typer.Typer(rich_markup_mode=None, add_completion=False)


def serve(**flags: Any) -> None:
    """Serve sessions over gRPC until SIGTERM or SIGINT, then finish the calls in flight and exit with 0.

    Every option is also a variable; options win. Standard error has a line "stigmer is serving on HOST:PORT" once calls are
    answered. SIGHUP reads certificates again. Exit code 78: a setting, a plugin, a certificate, an address or the store file
    is refused.
    """
    wanted = settings(**flags)
    configure_logging(wanted)
    store, plugins = _without_password(wanted.store), ", ".join(wanted.plugins) or "none"
    say(f"stigmer {version('stigmer')}: store {store}, plugins {plugins}")
    with refusals():
        code = _serve_alone(wanted) if wanted.workers == 1 else _serve_together(wanted)
    if code:
        raise typer.Exit(code)
    say("stigmer has stopped")


def _serve_alone(wanted: Settings) -> int:
    serve_here(wanted, _Announcing(wanted))
    return 0


def _serve_together(wanted: Settings) -> int:
    """Serves with workers; this process only looks after them."""
    announcing = _Announcing(wanted)
    with contextlib.ExitStack() as stack:
        listeners = stack.enter_context(reserved(wanted.listen))

        def work(number: int, parent: Parent) -> int:
            return _work(_own(wanted, number), listeners, parent)

        def stops() -> None:
            announcing.stops()
            stack.close()  # nobody must wait at a socket where all have stopped listening

        crew = Supervisor(wanted.workers, work, wanted.drain_seconds, say)
        return crew.run(lambda: announcing.announce([each.address for each in listeners]), stops)


def _work(own: Settings, listeners: Sequence[Listener], parent: Parent) -> int:
    """What a worker does; gives its exit code."""
    try:
        with refusals():
            serve_here(own, _Reporting(parent), listeners, parent.alive)
    except CommandError as error:
        typer.echo(f"error: {visible_lines(error.text)}", err=True)
        return error.code
    return 0


def _own(wanted: Settings, number: int) -> Settings:
    """The settings of one worker: each has a metrics port of its own."""
    if wanted.metrics_listen is None:
        return wanted
    host, port = host_and_port(wanted.metrics_listen)
    return wanted.model_copy(update={"metrics_listen": joined(host, port + number if port else 0)})


class _Announcing:
    """Says on standard error how the server is doing."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.drain_seconds

    def serves(self, app: App) -> None:
        self.announce(app.addresses)

    def announce(self, addresses: Sequence[str]) -> None:
        say(f"stigmer is serving on {' and '.join(addresses)}")

    def stops(self) -> None:
        say(f"stigmer is stopping: calls in flight have {self._seconds:g} s to finish")


class _Reporting:
    """Tells the parent; it speaks for all workers."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent

    def serves(self, _app: App) -> None:
        self._parent.tell_ready()

    def stops(self) -> None:
        """The parent knows."""


def _without_password(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url


cli.command()(with_options(serve))
