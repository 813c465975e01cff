"""A connection to NATS, and the stream that events go to."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import nats
from loguru import logger
from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from stigmer import ConfigurationError
from stigmer.publishing import TryAgain
from stigmer_nats.settings import Settings

_RECONNECT_SECONDS = 1.0


async def connect(settings: Settings) -> Client:
    """Connects; from then on the client reconnects by itself.

    Raises:
        TryAgain: no server can be reached, or lets us in.
    """
    options: dict[str, Any] = {
        "servers": settings.urls,
        "name": "stigmer",
        "connect_timeout": settings.timeout_seconds,
        "reconnect_time_wait": _RECONNECT_SECONDS,
        "error_cb": _note,
    }
    if settings.credentials is not None:
        options["user_credentials"] = str(settings.credentials)
    if settings.token.get_secret_value():
        options["token"] = settings.token.get_secret_value()
    if settings.tls_ca is not None:
        options["tls"] = _trusting(settings)
    client = Client()
    try:
        # The client would try for ever, and nobody would hear that it does not succeed.
        async with asyncio.timeout(settings.timeout_seconds):
            await client.connect(**options, allow_reconnect=False, max_reconnect_attempts=1)
    except (Error, OSError, TimeoutError) as error:
        await client.close()
        raise TryAgain(f"NATS cannot be reached: {str(error) or type(error).__name__}") from error
    client.options |= {"allow_reconnect": True, "max_reconnect_attempts": -1}
    return client


async def ensure_stream(stream: JetStreamContext, settings: Settings) -> None:
    """Makes the stream, unless it is there; one that is there is left as it is.

    Raises:
        TryAgain: the server does not answer, or has no JetStream.
    """
    try:
        try:
            await stream.stream_info(settings.stream)
        except NotFoundError:
            wanted = StreamConfig(
                name=settings.stream,
                subjects=[f"{settings.subject}.>"],
                storage=StorageType.FILE,
                duplicate_window=settings.duplicate_window_seconds,
            )
            await stream.add_stream(wanted)
    except BadRequestError:
        await _made_meanwhile(stream, settings)
    except (Error, OSError, TimeoutError) as error:
        raise TryAgain(f"JetStream does not answer: {str(error) or type(error).__name__}") from error


async def _made_meanwhile(stream: JetStreamContext, settings: Settings) -> None:
    """Somebody else has made the stream, or has one of another name for the same subjects."""
    try:
        await stream.stream_info(settings.stream)
    except (Error, OSError, TimeoutError) as error:
        raise TryAgain(f"the stream {settings.stream} cannot be made: {error}") from error


def _trusting(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.tls_ca)
    except OSError as error:
        raise ConfigurationError(f"STIGMER_NATS_TLS_CA {settings.tls_ca}: {error.strerror or error}") from error


async def _note(error: Exception) -> None:
    """The client reconnects by itself; the relay says when events are not taken."""
    logger.debug("NATS: {}", type(error).__name__)


__all__ = ["connect", "ensure_stream", "nats"]
