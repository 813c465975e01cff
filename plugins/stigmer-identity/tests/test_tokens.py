"""Tokens that prove who calls, and until when they do."""

from __future__ import annotations

import time

import jwt
import pytest
from stigmer_identity.claims import check_times, roles
from stigmer_identity.refusals import Refused
from stigmer_identity.verified import Verified

from stigmer import Caller, Unauthenticated


class Clock:
    """A time that stands still until it is set."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock(float(int(time.time())))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_each_algorithm(calls, jwt_settings, token, algorithm):
    """A token of each accepted algorithm makes its subject the caller, at first and when it is remembered."""
    call = await calls(**jwt_settings)
    for _ in range(2):
        assert await call(token(algorithm, roles=["a", "b"])) == Caller("ida-ann", frozenset({"a", "b"}))


async def test_only_listed_algorithms(calls, jwt_settings, token):
    """An algorithm that is not listed is refused though the provider has a key for it."""
    call = await calls(**jwt_settings, algorithms=("ES256",))
    assert (await call(token("ES256"))).id == "ida-ann"
    with pytest.raises(Unauthenticated):
        await call(token("RS256"))


async def test_the_key_says_what_it_is_for(calls, jwt_settings, signing_keys, claims):
    """A key that names its algorithm verifies no other, though it could."""
    call = await calls(**jwt_settings)
    key = signing_keys["RS256"]
    with pytest.raises(Unauthenticated):
        await call(jwt.encode(claims(), key.private, "PS256", {"kid": key.id}))


async def test_one_of_several_audiences(calls, jwt_settings, token):
    """It is enough that one audience of the token is one of ours."""
    call = await calls(**{**jwt_settings, "audience": ("one", "two")})
    assert (await call(token(aud=["three", "two"]))).id == "ida-ann"


async def test_claims_are_chosen(calls, jwt_settings, token):
    """Id and roles come from the claims that the settings name; a prefix keeps ids of several sources apart."""
    call = await calls(**jwt_settings, id_claim="email", roles_claim="realm.roles", jwt_prefix="oidc:")
    assert await call(token(email="ann@example", realm={"roles": ["a"]})) == Caller("oidc:ann@example", frozenset({"a"}))
    with pytest.raises(Unauthenticated):
        await call(token(realm={"roles": ["a"]}))


@pytest.mark.parametrize(
    ("claims", "name", "expected"),
    [
        ({"roles": ["a", "b"]}, "roles", ["a", "b"]),
        ({"scope": "read  write"}, "scope", ["read", "write"]),
        ({"a.b": "x", "a": {"b": "y"}}, "a.b", ["x"]),
        ({"a": {"b": "y"}}, "a.b", ["y"]),
        ({"a": "text"}, "a.b", []),
        ({}, "roles", []),
        ({"roles": None}, "roles", []),
        ({"": ["a"]}, "", []),
    ],
)
def test_roles(claims, name, expected):
    """Roles are a list or words; a name is first taken whole, then by its dots; no claim is no roles."""
    assert roles(claims, name) == expected


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({}, "credentials are invalid"),
        ({"exp": 970.001}, None),
        ({"exp": 970}, "credentials have expired"),
        ({"exp": 2000, "nbf": 1030}, None),
        ({"exp": 2000, "nbf": 1030.001}, "credentials are invalid"),
        ({"exp": 2000, "iat": 1030}, None),
        ({"exp": 2000, "iat": 1031}, "credentials are invalid"),
        ({"exp": 2.0**53}, None),
        ({"exp": 2**53 + 2}, "credentials are invalid"),
        ({"exp": float("nan")}, "credentials are invalid"),
    ],
)
def test_edges_of_the_leeway(claims, refusal):
    """With clocks 30 s apart a token holds until just before exp + 30 s, and from nbf and iat - 30 s on."""
    if refusal is None:
        assert check_times(claims, 1000.0, 30.0) == claims["exp"] + 30
    else:
        with pytest.raises(Refused) as caught:
            check_times(claims, 1000.0, 30.0)
        assert caught.value.text == refusal


async def test_a_remembered_token_ends_with_its_exp(calls, jwt_settings, token, clock):
    """A token that is remembered is refused from exp and leeway on, however long it could be remembered."""
    call = await calls(clock, **jwt_settings, cache_seconds=300, leeway_seconds=2)
    good = token(exp=int(clock.now) + 10)
    for later in (0, 5, 11.999):
        start, clock.now = clock.now, clock.now + later
        assert (await call(good)).id == "ida-ann"
        clock.now = start
    clock.now += 12
    with pytest.raises(Unauthenticated, match="expired"):
        await call(good)


async def test_a_good_signature_is_checked_once(calls, jwt_settings, token, monkeypatch):
    """A token that comes again within the time is not verified again; with the cache off it is."""
    counted = []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *args, **options: counted.append(1) or decode(*args, **options))
    good = token()
    for cache_seconds, expected in ((30, 1), (0, 3)):
        call = await calls(**jwt_settings, cache_seconds=cache_seconds)
        counted.clear()
        for _ in range(3):
            await call(good)
        assert len(counted) == expected


def test_the_cache_is_bounded():
    """The oldest token makes room; one of other keys, and one whose time is over, is not found."""
    clock = Clock(0.0)
    verified = Verified(30, 2, clock)
    for name in ("a", "b", "c"):
        verified.put(name, Caller(name), 100, 1)
    assert [verified.get(name, 1) for name in ("a", "b", "c")] == [None, Caller("b"), Caller("c")]
    assert len(verified) == 2
    assert verified.get("c", 2) is None
    assert verified.get("c", None) is None
    clock.now = 30.0
    assert verified.get("c", 1) is None
