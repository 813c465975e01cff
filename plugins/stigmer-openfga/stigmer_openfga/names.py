"""What callers and resources are called in OpenFGA: ``type:id``, with ids in a form that cannot be mistaken."""

from __future__ import annotations

from urllib.parse import quote, unquote

_PLAIN = "@|=+,"
_LONGEST = 230
"""OpenFGA takes objects of 256 bytes, type and colon included."""


def entity(type_: str, id_: str) -> str | None:
    """The name of ``id_``, or None when it can have none because it is empty or too long: then it holds nothing.

    Letters, digits and ``-._~@|=+,`` stand for themselves, all else is percent-encoded. ``*`` would mean everybody, ``#``
    and ``:`` would begin another part.
    """
    name = quote(id_, safe=_PLAIN, errors="surrogatepass")
    return f"{type_}:{name}" if 0 < len(name) <= _LONGEST else None


def user(id_: str) -> str | None:
    """The name of a caller; None when there can be none."""
    return entity("identity_account", id_)


def id_of(entity_: str) -> str:
    """The id in a name."""
    return unquote(entity_.partition(":")[2], errors="surrogatepass")


def type_of(entity_: str) -> str:
    """The type in a name."""
    return entity_.partition(":")[0]
