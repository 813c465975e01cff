"""TLS of a server whose certificates change while it runs."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import NamedTuple

from loguru import logger

from stigmer.errors import ConfigurationError
from stigmer.settings import Settings

_LOOK_EVERY_SECONDS = 2.0
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those that RFC 9113 lets HTTP/2 use. TLS 1.3 has no others."""

Signature = tuple[tuple[int, ...] | None, ...]


class TlsFiles(NamedTuple):
    """Where certificates are, and what is asked of clients.

    Attributes:
        certificate: the server's, with its chain.
        key: of the certificate; None when it is in the same file.
        client_ca: whose certificates clients show; None when they are not asked.
        client_required: whether one who shows none is turned away.
    """

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None
    client_required: bool = True

    @property
    def paths(self) -> dict[str, Path]:
        """The files, by the setting that names them."""
        named = {"tls_certificate": self.certificate, "tls_key": self.key, "tls_client_ca": self.client_ca}
        return {name: path for name, path in named.items() if path is not None}


class Tls:
    """What a server's TLS listeners use: for each new connection the files as they were read last."""

    def __init__(self, files: TlsFiles) -> None:
        """Reads the files.

        Raises:
            ConfigurationError: they are refused.
        """
        self._files = files
        self._seen = _signature(files)
        self._context = _NewestContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.newest = _loaded(files)

    @classmethod
    def of(cls, settings: Settings) -> Tls | None:
        """The TLS that ``settings`` describe; None for plain text.

        Raises:
            ConfigurationError: the files are refused.
        """
        if settings.tls_certificate is None:
            return None
        required = settings.tls_client == "required"
        return cls(TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, required))

    @property
    def context(self) -> ssl.SSLContext:
        """To listen with, once and for all."""
        return self._context

    def reload(self) -> bool:
        """Reads the files again, for connections from now on. Says so in the log; what is wrong with them too.

        Returns:
            Whether they are in use now. If not, the ones before are.
        """
        self._seen = _signature(self._files)
        try:
            self._context.newest = _loaded(self._files)
        except (ConfigurationError, OSError) as error:  # a file may go between two looks at it
            logger.error("TLS goes on with the files as they were: {}", error)
            return False
        logger.info("TLS uses the files as they are now")
        return True

    async def watch(self) -> None:
        """Reads the files again whenever they have changed, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if _signature(self._files) != self._seen:
                self.reload()


class _NewestContext(ssl.SSLContext):
    """What an event loop takes for one context: it makes each connection's TLS from the newest.

    To load other files into a context that is in use would add authorities, never remove one, and sessions begun under
    the old ones could be resumed.
    """

    newest: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """The TLS of a new connection."""
        return self.newest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _loaded(files: TlsFiles) -> ssl.SSLContext:
    _check_readable(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse)
    except ssl.SSLError as error:
        raise ConfigurationError(f"tls_certificate {files.certificate}: {_reason(error)}") from None
    if files.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED if files.client_required else ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(files.client_ca)
        except ssl.SSLError as error:
            raise ConfigurationError(f"tls_client_ca {files.client_ca}: {_reason(error)}") from None
    return context


def _check_readable(files: TlsFiles) -> None:
    """Tells which file cannot be read, as OpenSSL would not."""
    for setting, path in files.paths.items():
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{setting} {path}: {error.strerror}") from None


def _refuse() -> str:
    """Is asked for the key's password, for which OpenSSL itself would wait at the terminal."""
    raise ConfigurationError("tls_key: it is encrypted, and there is nobody to ask for the password")


_REASONS = {
    "KEY_VALUES_MISMATCH": "the private key is that of another certificate",
    "NO_CERTIFICATE_OR_CRL_FOUND": "it holds no certificate in PEM",
    "PEM_LIB": "it holds no certificate in PEM with its chain, or its key is none",
}


def _reason(error: ssl.SSLError) -> str:
    code = getattr(error, "reason", None) or "PEM_LIB"
    return _REASONS.get(code, code.lower().replace("_", " "))


def _signature(files: TlsFiles) -> Signature:
    """What changes when a file is written or replaced, through links too."""
    return tuple(_stamp(path) for path in files.paths.values())


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
