"""TLS on this machine, for both sides of a connection that trust the same authority and nobody else."""

from __future__ import annotations

import ssl
from pathlib import Path

from stigmer.testing.certificates import Authority, Issued


class Certificates:
    """An authority, and what servers and clients make of it.

    Attributes:
        authority: who vouches for all of them.
    """

    def __init__(self, folder: Path):
        self.authority = Authority(folder)
        self._server = self.authority.issue("server")

    def server_context(self, *, asks: bool = False) -> ssl.SSLContext:
        """What a server shows; one that ``asks`` wants certificates of its clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._server)
        context.set_alpn_protocols(["h2"])
        if asks:
            context.load_verify_locations(self.authority.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self, *, shows: Issued | None = None) -> ssl.SSLContext:
        """What a client needs; it may show a certificate too."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.set_alpn_protocols(["h2"])
        if shows is not None:
            context.load_cert_chain(*shows)
        return context
