"""Public keys of a provider that rotates them, is slow, is down or answers nonsense."""

from __future__ import annotations

import asyncio
import json
import ssl

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from stigmer_identity.fetch import FetchError
from stigmer_identity.key_set import KeySet, Policy
from stigmer_identity.public_key import NoKeys, parse

from stigmer import ConfigurationError, Unauthenticated, Unavailable

RS256 = frozenset({"RS256"})


@pytest.fixture
def online(provider):
    """Settings for tokens of the provider, whose keys are discovered; it may be asked again at once."""
    return {"issuer": provider.url, "audience": ("stigmer",), "jwks_cooldown_seconds": 0.1, "jwks_timeout_seconds": 5}


@pytest.fixture
def signed(provider, claims):
    """A token of the provider, signed by one of its keys or by a key that is given."""
    return lambda key, **changes: key.sign(claims(iss=provider.url, **changes))


async def test_keys_are_discovered(calls, online, provider, signed):
    """With the issuer alone its description is read, then the keys that it names; calls ask for neither."""
    call = await calls(**online)
    for key in provider.keys:
        assert (await call(signed(key))).id == "ida-ann"
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_url_of_keys_is_used_as_it_is(calls, online, provider, signed):
    """With a URL the issuer's description is not asked for."""
    call = await calls(**online, jwks=f"{provider.url}/keys")
    assert (await call(signed(provider.keys[0]))).id == "ida-ann"
    assert provider.asked == ["/keys"]


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://0.0.0.0:{port}/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
)
async def test_a_strange_description_is_refused(calls, online, provider, signed, description):
    """A description of another issuer, or one that leads to keys over plain HTTP or to a file, gives no keys."""
    # 0.0.0.0 leads to the provider, too, but is no address that is known to be this machine
    provider.description = {name: str(value).replace("{port}", str(provider.port)) for name, value in description.items()}
    call = await calls(**online)
    with pytest.raises(Unavailable):
        await call(signed(provider.keys[0]))
    assert set(provider.asked) == {"/.well-known/openid-configuration"}


async def test_rotation(calls, online, provider, *, signed, other_keys, eventually):
    """A token of a new key is good as soon as the provider has the key; one of a key that is gone is not good any more."""
    call = await calls(**online)
    old, new = provider.keys[0], other_keys["RS256"]
    assert (await call(signed(old))).id == "ida-ann"
    new.id, provider.keys = "new", [new]

    async def accepted():
        try:
            return (await call(signed(new))).id == "ida-ann"
        except Unauthenticated:
            return False

    try:
        await eventually(accepted)
    finally:
        new.id = old.id
    with pytest.raises(Unauthenticated):
        await call(signed(old))


async def test_a_key_that_is_gone_ends_remembered_tokens(calls, jwt_settings, jwks_file, *, token, signing_keys, eventually):
    """A remembered token is refused once the file of keys has no such key: within about a second."""
    call = await calls(**jwt_settings, cache_seconds=300)
    good = token()
    assert (await call(good)).id == "ida-ann"
    jwks_file.write_text(json.dumps({"keys": [signing_keys["ES256"].public]}))

    async def refused():
        try:
            await call(good)
        except Unauthenticated:
            return True
        return False

    await eventually(refused)


class Source:
    """A source that counts, waits while it is held, and fails on demand."""

    def __init__(self, *keys):
        self.content = json.dumps({"keys": [key.public for key in keys]}).encode()
        self.failure = None
        self.asked = 0
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        self.free.set()

    async def __call__(self):
        self.asked += 1
        self.begun.set()
        await self.free.wait()
        if self.failure is not None:
            raise self.failure
        return self.content


async def test_concurrent_calls_ask_once(signing_keys):
    """A hundred calls that come while there are no keys wait for one request, and one that gives up spoils nothing."""
    rsa, now = signing_keys["RS256"], [0.0]
    source = Source(rsa)
    keys = KeySet(source, RS256, Policy(10, 5, 100), lambda: now[0])
    source.free.clear()
    tasks = [asyncio.create_task(keys.find(rsa.id, "RS256")) for _ in range(99)]
    await source.begun.wait()
    now[0] = 6.0  # the answer takes longer than the cooldown
    tasks.append(asyncio.create_task(keys.find(rsa.id, "RS256")))
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])
    source.free.set()
    assert {key.id for key in await asyncio.gather(*tasks[1:])} == {rsa.id}
    assert source.asked == 1


