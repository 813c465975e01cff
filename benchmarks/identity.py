"""Prints what the plugin identity costs: µs to tell who calls, by each sort of credential. Run it as a script."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from stigmer_identity.api_key import ApiKey, mint
from stigmer_identity.authenticate import Authenticate
from stigmer_identity.key_file import KeyFile
from stigmer_identity.key_ring import KeyRing
from stigmer_identity.settings import Settings

from stigmer import CallInfo

CALLS, ROUNDS, KEYS = 500, 9, 10_000
ISSUER, AUDIENCE = "https://issuer.example", "stigmer"
PRIVATE = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
CERTIFICATE = {"subjectAltName": (("URI", "spiffe://acme.example/worker"),), "notAfter": "Jan  1 00:00:00 2100 GMT"}


def key_set():
    """The public keys as a provider gives them."""
    keys = {name: jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True) for name, key in PRIVATE.items()}
    return json.dumps({"keys": [{**key, "kid": name} for name, key in keys.items()]})


def token(algorithm):
    """A token with the claims that providers usually put there."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ida-1",
        "iat": now,
        "exp": now + 3600,
        "jti": "a" * 32,
        "roles": ["a", "b"],
    }
    return jwt.encode(claims, PRIVATE[algorithm], algorithm, {"kid": algorithm})


def bearer(credential):
    """The call that brings it."""
    return CallInfo(metadata={"authorization": f"Bearer {credential}"})


async def cost(authenticate, info):
    """Median microseconds of one call, one after the other."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            await authenticate(info)
        taken.append((time.perf_counter() - start) / CALLS * 1e6)
    return statistics.median(taken)


def many_keys(path):
    """Fills the file and gives the text of one of its keys."""
    minted = [mint() for _ in range(KEYS)]
    now = datetime.now(UTC)
    KeyFile(path).change(lambda _: [ApiKey.kept(each, "ida-1", now) for each in minted])
    return minted[KEYS // 2].text


def prepared(folder):
    """(settings, text of an API key) with keys of all sorts in ``folder``."""
    jwks, keys = Path(folder, "jwks.json"), Path(folder, "keys.json")
    jwks.write_text(key_set())
    key = many_keys(keys)
    return {"issuer": ISSUER, "audience": (AUDIENCE,), "jwks": str(jwks), "keys": keys, "certificate": "uri"}, key


async def measure(settings, key):
    """One line for each sort of credential."""
    cold, cached = (Authenticate.of(Settings(**settings, cache_seconds=seconds)) for seconds in (0, 30))
    await cold.start()
    await cached.start()
    await asyncio.sleep(3)  # until the file's times can be trusted: before, it is read at each look
    for algorithm in PRIVATE:
        info = bearer(token(algorithm))
        print(f"{algorithm} verified    {await cost(cold, info):8.2f} µs")
        print(f"{algorithm} remembered  {await cost(cached, info):8.2f} µs")
    print(f"API key of {KEYS:<6} {await cost(cached, bearer(key)):8.2f} µs")
    print(f"certificate       {await cost(cached, CallInfo(certificate=CERTIFICATE)):8.2f} µs")
    start = time.perf_counter()
    await KeyRing(KeyFile(settings["keys"])).start()
    print(f"{KEYS} keys read anew after a change: {(time.perf_counter() - start) * 1e3:.1f} ms")


def main():
    """Measures with keys in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(*prepared(folder)))


if __name__ == "__main__":
    main()
