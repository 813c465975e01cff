"""A provider that signs tokens and serves its keys on loopback, callers with credentials, and files of API keys."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import os
import ssl
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from stigmer_identity.api_key import ApiKey, mint
from stigmer_identity.authenticate import Authenticate
from stigmer_identity.key_file import KeyFile
from stigmer_identity.settings import Settings

from stigmer import CallInfo

DEADLINE = 10.0
AUDIENCE = "stigmer"
MAKERS = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "PS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
FAMILY = {"RS256": "RS256", "PS256": "RS256", "ES256": "ES256", "EdDSA": "EdDSA"}


class SigningKey:
    """A private key with a name."""

    def __init__(self, id_, algorithm):
        self.id = id_
        self.algorithm = algorithm
        self.private = MAKERS[algorithm]()

    @property
    def public(self):
        """The public half as a JSON Web Key."""
        made = jwt.get_algorithm_by_name(FAMILY[self.algorithm]).to_jwk(self.private.public_key(), as_dict=True)
        return {**made, "kid": self.id, "use": "sig", "alg": self.algorithm}

    def sign(self, claims, **header):
        """A token."""
        return jwt.encode(claims, self.private, self.algorithm, {"kid": self.id, **header})


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No setting of the developer's reaches a test, no proxy stands before loopback, nothing is written elsewhere."""
    for name in list(os.environ):
        if name.startswith("STIGMER_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def signing_keys():
    """A key for each sort of signature, by algorithm."""
    return {algorithm: SigningKey(f"key-{algorithm}", algorithm) for algorithm in MAKERS}


@pytest.fixture(scope="session")
def other_keys():
    """Keys with the same names that are not the provider's."""
    return {algorithm: SigningKey(f"key-{algorithm}", algorithm) for algorithm in MAKERS}


class Provider:
    """An HTTP server with an issuer's description and keys; what it answers and how often it was asked is up to the test."""

    def __init__(self, keys):
        self.keys = list(keys)
        self.asked = []
        self.answer = None
        self.description = {}
        self.hold = asyncio.Event()
        self.hold.set()
        self.port = 0
        self.tls = None
        self._server = None

    @property
    def url(self):
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self.hold.set()
        if not self._server.is_serving():
            return
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            await self.hold.wait()
            writer.write(self.answer if self.answer is not None else self._ok(path))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _ok(self, path):
        description = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.description}
        body = description if path == "/.well-known/openid-configuration" else {"keys": [key.public for key in self.keys]}
        return answer(json.dumps(body).encode())


def answer(body, status="200 OK"):
    """An HTTP answer."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


@pytest.fixture
def http_answer():
    """Makes an HTTP answer of a body and a status."""
    return answer


@pytest.fixture
async def provider(signing_keys):
    """A provider that runs."""
    running = Provider(signing_keys.values())
    await running.start()
    yield running
    await running.stop()


def _self_signed(key):
    """A certificate for loopback, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(days=1), now + timedelta(days=1))
    built = built.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    )
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return built.sign(key, SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
async def tls_provider(signing_keys, tmp_path):
    """A provider that speaks TLS, and the file of the certificate that it shows."""
    key = MAKERS["ES256"]()
    both = tmp_path / "provider.pem"
    both.write_bytes(_self_signed(key) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    running = Provider(signing_keys.values())
    running.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    running.tls.load_cert_chain(both)
    await running.start()
    yield running, both
    await running.stop()


ISSUER = "https://issuer.example"


@pytest.fixture
def claims():
    """Makes the claims of a good token; None takes one away."""

    def make(**changes):
        now = int(time.time())
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ida-ann", "iat": now, "exp": now + 300}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    return make


@pytest.fixture
def token(signing_keys, claims):
    """Makes a token with these changes to a good one's claims."""

    def make(algorithm="RS256", **changes):
        return signing_keys[algorithm].sign(claims(**changes))

    return make


@pytest.fixture
def jwks_file(tmp_path, signing_keys):
    """A file with the provider's public keys."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [key.public for key in signing_keys.values()]}))
    return path


@pytest.fixture
def jwt_settings(jwks_file):
    """Settings for tokens whose keys are in a file."""
    return {"issuer": ISSUER, "audience": (AUDIENCE,), "jwks": str(jwks_file)}


class Calls:
    """Asks who makes a call with these metadata and this certificate."""

    def __init__(self, authenticate):
        self.authenticate = authenticate

    async def __call__(self, credential=None, *, certificate=None, metadata=None):
        headers = dict(metadata or {})
        if credential is not None:
            headers["authorization"] = f"Bearer {credential}"
        return await self.authenticate(CallInfo(metadata=headers, peer="test", certificate=certificate))


@pytest.fixture
async def calls():
    """Starts an authenticator with settings and, if given, a clock; calls of it give the caller."""
    started = []

    async def start(now=time.time, **settings):
        authenticate = Authenticate.of(Settings(**settings), now)
        started.append(authenticate)
        await authenticate.start()
        return Calls(authenticate)

    yield start
    for each in started:
        await each.close()


@pytest.fixture
def key_file(tmp_path):
    """A file of API keys that is not there yet."""
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def new_key(key_file):
    """Adds a key to the file and gives its text."""

    def add(caller="ida-bot", **fields):
        minted = mint()
        record = ApiKey.kept(minted, caller, datetime.now(UTC)).model_copy(update=fields)
        key_file.change(lambda there: [*there, record])
        return minted.text

    return add


@pytest.fixture
def revoke(key_file):
    """Revokes the key of this text."""

    def change(text):
        now = datetime.now(UTC)
        key_file.change(lambda there: [k.model_copy(update={"revoked_at": now}) if k.id in text else k for k in there])

    return change


@pytest.fixture
def eventually():
    """Waits until ``await condition()`` is true, by looking often."""

    async def wait(condition, seconds=DEADLINE):
        deadline = time.monotonic() + seconds
        while not await condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def b64():
    """Base64url without padding, as tokens have it."""
    return lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