async def test_others_are_answered_while_the_source_is_slow(signing_keys):
    """While a call waits for a key that is not known, a call with a known key is answered."""
    rsa, now = signing_keys["RS256"], [0.0]
    source = Source(rsa)
    keys = KeySet(source, RS256, Policy(10, 5, 100), lambda: now[0])
    await keys.refresh()
    source.free.clear()
    now[0] = 20.0
    waiting = asyncio.create_task(keys.find("stranger", "RS256"))
    await asyncio.sleep(0)
    assert (await keys.find(rsa.id, "RS256")).id == rsa.id
    assert not waiting.done()
    source.free.set()
    with pytest.raises(Unauthenticated):
        await waiting


async def test_a_source_with_a_bug_admits_nobody(signing_keys):
    """Whatever the source raises, calls are UNAVAILABLE, and the next request may do better."""
    source, now = Source(signing_keys["RS256"]), [0.0]
    keys = KeySet(source, RS256, Policy(10, 5, 100), lambda: now[0])
    source.failure = ZeroDivisionError("secret")
    with pytest.raises(Unavailable, match=r"^credentials cannot be checked now$"):
        await keys.find(signing_keys["RS256"].id, "RS256")
    source.failure, now[0] = None, 5.0
    assert (await keys.find(signing_keys["RS256"].id, "RS256")).algorithms == RS256


async def test_close_ends_a_request(signing_keys):
    """A request that is under way when the server stops is cancelled."""
    source = Source(signing_keys["RS256"])
    keys = KeySet(source, RS256, Policy(10, 5, 100))
    source.free.clear()
    waiting = asyncio.create_task(keys.refresh())
    await source.begun.wait()
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


