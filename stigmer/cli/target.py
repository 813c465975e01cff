"""Which server a command calls: the options that all commands which call one have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import typer

from stigmer.cli.options import Option, expands


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


_OPTIONS: Mapping[str, Option] = {
    "server": Option(
        str, "127.0.0.1:7234", typer.Option(envvar="STIGMER_SERVER", metavar="HOST:PORT|unix:PATH", help="The server.")
    ),
    "token": Option(
        str | None,
        None,
        typer.Option(envvar="STIGMER_TOKEN", metavar="TOKEN", help="Sent as authorization: Bearer TOKEN.", show_default=False),
    ),
    "timeout": Option(float, 30.0, typer.Option(min=0.001, metavar="SECONDS", help="How long each call may take.")),
    "tls_ca": Option(
        str | None,
        None,
        typer.Option(
            envvar="STIGMER_SERVER_CA",
            metavar="FILE|system",
            help="Speak TLS: the server's certificate comes from an authority in this PEM file, or that this machine trusts.",
            show_default=False,
        ),
    ),
    "tls_certificate": Option(
        str | None,
        None,
        typer.Option(
            envvar="STIGMER_CLIENT_CERTIFICATE", metavar="FILE", help="Your own certificate, in PEM.", show_default=False
        ),
    ),
    "tls_key": Option(
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

calls_server = expands("target", Target, _OPTIONS)
"""Gives a command these options in place of its parameter ``target``."""
