"""Reusable steps, one a file; they work for every kind."""

from stigmer.steps.build_apply_state import BuildApplyState
from stigmer.steps.build_list_response import BuildListResponse
from stigmer.steps.build_new_state import BuildNewState
from stigmer.steps.build_update_state import BuildUpdateState
from stigmer.steps.check_duplicate import CheckDuplicate
from stigmer.steps.delete_resource import DeleteResource
from stigmer.steps.extract_resource_id import ExtractResourceId
from stigmer.steps.list_all import ListAll
from stigmer.steps.load_by_reference import LoadByReference
from stigmer.steps.load_existing import LoadExisting
from stigmer.steps.load_existing_for_delete import LoadExistingForDelete
from stigmer.steps.load_for_apply import LoadForApply
from stigmer.steps.load_target import LoadTarget
from stigmer.steps.load_targets import LoadTargets
from stigmer.steps.persist import Persist
from stigmer.steps.resolve_slug import ResolveSlug
from stigmer.steps.slots import EXISTING, PAGE, RESOURCE_ID, SLUG, STATE, VISIBLE, Existing
from stigmer.steps.validate_proto import ValidateProto

__all__ = [
    "EXISTING",
    "PAGE",
    "RESOURCE_ID",
    "SLUG",
    "STATE",
    "VISIBLE",
    "BuildApplyState",
    "BuildListResponse",
    "BuildNewState",
    "BuildUpdateState",
    "CheckDuplicate",
    "DeleteResource",
    "Existing",
    "ExtractResourceId",
    "ListAll",
    "LoadByReference",
    "LoadExisting",
    "LoadExistingForDelete",
    "LoadForApply",
    "LoadTarget",
    "LoadTargets",
    "Persist",
    "ResolveSlug",
    "ValidateProto",
]
