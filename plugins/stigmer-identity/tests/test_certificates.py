"""Callers who prove themselves by a client certificate, as the transport reports it."""

from __future__ import annotations

import ssl

import pytest
import stigmer_identity

from stigmer import Unauthenticated
from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, Session, SessionClient, SessionSpec
from stigmer.client import Unauthenticated as Refused
from stigmer.testing import serving
from stigmer.testing.certificates import Authority

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


@pytest.fixture
def authority(tmp_path):
    """Vouches for the server and for its clients."""
    return Authority(tmp_path)


@pytest.fixture
async def mutual(authority, monkeypatch):
    """A server that asks clients for certificates; gives a client that shows this one."""
    monkeypatch.setenv("STIGMER_IDENTITY_CERTIFICATE", "uri")
    server = authority.issue("server")
    tls = {"tls_certificate": server.certificate, "tls_key": server.key, "tls_client_ca": authority.certificate}

    def client(shown):
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.set_alpn_protocols(["h2"])
        if shown is not None:
            context.load_cert_chain(*shown)
        return SessionClient(app.address, ssl=context)

    async with serving({"identity": stigmer_identity}, **tls, tls_client="optional") as app:
        yield client


async def test_over_mutual_tls(mutual, authority):
    """Whoever shows a certificate of the authority is its subject, from the connection to the audit."""
    metadata = ApiResourceMetadata(name="Deploy", owner_scope=ApiResourceOwnerScope.identity_account)
    session = Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1"))
    made = []
    for name in ("spiffe://acme.example/ann", "spiffe://acme.example/bot"):
        async with mutual(authority.issue("worker", uri=name)) as client:
            made.append((name, await client.create(session)))
    assert [(name, each.status.audit.spec_audit.created_by.id) for name, each in made] == [(name, name) for name, _ in made]
    assert len({each.metadata.id for _, each in made}) == 2


async def test_without_a_certificate_over_tls(mutual, authority):
    """Where certificates are optional, a client without one, or with one that names nobody, gets in but is nobody."""
    for shown, text in ((None, "missing"), (authority.issue("worker"), "invalid")):
        async with mutual(shown) as client:
            with pytest.raises(Refused, match=text):
                await client.list()
