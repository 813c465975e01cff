"""Several methods at once, settings that do not add up, and what callers get from their identity."""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points

import pytest
import stigmer_identity
from loguru import logger
from stigmer_identity.settings import load_settings

from stigmer import ConfigurationError, Unauthenticated
from stigmer.client import ApiResourceMetadata, ApiResourceOwnerScope, ApiResourceReference, Session, SessionClient, SessionSpec
from stigmer.testing import serving

CERTIFICATE = {"subject": ((("commonName", "proxy"),),), "notAfter": "Jan  1 00:00:00 2100 GMT"}


@pytest.fixture
def everything(jwt_settings, key_file):
    """Settings with all methods on."""
    return {**jwt_settings, "keys": key_file.path, "certificate": "cn"}


async def test_the_first_in_order_decides(calls, everything, token, new_key):
    """Of several credentials the one whose method comes first says who calls."""
    key = new_key()
    brought = {"certificate": CERTIFICATE, "metadata": {"authorization": f"Bearer {token()}", "x-api-key": key}}
    for order, expected in (("jwt", "ida-ann"), ("key", "ida-bot"), ("certificate", "proxy")):
        rest = [name for name in ("jwt", "key", "certificate") if name != order]
        call = await calls(**everything, order=(order, *rest))
        assert (await call(**brought)).id == expected


async def test_each_alone_is_enough(calls, everything, token, new_key):
    """With all methods on any one credential will do; a bearer's credential is told apart by its prefix."""
    key = new_key()
    call = await calls(**everything)
    assert (await call(token())).id == "ida-ann"
    assert (await call(key)).id == "ida-bot"
    assert (await call(certificate=CERTIFICATE)).id == "proxy"


@pytest.mark.parametrize("bad", ["a.b.c", "stigmer_a_b", "x"])
async def test_a_bad_credential_is_not_made_good_by_another(calls, everything, bad):
    """A call with a bad token or key is refused, though its certificate is good."""
    call = await calls(**everything)
    with pytest.raises(Unauthenticated, match="invalid"):
        await call(bad, certificate=CERTIFICATE)


async def test_required(calls, everything, token, new_key):
    """What is required must be there and good, whoever decides."""
    key = new_key()
    call = await calls(**everything, require=("certificate",))
    assert (await call(token(), certificate=CERTIFICATE)).id == "ida-ann"
    assert (await call(key, certificate=CERTIFICATE)).id == "ida-bot"
    assert (await call(certificate=CERTIFICATE)).id == "proxy"
    with pytest.raises(Unauthenticated, match="missing"):
        await call(token())
    with pytest.raises(Unauthenticated, match="expired"):
        await call(token(), certificate={**CERTIFICATE, "notAfter": "Jan  1 00:00:00 2000 GMT"})


URL = "https://issuer.example"
REFUSED = [
    ({}, "nothing is set that callers could prove themselves with"),
    ({"ISSUER": "", "KEYS": "", "CERTIFICATE": ""}, "nothing is set"),
    ({"JWKS": "keys.json", "CERTIFICATE": "cn"}, "JWKS is set, but not ISSUER"),
    ({"ISSUER": URL}, "ISSUER is set, but not AUDIENCE"),
    ({"ISSUER": "acme", "AUDIENCE": "a"}, "ISSUER is no http"),
    ({"ISSUER": "http://issuer.example", "AUDIENCE": "a"}, "is not https"),
    ({"ISSUER": URL, "AUDIENCE": "a", "JWKS": "http://issuer.example/keys"}, "is not https"),
    ({"ISSUER": URL, "AUDIENCE": "a", "JWKS": "https:///keys"}, r"is no http\(s\) URL"),
    ({"ISSUER": URL, "AUDIENCE": "a", "ALGORITHMS": "HS256"}, "STIGMER_IDENTITY_ALGORITHMS"),
    ({"ISSUER": URL, "AUDIENCE": "a", "ALGORITHMS": "RS256,none"}, "STIGMER_IDENTITY_ALGORITHMS"),
    ({"ISSUER": URL, "AUDIENCE": "a", "ALGORITHMS": ""}, "STIGMER_IDENTITY_ALGORITHMS"),
    ({"CERTIFICATE": "ou"}, "STIGMER_IDENTITY_CERTIFICATE"),
    ({"CERTIFICATE": "cn", "REQUIRE": "jwt"}, "REQUIRE names jwt, which is not configured"),
    ({"CERTIFICATE": "cn", "ORDER": "jwt,key"}, "ORDER leaves out certificate"),
    ({"CERTIFICATE": "cn", "ORDER": "certificate,certificate"}, "ORDER names a method twice"),
    ({"CERTIFICATE": "cn", "LEEWAY_SECONDS": "-1"}, "STIGMER_IDENTITY_LEEWAY_SECONDS"),
]


