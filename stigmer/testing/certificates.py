"""Certificates for tests: an authority of their own, and whom it vouches for. Needs the package cryptography."""

from __future__ import annotations

import ipaddress
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Issued(NamedTuple):
    """The files of a certificate and of its private key, in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates.

    Attributes:
        certificate: the file with its own.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        """Writes all its files to ``folder``."""
        self._folder = folder
        self._numbers = itertools.count()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        builder = self._builder(self._name, self._key).add_extension(_SIGNS, critical=True)
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def issue(self, name: str, *, host: str = "127.0.0.1", uri: str | None = None) -> Issued:
        """A certificate for a server at ``host``, or for a client.

        Args:
            name: its common name.
            host: IP address or DNS name in its subjectAltName.
            uri: another name there, such as a SPIFFE id.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_host(host), *([x509.UniformResourceIdentifier(uri)] if uri is not None else [])]
        builder = self._builder(_named(name), key).add_extension(x509.SubjectAlternativeName(names), critical=False)
        stem = f"{name}-{next(self._numbers)}"
        issued = Issued(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        issued.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        issued.key.write_bytes(_private(key))
        return issued

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            self._name, name, key.public_key(), x509.random_serial_number(), now - _DAY, now + _DAY
        )
        for extension in (
            x509.BasicConstraints(ca=key is self._key, path_length=None),
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        ):
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, serialization.NoEncryption())
