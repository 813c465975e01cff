"""Every way in which a call can fail that is not a bug: one gRPC status a class, a public text, a private cause.

The numbers are those of ``google.rpc.Code``. Anything that is raised and is no ``StigmerError`` is a bug: it is logged
with its step and answered INTERNAL without its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol

DOMAIN = "stigmer.ai"
ECHO_LIMIT = 128
"""At most this many characters of a client's own id are given back in a text."""


class NamedKind(Protocol):
    """What an error needs to know of a kind."""

    @property
    def name(self) -> str:
        """The kind as documents spell it, such as ``Session``."""


class Violation(NamedTuple):
    """One rule that a request breaks, as in ``google.rpc.BadRequest.FieldViolation``."""

    field: str
    text: str


class StigmerError(Exception):
    """A failure that the client is told about.

    Attributes:
        code: the status' number in ``google.rpc.Code``.
        reason: UPPER_SNAKE, for ``google.rpc.ErrorInfo.reason``.
        text: what the client reads.
        metadata: for ``google.rpc.ErrorInfo.metadata``; names in lowerCamelCase.
    """

    code: ClassVar[int] = 13
    reason: str = "INTERNAL"
    metadata: Mapping[str, str] = MappingProxyType({})

    def __init__(self, text: str, *, reason: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        if reason is not None:
            self.reason = reason


class InvalidArgument(StigmerError):
    """The request breaks a rule."""

    code = 3
    reason = "INVALID_ARGUMENT"

    def __init__(self, field: str, text: str, *more: Violation) -> None:
        self.violations: Sequence[Violation] = (Violation(field, text), *more)
        super().__init__(_violations_text(self.violations))


class NotFound(StigmerError):
    """There is no such resource; ``key`` is the id or slug that was asked for."""

    code = 5

    def __init__(self, kind: NamedKind, key: str) -> None:
        super().__init__(f"{kind.name} not found: {key[:ECHO_LIMIT]}", reason=f"{_upper_snake(kind.name)}_NOT_FOUND")


class VersionNotFound(StigmerError):
    """There is the resource, but no such version of it, or not any more; ``version`` is its id."""

    code = 5

    def __init__(self, kind: NamedKind, version: str) -> None:
        text = f"{kind.name} version not found: {version[:ECHO_LIMIT]}"
        super().__init__(text, reason=f"{_upper_snake(kind.name)}_VERSION_NOT_FOUND")


class AlreadyExists(StigmerError):
    """The id or the slug is taken; ``key`` is the one of the two that is."""

    code = 6

    def __init__(self, kind: NamedKind, key: str) -> None:
        super().__init__(f"{kind.name} already exists: {key[:ECHO_LIMIT]}", reason=f"{_upper_snake(kind.name)}_ALREADY_EXISTS")


class SlugTaken(AlreadyExists):
    """Another resource of the same owner has the slug."""


class IdTaken(AlreadyExists):
    """The id is in use, or was once."""


class PermissionDenied(StigmerError):
    """The caller may not do this."""

    code = 7
    reason = "PERMISSION_DENIED"


class Unauthenticated(StigmerError):
    """The call carries no identity, or not a good one."""

    code = 16
    reason = "UNAUTHENTICATED"


class ResourceExhausted(StigmerError):
    """Something is larger, or more, than there is room for.

    Attributes:
        retry_seconds: when the same call may succeed, for ``google.rpc.RetryInfo``; None when time alone will not help.
    """

    code = 8
    reason = "RESOURCE_EXHAUSTED"

    def __init__(self, text: str, *, reason: str | None = None, retry_seconds: float | None = None) -> None:
        super().__init__(text, reason=reason)
        self.retry_seconds = retry_seconds


class OwnerFull(ResourceExhausted):
    """The owner has as many resources of the kind as it may have.

    Args:
        kind: of which.
        owner: id of the organization, or of the identity account.
        most: so many it may have.
    """

    reason = "OWNER_FULL"

    def __init__(self, kind: NamedKind, owner: str, most: int) -> None:
        super().__init__(f"{owner[:ECHO_LIMIT]} may have {most} of kind {kind.name}, and has them; delete some to create more")
        self.metadata = {"limit": str(most)}


class Stale(StigmerError):
    """The stored resource changed between load and write. The pipeline runs again from its Load step."""

    code = 10
    reason = "STALE_VERSION"

    def __init__(self, text: str = "the resource was changed by somebody else; read it again") -> None:
        super().__init__(text)


class NotCurrent(StigmerError):
    """A write was to replace a certain version, and that is not the current one. Running again would not help.

    Args:
        current: ``metadata.version.id`` of the current one; empty when there is none.
    """

    code = 10
    reason = "VERSION_NOT_CURRENT"

    def __init__(self, current: str) -> None:
        text = f"the current version is {current}" if current else "there is no current version"
        super().__init__(f"the version in metadata.version.id is not current; {text}")
        self.metadata = {"currentVersionId": current}


class KeyUsed(StigmerError):
    """Another call with the same idempotency key has been answered meanwhile; its answer counts."""

    code = 10
    reason = "IDEMPOTENCY_KEY_USED"

    def __init__(self) -> None:
        super().__init__("another call with this idempotency-key was faster; repeat this one")


class OutOfRange(StigmerError):
    """What was asked for is no longer there, or not yet."""

    code = 11
    reason = "OUT_OF_RANGE"


class Compacted(OutOfRange):
    """The feed does not reach back, or on, to where somebody wants to go on from.

    Attributes:
        kept_after: the number of the change from which on everything is kept.
    """

    reason = "CHANGES_COMPACTED"

    def __init__(self, kept_after: int = 0) -> None:
        super().__init__("the changes from there on are not all kept; list anew and go on from there")
        self.kept_after = kept_after


class TooSlow(StigmerError):
    """The client of a stream does not read; it may go on from the last message that it got."""

    code = 10
    reason = "CLIENT_TOO_SLOW"

    def __init__(self) -> None:
        super().__init__("the messages of this call were not read in time; go on from the last one that you have")


class Unavailable(StigmerError):
    """Something the server needs does not answer now; the call may be repeated."""

    code = 14
    reason = "UNAVAILABLE"


class DataLoss(StigmerError):
    """What is stored is damaged."""

    code = 15
    reason = "DATA_LOSS"


class Internal(StigmerError):
    """A bug. The client learns nothing of ``cause``."""

    def __init__(self, cause: BaseException | None = None) -> None:
        super().__init__("internal error")
        self.__cause__ = cause


class Undecodable(StigmerError):
    """The bytes are not a message of the type that was expected (INTERNAL, as gRPC servers answer)."""

    reason = "UNDECODABLE"

    def __init__(self, text: str = "the message cannot be decoded") -> None:
        super().__init__(text)


class ConfigurationError(Exception):
    """The server cannot start like this; the text says what to change. Never reaches a client."""


def _violations_text(violations: Sequence[Violation]) -> str:
    """Words several violations as protovalidate does."""
    if len(violations) == 1:
        return f"validation error: {violations[0].field}: {violations[0].text}"
    return "\n".join(["validation errors:", *(f" - {field}: {text}" for field, text in violations)])


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
