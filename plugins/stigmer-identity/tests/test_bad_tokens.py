"""Tokens that prove nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time

import grpc
import pytest
import stigmer_identity
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from stigmer_identity.authenticate import Authenticate
from stigmer_identity.settings import Settings

from stigmer import CallInfo, Unauthenticated
from stigmer.testing import serving

INVALID, MISSING, EXPIRED = "credentials are invalid", "credentials are missing", "credentials have expired"
LIST = "/ai.stigmer.agentic.session.v1.SessionQueryController/list"


@pytest.fixture
def forge(signing_keys, b64):
    """Makes a token of any header and claims, signed by the provider's RSA key unless ``sign`` does."""
    rsa = signing_keys["RS256"]

    def make(claims, sign=None, **header):
        head = {"alg": "RS256", "kid": rsa.id, **header}
        signed = ".".join(b64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (head, claims))
        signature = sign(signed.encode()) if sign else rsa.private.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{b64(signature)}"

    return make


@pytest.fixture
def mangled(token, claims, b64):
    """Tokens that were whole once."""
    good = token()
    head, body, signature = good.split(".")
    deep = b64(b"[" * 4000)
    return {
        "garbage": "garbage",
        "dots": "a.b.c",
        "only dots": "..",
        "not base64": f"{head}.%%%.{signature}",
        "deep header": f"{deep}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "tampered payload": f"{head}.{b64(json.dumps(claims(sub='ida-root')).encode())}.{signature}",
        "truncated": good[:-20],
        "truncated to two parts": f"{head}.{body}",
        "extended": f"{good}.{signature}",
        "huge": token(padding="x" * 9000),
        "API key while those are off": "stigmer_abc_def",
    }


@pytest.fixture
def forged(forge, claims, signing_keys, other_keys):
    """Tokens with good claims that the provider did not sign, or not like this."""
    rsa, good = signing_keys["RS256"], claims()
    pem = rsa.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def shared(secret):
        return lambda signed: hmac.digest(secret, signed, hashlib.sha256)

    return {
        "wrong key": other_keys["RS256"].sign(good),
        "wrong EC key": other_keys["ES256"].sign(good),
        "none": forge(good, lambda _: b"", alg="none"),
        "None": forge(good, lambda _: b"", alg="None"),
        "no algorithm": forge(good, alg=None),
        "algorithm is a list": forge(good, alg=["RS256"]),
        "signed, but none": forge(good, alg="none"),
        "HS256 with the public key": forge(good, shared(pem), alg="HS256"),
        "HS256 with the key set's key": forge(good, shared(json.dumps(rsa.public).encode()), alg="HS256"),
        "HMAC said to be RS256": forge(good, shared(pem)),
        "algorithm not accepted": forge(good, alg="RS512"),
        "kid unknown": rsa.sign(good, kid="stranger"),
        "kid of another key": rsa.sign(good, kid=signing_keys["ES256"].id),
        "kid is a number": forge(good, kid=7),
        "kid is a path": forge(good, kid="../../dev/null"),
        "critical extension": forge(good, crit=["exp"]),
        "known critical extension": forge(good, crit=["b64"], b64=True),
        "detached": forge(good, b64=False),
        "key in the header": other_keys["RS256"].sign(good, jwk=other_keys["RS256"].public),
        "header is a list": f"W10.{forge(good).partition('.')[2]}",
    }


@pytest.fixture
def misfit(forge, claims):
    """Tokens that the provider signed, but that are not good here and now."""
    now = int(time.time())
    changes = {
        "not yet valid": {"nbf": now + 100},
        "issued in the future": {"iat": now + 100},
        "wrong audience": {"aud": "others"},
        "no audience": {"aud": None},
        "empty audience": {"aud": []},
        "wrong issuer": {"iss": "https://evil.example"},
        "issuer with a slash more": {"iss": f"{claims()['iss']}/"},
        "no issuer": {"iss": None},
        "issuer is a list": {"iss": [claims()["iss"]]},
        "no sub": {"sub": None},
        "empty sub": {"sub": ""},
        "sub is a number": {"sub": 7},
        "sub of the server": {"sub": "system"},
        "sub with a control character": {"sub": "a\nb"},
        "sub with a space before": {"sub": " a"},
        "long sub": {"sub": "x" * 257},
        "roles of no sort": {"roles": {"admin": True}},
        "roles of numbers": {"roles": [1]},
        "too many roles": {"roles": [str(number) for number in range(257)]},
        "no exp": {"exp": None},
        "exp is a text": {"exp": "soon"},
        "exp is true": {"exp": True},
        "exp is negative": {"exp": -1},
        "exp is infinite": {"exp": float("inf")},
        "exp is huge": {"exp": 10**400},
        "exp is a list": {"exp": [now + 100]},
    }
    return {**{name: forge(claims(**change)) for name, change in changes.items()}, "payload is a list": forge([])}


