"""Checksums of a row: SQLite notices a torn page or a broken tree, but not a flipped byte in a value."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from stigmer.store import Owner


def of_wire(id_: str, wire: bytes) -> int:
    """Of what every read gives: the bytes, and whose they are."""
    return crc32(wire, crc32(id_.encode()))


def of_key(id_: str, owner: Owner, slug: str, revision: int) -> int:
    """Of what single resources are found by, and conditional writes compare."""
    return crc32(f"{id_}\0{int(owner.scope)}\0{owner.id}\0{slug}\0{revision}".encode())


def wire_is_good(id_: str, wire: bytes, expected: int) -> bool:
    """Whether ``of_wire`` gives what is expected. Damage can change a value's type, too."""
    try:
        return of_wire(id_, wire) == expected
    except (TypeError, AttributeError):
        return False


def key_is_good(id_: str, owner: Owner, slug: str, revision: int, expected: int) -> bool:
    """Whether ``of_key`` gives what is expected."""
    try:
        return of_key(id_, owner, slug, revision) == expected
    except (TypeError, ValueError, AttributeError):
        return False


def of_document(id_: str, document: str) -> int:
    """Of the JSON: when the copies disagree, it tells which of them is good."""
    return crc32(document.encode(), crc32(id_.encode()))


def of_change(told: Sequence[object], wire: bytes | None) -> int:
    """Of an entry of the change log: what it tells, in the order of the columns, and the resource."""
    return crc32(wire or b"", crc32("\0".join(map(str, told)).encode()))


def document_is_good(id_: str, document: str, expected: int) -> bool:
    """Whether ``of_document`` gives what is expected."""
    try:
        return of_document(id_, document) == expected
    except (TypeError, AttributeError):
        return False
