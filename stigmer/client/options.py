"""What methods of the client take beside what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from stigmer.client._proto.google.protobuf import FieldMask


class Selection(TypedDict, total=False):
    """Which sessions a list selects, in which order, and what it answers of each.

    Attributes:
        filter: such as ``labels.team = "search" AND created_at > "2026-01-01T00:00:00Z"``; all sessions without.
        query: words that name or subject have; one that ends in ``*`` stands for all that begin so.
        order_by: ``created_at``, ``updated_at`` or ``name``, perhaps with ``desc`` behind it; in order of creation without.
        read_mask: paths of the fields that are answered, such as ``["metadata.name", "spec.subject"]``; all without.
        page_size: at most so many sessions a page, 1,000 at most; 100 without.
    """

    filter: str
    query: str
    order_by: str
    read_mask: Sequence[str]
    page_size: int


class Watched(TypedDict, total=False):
    """Which sessions are watched, and what is told of each.

    Attributes:
        filter: as in ``Selection``; a session that begins to match is ADDED, one that ceases to is DELETED.
        query: as in ``Selection``.
        tags: that a session must carry, all of them.
        agent_id: of the agent instance.
        read_mask: as in ``Selection``.
    """

    filter: str
    query: str
    tags: Sequence[str]
    agent_id: str
    read_mask: Sequence[str]


class Writing(TypedDict, total=False):
    """How something is written.

    Attributes:
        idempotency_key: 1 to 128 printable ASCII characters that no other write has. The server then does the same thing once,
            however often it is asked, and so the client asks again when the connection breaks.
        validate_only: nothing is written; the answer is what would have been.
    """

    idempotency_key: str
    validate_only: bool


def list_fields(selection: Selection) -> dict[str, Any]:
    """The fields of a request for a list."""
    return {**selection, "read_mask": mask_of(selection.get("read_mask", ()))}


def mask_of(paths: Sequence[str]) -> FieldMask | None:
    """A read mask; None for everything."""
    return FieldMask(paths=[*paths]) if paths else None


def watch_fields(selection: Watched) -> dict[str, Any]:
    """The fields of a request."""
    return {**selection, "tags": [*selection.get("tags", ())], "read_mask": mask_of(selection.get("read_mask", ()))}
