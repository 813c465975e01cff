"""Slugs: names as they stand in addresses."""

from __future__ import annotations

import re

MAX_LENGTH = 512
"""The longest slug that a client may choose, in characters."""

_DROPPED = re.compile(r"[^a-z0-9-]+")
_KEPT = re.compile(r"[a-z0-9]")
_DASHES = re.compile(r"-{2,}")
_VALID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def slugify(name: str) -> str:
    """The slug of a name; empty when nothing of the name can stand in one."""
    dashed = name.lower().replace(" ", "-")
    if _VALID.fullmatch(dashed):  # as most are
        return dashed
    return _DASHES.sub("-", _DROPPED.sub("", dashed)).strip("-")


def gives_slug(name: str) -> bool:
    """Whether the slug of a name is not empty."""
    return _KEPT.search(name.lower()) is not None


def is_slug(text: str) -> bool:
    """Whether a client may choose ``text`` as a slug."""
    return len(text) <= MAX_LENGTH and _VALID.fullmatch(text) is not None
