"""Versions: each write makes one, and may ask for the one that it replaces."""

from __future__ import annotations

import copy

from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata, ApiResourceMetadataVersion
from stigmer.context import RequestContext
from stigmer.errors import NotCurrent
from stigmer.identity import issued
from stigmer.kind import id_prefix

_PREFIX = id_prefix(ApiResourceKind.api_resource_version)
_ISSUED = issued(_PREFIX).fullmatch


def next_version(
    ctx: RequestContext, given: ApiResourceMetadataVersion | None, stored: ApiResourceMetadata | None
) -> ApiResourceMetadataVersion:
    """The version of what is written now.

    Args:
        ctx: of the call.
        given: what the request says of it: the message is kept, and fields that this schema does not know.
        stored: metadata of what is replaced; None when that is nothing.
    """
    version = copy.copy(given) if given is not None else ApiResourceMetadataVersion()
    version.id = ctx.ids.new(_PREFIX)
    version.previous_version_id = _issued_id(stored)
    return version


def check_current(given: ApiResourceMetadata, stored: ApiResourceMetadata | None) -> None:
    """Refuses a request that is about a version which is not the current one.

    Only ids of the server's own form count: others, of clients that numbered versions themselves, are compared with nothing.

    Args:
        given: metadata of the request.
        stored: metadata of what it would replace; None when that is nothing.

    Raises:
        NotCurrent: it names another version.
    """
    wanted = _issued_id(given)
    if wanted:
        current = _issued_id(stored)
        if wanted != current:
            raise NotCurrent(current)


def current_id(stored: ApiResourceMetadata) -> str:
    """The id of the version that ``stored`` is, whoever made it; empty when it has none."""
    return stored.version.id if stored.version is not None else ""


def _issued_id(metadata: ApiResourceMetadata | None) -> str:
    """The id of the version if it has the server's form, else nothing."""
    version = metadata.version if metadata is not None else None
    return version.id if version is not None and _ISSUED(version.id) else ""