@pytest.mark.parametrize(("settings", "text"), REFUSED, ids=[text for _, text in REFUSED])
async def test_settings_that_do_not_add_up_refuse_the_start(monkeypatch, settings, text):
    """The start is refused in one line that names the setting."""
    for name, value in settings.items():
        monkeypatch.setenv(f"STIGMER_IDENTITY_{name}", value)
    with pytest.raises(ConfigurationError, match=text) as caught:
        async with serving({"identity": stigmer_identity}):
            pass
    assert "\n" not in str(caught.value)


def test_plain_http_is_for_this_machine(monkeypatch):
    """Keys over plain HTTP are taken from loopback, or when that is asked for."""
    monkeypatch.setenv("STIGMER_IDENTITY_AUDIENCE", "a")
    monkeypatch.setenv("STIGMER_IDENTITY_ISSUER", "http://127.0.0.1:1")
    assert load_settings().issuer == "http://127.0.0.1:1"
    monkeypatch.setenv("STIGMER_IDENTITY_ISSUER", "http://issuer.example")
    monkeypatch.setenv("STIGMER_IDENTITY_ALLOW_HTTP", "true")
    assert load_settings().issuer == "http://issuer.example"


@pytest.fixture
async def served(monkeypatch, everything):
    """A server with the plugin; gives a client for a credential."""
    for name, value in everything.items():
        monkeypatch.setenv(f"STIGMER_IDENTITY_{name.upper()}", ",".join(value) if isinstance(value, tuple) else str(value))
    async with serving({"identity": stigmer_identity}) as app:
        yield lambda credential: SessionClient(app.address, metadata={"authorization": f"Bearer {credential}"})


def a_session():
    """A session of the caller's own."""
    metadata = ApiResourceMetadata(name="Deploy", owner_scope=ApiResourceOwnerScope(3))
    return Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1"))


async def test_callers_own_their_sessions(served, token, new_key):
    """Two callers each have a session of the same name, made by them; by reference each finds its own."""
    bot = new_key("ida-bot")
    async with served(token(sub="ida-ann")) as anns, served(bot) as bots:
        made = {"ida-ann": await anns.create(a_session()), "ida-bot": await bots.create(a_session())}
        assert made["ida-ann"].metadata.id != made["ida-bot"].metadata.id
        for id_, client in (("ida-ann", anns), ("ida-bot", bots)):
            assert made[id_].status.audit.spec_audit.created_by.id == id_
            found = await client.get_by_reference(ApiResourceReference(slug="deploy"))
            assert found.metadata.id == made[id_].metadata.id


async def test_calls_at_once_do_not_mix(served, token):
    """Forty callers at once each are who they are."""
    names = [f"ida-{number}" for number in range(40)]

    async def create(name):
        async with served(token("ES256", sub=name)) as client:
            return (await client.create(a_session())).status.audit.spec_audit.created_by.id

    assert await asyncio.gather(*map(create, names)) == names


async def test_no_credential_is_logged(calls, everything, token, new_key):
    """The log tells operators why a call was refused, and nothing out of its credential."""
    lines = []
    sink = logger.add(lines.append, level=0, diagnose=True, backtrace=True)
    try:
        call = await calls(**everything)
        credentials = [token(aud="others"), token()[:-9], "stigmer_abc_secretsecret", new_key()[:-1], "secretsecret"]
        for credential in credentials:
            with pytest.raises(Unauthenticated) as caught:
                await call(credential)
            assert not any(part in repr(caught.value) for part in credential.split("."))
    finally:
        logger.remove(sink)
    log = "".join(lines)
    assert log.count("identity refused a call from test: ") == len(credentials)
    assert "InvalidAudienceError" in log
    assert not any(part in log for credential in credentials for part in [*credential.split("."), "secretsecret"])


def test_the_plugin_is_found():
    """The entry point names the package."""
    (point,) = [point for point in entry_points(group="stigmer") if point.name == "identity"]
    assert point.load() is stigmer_identity
