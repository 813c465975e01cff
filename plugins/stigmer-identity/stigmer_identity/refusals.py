"""The three answers to a call whose caller is not known. None tells which of the many checks failed."""

from __future__ import annotations

from stigmer import Unauthenticated


class Refused(Unauthenticated):
    """The caller is not known.

    Attributes:
        why: for the server's own log: what was wrong, and nothing out of the credential.
    """

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text)
        self.why = why


def missing(why: str = "no credential") -> Refused:
    """The call brings no credential of a kind that is configured."""
    return Refused("credentials are missing", why)


def invalid(why: str) -> Refused:
    """The call brings a credential that proves nothing."""
    return Refused("credentials are invalid", why)


def expired(why: str) -> Refused:
    """The credential was good; said only after its proof was checked."""
    return Refused("credentials have expired", why)
