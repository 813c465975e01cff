"""The cloud's plugins together, turned on by name as an operator does: nobody gets past either of them."""

import json
import time

import grpc.aio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stigmer.session import register_operations
from stigmer.testing import serving

OPERATIONS = {operation.verb: operation for operation in register_operations()}
SESSION = """{
  "metadata": {"id": "x", "name": "X", "org": "acme", "ownerScope": "organization"},
  "spec": {"agentInstanceId": "a"}
}"""
REQUESTS = {
    "create": SESSION,
    "update": SESSION,
    "apply": SESSION,
    "delete": '{"value": "x"}',
    "get": '{"value": "x"}',
    "batch_get": '{"ids": ["x", "y"]}',
    "get_by_reference": '{"org": "acme", "slug": "x"}',
    "list": "{}",
    "list_by_agent": '{"agentId": "a"}',
    "list_versions": '{"sessionId": "x"}',
    "restore": '{"sessionId": "x", "versionId": "y"}',
    "watch": "{}",
}
KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def token(key=KEY, **changed):
    claims = {"iss": "issuer", "aud": "stigmer", "sub": "alice", "exp": time.time() + 600, **changed}
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "one"})


CREDENTIALS = {
    "none": None,
    "garbage": "garbage",
    "expired": token(exp=time.time() - 600),
    "wrong audience": token(aud="somebody else"),
    "wrong issuer": token(iss="somebody else"),
    "wrong key": token(OTHER_KEY),
}


@pytest.fixture
async def address(tmp_path, monkeypatch, unused_tcp_port):
    """A server with both plugins, whose OpenFGA is away."""
    keys = tmp_path / "keys.json"
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
    keys.write_text(json.dumps({"keys": [{**public, "kid": "one", "alg": "ES256", "use": "sig"}]}))
    for name, value in {
        "IDENTITY_ISSUER": "issuer",
        "IDENTITY_AUDIENCE": "stigmer",
        "IDENTITY_JWKS": str(keys),
        "OPENFGA_ADDRESS": f"127.0.0.1:{unused_tcp_port}",
        "OPENFGA_STORE_ID": "01HVMMBCMGZNT3SED4Z17ECXCA",
        "OPENFGA_MODEL_ID": "01HVMMBD123456789ABCDEFGHJ",
        "OPENFGA_RECONCILE_SECONDS": "0",
    }.items():
        monkeypatch.setenv(f"STIGMER_{name}", value)
    async with serving(plugins=("identity", "openfga")) as app:
        yield app.address


async def refusal(address, verb, credential):
    operation = OPERATIONS[verb]
    metadata = [] if credential is None else [("authorization", f"Bearer {credential}")]
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(operation.path)(
                operation.request.from_json(REQUESTS[verb]).to_binary(), metadata=metadata
            )
    return caught.value.code()


def test_every_rpc_is_tried():
    """An rpc that is added has to be added here."""
    assert set(REQUESTS) == set(OPERATIONS)


@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_without_a_good_credential_nobody_gets_in(address, credential):
    """No token, or any bad one, is UNAUTHENTICATED at every rpc, and nobody is asked any further."""
    found = {verb: await refusal(address, verb, CREDENTIALS[credential]) for verb in REQUESTS}
    assert set(found.values()) == {grpc.StatusCode.UNAUTHENTICATED}


async def test_with_a_good_credential_nobody_gets_past_an_authorization_that_is_away(address):
    """Who is known, but cannot be looked up, gets UNAVAILABLE at every rpc."""
    found = {verb: await refusal(address, verb, token()) for verb in REQUESTS}
    assert set(found.values()) == {grpc.StatusCode.UNAVAILABLE}
