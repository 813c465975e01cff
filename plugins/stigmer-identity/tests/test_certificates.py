"""Callers who prove themselves by a client certificate, as the transport reports it."""

from __future__ import annotations

import ssl

import pytest

from stigmer import Unauthenticated

CERTIFICATE = {
    "subject": ((("organizationName", "Acme"),), (("commonName", "worker"),)),
    "subjectAltName": (("DNS", "worker.acme.example"), ("URI", "spiffe://acme.example/worker"), ("email", "w@acme.example")),
    "notBefore": "Jan  1 00:00:00 2026 GMT",
    "notAfter": "Jan  1 00:00:00 2027 GMT",
}
NOW = ssl.cert_time_to_seconds("Jun  1 00:00:00 2026 GMT")


@pytest.mark.parametrize(
    ("part", "expected"),
    [("uri", "spiffe://acme.example/worker"), ("dns", "worker.acme.example"), ("email", "w@acme.example"), ("cn", "worker")],
)
async def test_parts(calls, part, expected):
    """The setting says which part of the certificate is the caller's id; a prefix may stand before it."""
    call = await calls(lambda: NOW, certificate=part)
    assert (await call(certificate=CERTIFICATE)).id == expected
    prefixed = await calls(lambda: NOW, certificate=part, certificate_prefix="tls:")
    assert (await prefixed(certificate=CERTIFICATE)).id == f"tls:{expected}"


@pytest.mark.parametrize("part", ["uri", "dns", "email", "cn"])
async def test_exactly_one(calls, part):
    """A certificate with no such part, or two, is refused: nobody can tell who is meant."""
    call = await calls(lambda: NOW, certificate=part)
    names = CERTIFICATE["subjectAltName"]
    two = {**CERTIFICATE, "subjectAltName": names + names, "subject": CERTIFICATE["subject"] * 2}
    none = {"notAfter": CERTIFICATE["notAfter"]}
    for certificate in (two, none):
        with pytest.raises(Unauthenticated, match="invalid"):
            await call(certificate=certificate)


@pytest.mark.parametrize("certificate", [None, {}])
async def test_none(calls, certificate):
    """Without a certificate, or with one that the transport did not verify, credentials are missing."""
    call = await calls(lambda: NOW, certificate="cn")
    with pytest.raises(Unauthenticated, match="missing"):
        await call(certificate=certificate)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"notAfter": "May 31 23:59:59 2026 GMT"}, "expired"),
        ({"notBefore": "Jun  1 00:00:01 2026 GMT"}, "invalid"),
        ({"notAfter": "whenever"}, "invalid"),
        ({"subject": ((("commonName", "system"),),)}, "invalid"),
        ({"subject": ((("commonName", "a\x00b"),),)}, "invalid"),
        ({"subject": ((("commonName", ""),),)}, "invalid"),
    ],
)
async def test_bad_certificates(calls, change, text):
    """A certificate that ended while its connection lived on, or whose name cannot be an id, is refused."""
    call = await calls(lambda: NOW, certificate="cn")
    with pytest.raises(Unauthenticated, match=text):
        await call(certificate={**CERTIFICATE, **change})


async def test_headers_do_not_matter(calls):
    """Where only certificates are on, what stands in authorization is not looked at."""
    call = await calls(lambda: NOW, certificate="cn")
    assert (await call(certificate=CERTIFICATE, metadata={"authorization": "Basic x"})).id == "worker"
