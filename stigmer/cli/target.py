"""Which server a command calls: the options that all commands which call one have in common."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer


class Target(NamedTuple):
    """A server, who calls it, and how.

    Attributes:
        server: its address.
        token: the caller's, if any.
        timeout: seconds that each call may take.
        tls_ca: file of the authorities that the server's certificate must come from, or ``system``; None for plain text.
        tls_certificate: file of the caller's own certificate, if any.
        tls_key: file of its key, if that is not in the same one.
    """

    server: str
    token: str | None
    timeout: float
    tls_ca: str | None
    tls_certificate: str | None
    tls_key: str | None


_OPTIONS: dict[str, tuple[Any, Any, Any]] = {
    "server": (str, "127.0.0.1:7234", typer.Option(envvar="STIGMER_SERVER", metavar="HOST:PORT|unix:PATH", help="The server.")),
    "token": (
        str | None,
        None,
        typer.Option(envvar="STIGMER_TOKEN", metavar="TOKEN", help="Sent as authorization: Bearer TOKEN.", show_default=False),
    ),
    "timeout": (float, 30.0, typer.Option(min=0.001, metavar="SECONDS", help="How long each call may take.")),
    "tls_ca": (
        str | None,
        None,
        typer.Option(
            envvar="STIGMER_SERVER_CA",
            metavar="FILE|system",
            help="Speak TLS: the server's certificate comes from an authority in this PEM file, or that this machine trusts.",
            show_default=False,
        ),
    ),
    "tls_certificate": (
        str | None,
        None,
        typer.Option(
            envvar="STIGMER_CLIENT_CERTIFICATE", metavar="FILE", help="Your own certificate, in PEM.", show_default=False
        ),
    ),
    "tls_key": (
        str | None,
        None,
        typer.Option(
            envvar="STIGMER_CLIENT_KEY",
            metavar="FILE",
            help="Its private key, unless that is in the same file.",
            show_default=False,
        ),
    ),
}
"""Type, default and option of each attribute."""


def calls_server(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with options in place of its parameter ``target``, which is made of them."""

    @functools.wraps(command)
    def calling(**given: Any) -> None:
        target = Target(**{name: given.pop(name) for name in Target._fields})
        command(target=target, **given)

    own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "target"]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own] + [_parameter(name) for name in _OPTIONS]
    calling.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    calling.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return calling


def _parameter(name: str) -> inspect.Parameter:
    kind, default, option = _OPTIONS[name]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