NONSENSE = [
    b"",
    b"not HTTP\r\n\r\n",
    b"{}",
    b"[]",
    b"null",
    b'{"keys": 1}',
    b'{"keys": []}',
    b'{"keys": [{}, 1, null]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: body[:12].decode())
@pytest.mark.parametrize("framed", [True, False])
async def test_nonsense_admits_nobody(calls, online, provider, *, signed, http_answer, body, framed, eventually):
    """Without keys calls are UNAVAILABLE: whether their tokens are good is not known. A good answer heals it."""
    provider.answer = http_answer(body) if framed else body
    call = await calls(**online, jwks=f"{provider.url}/keys")
    with pytest.raises(Unavailable, match="cannot be checked now"):
        await call(signed(provider.keys[0]))
    provider.answer = None

    async def healed():
        try:
            return (await call(signed(provider.keys[0]))).id == "ida-ann"
        except Unavailable:
            return False

    await eventually(healed)


@pytest.mark.parametrize("status", ["500 Oops", "404 Not Found", "302 Found\r\nlocation: /keys2", "204 No Content"])
async def test_other_statuses_admit_nobody(calls, online, provider, *, signed, http_answer, status):
    """Only 200 counts; redirects are not followed."""
    provider.answer = http_answer(json.dumps({"keys": [key.public for key in provider.keys]}).encode(), status)
    call = await calls(**online, jwks=f"{provider.url}/keys")
    with pytest.raises(Unavailable):
        await call(signed(provider.keys[0]))
    assert set(provider.asked) == {"/keys"}


async def test_the_provider_must_show_a_trusted_certificate(calls, claims, tls_provider, monkeypatch):
    """Keys of a provider whose certificate nobody vouches for are not taken; with its certificate trusted they are."""
    provider, certificate = tls_provider
    settings = {"issuer": provider.url, "audience": ("stigmer",)}
    good = provider.keys[0].sign(claims(iss=provider.url))
    call = await calls(**settings)
    with pytest.raises(Unavailable):
        await call(good)
    assert provider.asked == []
    monkeypatch.setattr("stigmer_identity.fetch._trust", lambda: ssl.create_default_context(cafile=certificate))
    call = await calls(**settings)
    assert (await call(good)).id == "ida-ann"


async def test_a_huge_answer_is_not_read(calls, online, provider, signed, http_answer):
    """More than a mebibyte is not taken, though it be a key set."""
    keys = json.dumps({"keys": [key.public for key in provider.keys]}).encode()
    provider.answer = http_answer(keys + b" " * 1_100_000)
    call = await calls(**online, jwks=f"{provider.url}/keys")
    with pytest.raises(Unavailable):
        await call(signed(provider.keys[0]))


async def test_a_provider_that_hangs(calls, online, provider, signed):
    """A provider that does not answer delays start and calls for the time-out at most."""
    provider.hold.clear()
    call = await calls(**{**online, "jwks_timeout_seconds": 0.2})
    with pytest.raises(Unavailable):
        await call(signed(provider.keys[0]))


async def test_a_provider_that_is_down_after_a_while(calls, online, provider, *, signed, eventually):
    """Keys that were read go on counting while the provider is down; tokens of unknown keys are UNAVAILABLE then."""
    call = await calls(**online)
    await provider.stop()

    async def unavailable():
        try:
            await call(provider.keys[0].sign({"sub": "x"}, kid="stranger"))
        except Unavailable:
            return True
        except Unauthenticated:
            return False

    await eventually(unavailable)
    assert (await call(signed(provider.keys[0]))).id == "ida-ann"


async def test_unknown_keys_do_not_flood_the_provider(calls, online, provider):
    """However many tokens name keys that are not there, the provider is asked once in the cooldown."""
    call = await calls(**{**online, "jwks_cooldown_seconds": 60})
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await call(provider.keys[0].sign({"sub": "x"}, kid=f"stranger-{number}"))
    assert len(provider.asked) == 2


async def test_aging_keys(signing_keys):
    """Keys are used while they are asked for anew, asked for at most once in the cooldown, and not used when too old."""
    rsa, now = signing_keys["RS256"], [1000.0]
    source = Source(rsa)
    keys = KeySet(source, RS256, Policy(refresh=10, cooldown=5, max_age=100), lambda: now[0])
    assert (await keys.find(rsa.id, "RS256")).id == rsa.id
    source.failure = FetchError("down")
    for now[0], asked in ((1009.0, 1), (1010.0, 2), (1014.9, 2), (1015.0, 3), (1099.9, 4)):
        assert (await keys.find(rsa.id, "RS256")).id == rsa.id
        for _ in range(5):
            await asyncio.sleep(0)  # the request runs beside the calls
        assert source.asked == asked
    now[0] = 1100.0
    with pytest.raises(Unavailable):
        await keys.find(rsa.id, "RS256")
    assert keys.generation() is None
    source.failure, now[0] = None, 1200.0
    assert (await keys.find(rsa.id, "RS256")).id == rsa.id
    assert keys.generation() == 1


async def test_a_token_without_kid_needs_a_single_key(signing_keys, other_keys):
    """Without a name the only key that fits is taken; of two neither is."""
    one, two = signing_keys["RS256"], other_keys["RS256"]
    assert (await KeySet(Source(one), RS256, Policy(10, 5, 100)).find(None, "RS256")).id == one.id
    with pytest.raises(Unauthenticated):
        await KeySet(Source(one, two), RS256, Policy(10, 5, 100)).find(None, "RS256")


async def test_keys_for_other_purposes(signing_keys):
    """Keys for encryption, shared secrets, weak keys and damaged ones are left out, the rest is used."""
    good = signing_keys["RS256"]
    weak = jwt.get_algorithm_by_name("RS256").to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    unusable = [
        {**good.public, "use": "enc"},
        {**good.public, "alg": "RSA-OAEP"},
        {**good.public, "key_ops": ["sign"]},
        {**good.public, "key_ops": 7},
        {**good.public, "kid": 7},
        {**good.public, "kty": ["RSA"]},
        {**good.public, "n": "!"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": good.id, "alg": "HS256"},
        {**weak, "kid": "weak"},
        {**signing_keys["ES256"].public, "x": "AA"},
    ]
    allowed = frozenset({"RS256", "ES256", "HS256", "none"})
    assert [key.id for key in parse(json.dumps({"keys": [*unusable, good.public]}).encode(), allowed)] == [good.id]
    for each in unusable:
        with pytest.raises(NoKeys):
            parse(json.dumps({"keys": [each]}).encode(), allowed)


async def test_a_file_that_is_not_there_refuses_the_start(calls, jwt_settings, tmp_path):
    """A file of public keys must be there when the server starts."""
    with pytest.raises(ConfigurationError, match=r"STIGMER_IDENTITY_JWKS.*No such file"):
        await calls(**{**jwt_settings, "jwks": str(tmp_path / "absent")})
