"""A provider's public keys: which of a JSON Web Key Set can be used, and for which signatures."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_FAMILIES = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
_RSA_BITS = 2048
_MAX_KEYS = 100


@dataclasses.dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are verified with.

    Attributes:
        id: what tokens call it in ``kid``; None when the set gives it no name.
        algorithms: what it may be used for: a token cannot choose another.
        key: for PyJWT.
    """

    id: str | None
    algorithms: frozenset[str]
    key: Any


class NoKeys(Exception):
    """What was read is no key set, or none of its keys can be used."""


def parse(content: bytes, allowed: frozenset[str]) -> tuple[PublicKey, ...]:
    """The usable keys of a set; keys for other purposes, weak keys and shared secrets are left out.

    Args:
        content: the set as JSON.
        allowed: the algorithms that are accepted.

    Raises:
        NoKeys: there is none.
    """
    try:
        listed = json.loads(content)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoKeys("is no JSON Web Key Set") from None
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise NoKeys(f"is no JSON Web Key Set of at most {_MAX_KEYS} keys")
    keys = tuple(key for each in listed if isinstance(each, dict) and (key := _usable(each, allowed)) is not None)
    if not keys:
        raise NoKeys("holds no key that can be used")
    return keys


def _usable(each: dict[str, Any], allowed: frozenset[str]) -> PublicKey | None:
    id_, sort, curve = each.get("kid"), each.get("kty"), each.get("crv")
    if not isinstance(id_, str | None) or each.get("use", "sig") != "sig" or not _verifies(each):
        return None
    if not isinstance(sort, str) or not isinstance(curve, str | None):
        return None
    algorithms = _FAMILIES.get((sort, curve), frozenset()) & allowed
    if "alg" in each:
        algorithms &= {str(each["alg"])}
    key = _loaded(each, min(algorithms)) if algorithms else None
    return PublicKey(id_, algorithms, key) if key is not None else None


def _verifies(each: dict[str, Any]) -> bool:
    operations = each.get("key_ops", ["verify"])
    return isinstance(operations, list) and "verify" in operations


def _loaded(each: dict[str, Any], algorithm: str) -> Any:
    """The key for PyJWT; None when it is damaged or weak. The private half, should it be there, is not even read."""
    public = {name: value for name, value in each.items() if name in {"kty", "crv", "n", "e", "x", "y"}}
    try:
        key = jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None if isinstance(key, RSAPublicKey) and key.key_size < _RSA_BITS else key
