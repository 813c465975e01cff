"""A plugin for stigmer that tells who calls: tokens of an OpenID provider, API keys, client certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stigmer import Authenticator, hookimpl
from stigmer_identity.authenticate import Authenticate
from stigmer_identity.settings import load_settings

if TYPE_CHECKING:
    import typer


@hookimpl
def authenticator() -> Authenticator:
    """What tells callers apart, as ``STIGMER_IDENTITY_*`` says. It reads nothing else before ``startup`` or the first call."""
    return Authenticate.of(load_settings())


@hookimpl
async def startup(app: Any) -> None:
    """Reads keys of both sorts. Without an answer of the provider calls are refused until there is one."""
    if isinstance(app.assembly.authenticator, Authenticate):
        await app.assembly.authenticator.start()


@hookimpl
async def shutdown(app: Any) -> None:
    """Ends a request to the provider that may be under way."""
    if isinstance(app.assembly.authenticator, Authenticate):
        await app.assembly.authenticator.close()


@hookimpl
def add_commands(cli: typer.Typer) -> None:
    """``stigmer identity key create|list|revoke``."""
    from stigmer_identity.commands import identity  # noqa: PLC0415 - a server needs no commands

    cli.add_typer(identity, name="identity")