@pytest.fixture
def bad(mangled, forged, misfit, token):
    """Bad authorization headers by name, each with the text that answers it."""
    good = token()
    headers = {name: f"Bearer {text}" for name, text in {**mangled, **forged, **misfit}.items()}
    headers |= {
        "empty": "",
        "only the scheme": "Bearer",
        "nothing after the scheme": "Bearer ",
        "wrong scheme": f"Basic {good}",
        "no scheme": good,
        "two in one": f"Bearer {good},Bearer {good}",
        "two words": f"Bearer {good} {good}",
    }
    expired = (f"Bearer {token(exp=int(time.time()) - 31)}", EXPIRED)
    return {**{name: (header, INVALID) for name, header in headers.items()}, "expired": expired}


async def test_each_is_refused_on_the_wire(bad, jwt_settings, monkeypatch, token):
    """Each bad header is answered UNAUTHENTICATED with one of three texts, none of which has anything of the credential.

    Those that end in a space HTTP/2 itself does not know.
    """
    for name, value in jwt_settings.items():
        monkeypatch.setenv(f"STIGMER_IDENTITY_{name.upper()}", value if isinstance(value, str) else ",".join(value))
    cases = {name: ((("authorization", header),), text) for name, (header, text) in bad.items() if header == header.strip()}
    good = ("authorization", f"Bearer {token()}")
    cases |= {"none at all": ((), MISSING), "twice": ((good, good), INVALID)}
    cases["twice, one bad"] = ((good, ("authorization", "Bearer x")), INVALID)
    async with serving({"identity": stigmer_identity}) as app, grpc.aio.insecure_channel(app.address) as channel:
        rpc = channel.unary_unary(LIST)
        assert await rpc(b"", metadata=(good,), timeout=10) == b""
        for name, (metadata, text) in cases.items():
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rpc(b"", metadata=metadata, timeout=10)
            assert (name, caught.value.code(), caught.value.details()) == (name, grpc.StatusCode.UNAUTHENTICATED, text)
    assert len(cases) >= 60


async def test_each_is_refused_the_second_time_too(bad, calls, jwt_settings, token):
    """Nothing that was refused is remembered as good, also when a good token was seen before and after."""
    call = await calls(**jwt_settings)
    for name, (header, text) in bad.items():
        assert (await call(token())).id == "ida-ann"
        for _ in range(2):
            with pytest.raises(Unauthenticated) as caught:
                await call(metadata={"authorization": header})
            assert (name, caught.value.text, caught.value.__cause__) == (name, text, None)


@pytest.mark.parametrize("metadata", [MultiDict, dict])
async def test_metadata_of_either_sort(calls, jwt_settings, token, metadata):
    """One value is found in the transport's own metadata and in a plain mapping."""
    call = await calls(**jwt_settings)
    info = CallInfo(metadata=metadata({"authorization": f"bearer {token()}"}))
    assert (await call.authenticate(info)).id == "ida-ann"


async def test_bytes_are_no_header(calls, jwt_settings):
    """A value of bytes, which the name does not allow, is refused."""
    call = await calls(**jwt_settings)
    with pytest.raises(Unauthenticated):
        await call(metadata={"authorization": b"Bearer x"})


@pytest.fixture
def attempt(jwt_settings):
    """Makes a call with a header and gives the caller; for tests that run no event loop of their own."""
    authenticate = Authenticate.of(Settings(**jwt_settings))
    with asyncio.Runner() as runner:
        runner.run(authenticate.start())
        yield lambda header: runner.run(authenticate(CallInfo(metadata={"authorization": header})))


MADE_UP = st.one_of(
    st.text(),
    st.text().map("Bearer ".__add__),
    st.from_regex(r"Bearer [A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True),
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), st.one_of(st.text(), st.integers(), st.none())).map(
        lambda header: f"Bearer {base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b'=').decode()}.e30.AAAA"
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=MADE_UP)
def test_no_made_up_header_is_more_than_refused(attempt, header):
    """Whatever stands in the header, the answer is UNAUTHENTICATED, never another failure."""
    with pytest.raises(Unauthenticated):
        attempt(header)


async def test_no_changed_character_goes_unnoticed(calls, jwt_settings, token):
    """A token with one character changed is refused, wherever that is."""
    call = await calls(**jwt_settings)
    good = token("ES256")
    for place in range(len(good) - 1):  # the last one has bits that belong to no byte
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        with pytest.raises(Unauthenticated):
            await call(changed)
