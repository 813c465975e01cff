"""Reusable steps, one a file; they work for every kind."""

from stigmer.steps.build_apply_state import BuildApplyState
from stigmer.steps.build_list_response import BuildListResponse
from stigmer.steps.build_new_state import BuildNewState
from stigmer.steps.build_restored_state import BuildRestoredState
from stigmer.steps.build_update_state import BuildUpdateState
from stigmer.steps.build_versions_response import BuildVersionsResponse
from stigmer.steps.check_duplicate import CheckDuplicate
from stigmer.steps.delete_resource import DeleteResource
from stigmer.steps.extract_resource_id import ExtractResourceId
from stigmer.steps.list_all import ListAll
from stigmer.steps.list_versions import ListVersions
from stigmer.steps.load_by_reference import LoadByReference
from stigmer.steps.load_existing import LoadExisting
from stigmer.steps.load_existing_for_delete import LoadExistingForDelete
from stigmer.steps.load_for_apply import LoadForApply
from stigmer.steps.load_for_restore import LoadForRestore
from stigmer.steps.load_target import LoadTarget
from stigmer.steps.load_targets import LoadTargets
from stigmer.steps.persist import Persist
from stigmer.steps.resolve_slug import ResolveSlug
from stigmer.steps.slots import EARLIER, EXISTING, LOOK_AGAIN, MOST, PAGE, RESOURCE_ID, SLUG, STATE, VERSIONS, VISIBLE, Existing
from stigmer.steps.validate_proto import ValidateProto
from stigmer.steps.watch_changes import WatchChanges

__all__ = [
    "EARLIER",
    "EXISTING",
    "LOOK_AGAIN",
    "MOST",
    "PAGE",
    "RESOURCE_ID",
    "SLUG",
    "STATE",
    "VERSIONS",
    "VISIBLE",
    "BuildApplyState",
    "BuildListResponse",
    "BuildNewState",
    "BuildRestoredState",
    "BuildUpdateState",
    "BuildVersionsResponse",
    "CheckDuplicate",
    "DeleteResource",
    "Existing",
    "ExtractResourceId",
    "ListAll",
    "ListVersions",
    "LoadByReference",
    "LoadExisting",
    "LoadExistingForDelete",
    "LoadForApply",
    "LoadForRestore",
    "LoadTarget",
    "LoadTargets",
    "Persist",
    "ResolveSlug",
    "ValidateProto",
    "WatchChanges",
]
