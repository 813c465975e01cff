"""The method ``jwt``: tokens that an OpenID provider has signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import jwt
from loguru import logger

from stigmer import Caller, ConfigurationError
from stigmer_identity.callers import caller
from stigmer_identity.claims import check_times, roles
from stigmer_identity.key_set import KeySet, Policy
from stigmer_identity.key_sources import source_of
from stigmer_identity.presented import Presented
from stigmer_identity.public_key import PublicKey
from stigmer_identity.refusals import invalid
from stigmer_identity.settings import Settings, is_url
from stigmer_identity.verified import Verified

_FILE_REFRESH = 1.0
"""Seconds: a file costs little, so one that changed is noticed soon."""
_BROKEN = (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What PyJWT may raise on a token that somebody has made up."""
_OWN_CHECKS = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_sub": False, "verify_jti": False}


class BearerTokens:
    """Verifies tokens."""

    def __init__(self, settings: Settings, keys: KeySet, now: Callable[[], float]) -> None:
        self._settings = settings
        self._allowed = frozenset(settings.algorithms)
        self._keys = keys
        self._now = now
        self._verified = Verified(settings.cache_seconds, settings.cache_size, now)

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], float]) -> Self:
        """The method that ``settings`` describe."""
        refresh = _FILE_REFRESH if _from_file(settings) else settings.jwks_refresh_seconds
        cooldown = min(settings.jwks_cooldown_seconds, refresh)
        policy = Policy(refresh, cooldown, max(settings.jwks_max_age_seconds, refresh))
        return cls(settings, KeySet(source_of(settings), frozenset(settings.algorithms), policy), now)

    async def start(self) -> None:
        """Asks for the public keys. A provider that is away does not keep the server from starting.

        Raises:
            ConfigurationError: the keys are to come from a file, and do not.
        """
        await self._keys.refresh()
        if self._keys.failure and _from_file(self._settings):
            raise ConfigurationError(f"STIGMER_IDENTITY_JWKS: {self._settings.jwks}: {self._keys.failure}")
        if self._keys.failure:
            logger.warning("tokens are refused until the provider's public keys can be had: {}", self._keys.failure)

    async def close(self) -> None:
        """Ends a request for public keys."""
        await self._keys.close()

    async def caller(self, presented: Presented) -> Caller | None:
        """Who calls; None without a token.

        Raises:
            Unauthenticated: the token is not good.
            Unavailable: the public keys are not to be had.
        """
        token = presented.jwt
        if token is None:
            return None
        return self._verified.get(token, self._keys.generation()) or await self._verify(token)

    async def _verify(self, token: str) -> Caller:
        id_, algorithm = self._header(token)
        key = await self._keys.find(id_, algorithm)
        claims = self._claims(token, key, algorithm)
        ends = check_times(claims, self._now(), self._settings.leeway_seconds)
        who = self._caller(claims)
        generation = self._keys.generation()
        if generation is not None:
            self._verified.put(token, who, ends, generation)
        return who

    def _header(self, token: str) -> tuple[str | None, str]:
        """(kid, algorithm) as the token claims them; anything else that it says about its own keys is not looked at."""
        try:
            header = jwt.get_unverified_header(token)
        except _BROKEN:
            raise invalid("token cannot be taken apart") from None
        id_, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._allowed:
            raise invalid("token has an algorithm that is not accepted")
        if "crit" in header:
            raise invalid("token demands an extension")
        return id_, algorithm

    def _claims(self, token: str, key: PublicKey, algorithm: str) -> dict[str, Any]:
        options: Any = {**_OWN_CHECKS, "require": ["exp", "iss", "aud"]}
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                options=options,
            )
        except _BROKEN as error:
            raise invalid(f"token was not verified: {type(error).__name__}") from None

    def _caller(self, claims: dict[str, Any]) -> Caller:
        subject = claims.get(self._settings.id_claim)
        try:
            return caller(
                self._settings.jwt_prefix + subject if isinstance(subject, str) and subject else None,
                roles(claims, self._settings.roles_claim),
            )
        except ValueError:
            raise invalid("token names no subject, or one that cannot be a caller's id") from None


def _from_file(settings: Settings) -> bool:
    return settings.jwks is not None and not is_url(settings.jwks)
