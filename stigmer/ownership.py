"""Who owns a resource: within whom its slug is unique."""

from __future__ import annotations

from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadata
from stigmer.identity import Caller
from stigmer.kind import Resource
from stigmer.store import Owner

ORGANIZATION = ApiResourceOwnerScope.organization
IDENTITY_ACCOUNT = ApiResourceOwnerScope.identity_account


def owner_of(metadata: ApiResourceMetadata, caller: Caller) -> Owner:
    """The owner of a resource that the caller creates: its organization, or the caller."""
    scope = metadata.owner_scope
    return Owner(scope, metadata.org if scope == ORGANIZATION else caller.id)


def owner_of_state(state: Resource) -> Owner:
    """The owner of a resource that is stored, or about to be: its organization, or whoever created it.

    Not the caller: an update may be made by somebody else.
    """
    metadata, status = state.metadata, state.status
    if metadata is None:
        raise ValueError("a resource without metadata has no owner")
    if metadata.owner_scope == ORGANIZATION:
        return Owner(ORGANIZATION, metadata.org)
    creator = status.audit.spec_audit.created_by if status and status.audit and status.audit.spec_audit else None
    return Owner(metadata.owner_scope, creator.id if creator else "")


def owner_meant(metadata: ApiResourceMetadata, caller: Caller) -> Owner:
    """The owner that a request without id means: an unset scope stands for the organization if one is named."""
    if metadata.owner_scope:
        return owner_of(metadata, caller)
    return owner_in(metadata.org, caller)


def owner_in(org: str, caller: Caller) -> Owner:
    """The organization ``org``; when it is empty, the caller."""
    return Owner(ORGANIZATION, org) if org else Owner(IDENTITY_ACCOUNT, caller.id)
