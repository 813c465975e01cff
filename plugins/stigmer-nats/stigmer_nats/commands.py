"""``stigmer events``: what was published, as others see it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Annotated

import typer
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.api import ConsumerConfig, DeliverPolicy

from stigmer.cli.exits import Code, CommandError
from stigmer.cli.text import visible
from stigmer.publishing import TryAgain
from stigmer_nats.connection import connect, ensure_stream
from stigmer_nats.settings import Settings, load_settings

commands = typer.Typer(rich_markup_mode=None, add_completion=False, help="Look at the events that were published.")

_QUIET_SECONDS = 1.0


@commands.command()
def tail(
    every: Annotated[bool, typer.Option("--all", help="From the first event that is kept, not from now on.")] = False,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for more when there is none.")] = True,
    session: Annotated[str | None, typer.Option("--session", help="Only of the session with this id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One CloudEvent in JSON a line.")] = False,
) -> None:
    """Print events as they come, one a line, until interrupted.

    Exit codes: 0 done; 69 NATS does not answer; 78 a setting is refused.
    """
    settings = load_settings()
    try:
        asyncio.run(_tail(settings, every=every, follow=follow, session=session, as_json=as_json))
    except TryAgain as error:
        raise CommandError(Code.UNREACHABLE, str(error)) from error
    except KeyboardInterrupt:
        return


async def _tail(settings: Settings, *, every: bool, follow: bool, session: str | None, as_json: bool) -> None:
    async with contextlib.aclosing(_messages(settings, every=every, follow=follow, session=session)) as messages:
        async for message in messages:
            typer.echo(_as_json(message) if as_json else _as_line(message))


async def _messages(settings: Settings, *, every: bool, follow: bool, session: str | None) -> AsyncGenerator[Msg, None]:
    from stigmer_nats.sink import subject_of  # noqa: PLC0415 - as small as the command line can be

    client = await connect(settings)
    try:
        stream = client.jetstream(timeout=settings.timeout_seconds)
        await ensure_stream(stream, settings)
        subject = f"{settings.subject}.>" if session is None else subject_of(settings.subject, "session", session)
        policy = DeliverPolicy.ALL if every else DeliverPolicy.NEW
        events = await stream.subscribe(
            subject, stream=settings.stream, ordered_consumer=True, config=ConsumerConfig(deliver_policy=policy)
        )
        while True:
            try:
                yield await events.next_msg(timeout=None if follow else _QUIET_SECONDS)
            except TimeoutError:
                return
    except Error as error:
        raise TryAgain(f"NATS does not answer: {error}") from error
    finally:
        await client.close()


def _attributes(message: Msg) -> dict[str, str]:
    headers = message.headers or {}
    return {name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")}


def _as_line(message: Msg) -> str:
    event = _attributes(message)
    what = event.get("type", "").rpartition(".")[2]
    return visible("  ".join([event.get("time", "-"), f"{what:8}", event.get("subject", "-"), event.get("actor", "-")]))


def _as_json(message: Msg) -> str:
    data = json.loads(message.data) if message.data else None
    return json.dumps({**_attributes(message), **({} if data is None else {"data": data})}, ensure_ascii=True)
