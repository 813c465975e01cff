"""The enumerations of the wire contract, written from the contract, not from the .proto files."""

from __future__ import annotations

COMMONS = "ai.stigmer.commons.apiresource"
KIND = f"{COMMONS}.apiresourcekind"
AUTHORIZATION = "ai.stigmer.iam.iampolicy.v1.rpcauthorization"

KINDS = {
    "api_resource_kind_unknown": (0, None),
    "api_resource_version": (1, "ver"),
    "iam_policy": (10, "iamp"),
    "identity_account": (11, "ida"),
    "api_key": (12, "key"),
    "credential": (20, "crd"),
    "organization": (30, "org"),
    "platform": (31, "plt"),
    "agent": (40, "agt"),
    "agent_execution": (41, "aex"),
    "session": (42, "ses"),
    "skill": (43, "skl"),
    "mcp_server": (44, "mcp"),
    "agent_instance": (45, "ain"),
    "workflow": (50, "wfl"),
    "workflow_instance": (51, "win"),
    "workflow_execution": (52, "wex"),
    "environment": (53, "env"),
    "execution_context": (54, "exec"),
}

ENUMS = {
    f"{COMMONS}.ApiResourceOwnerScope": {
        "api_resource_owner_scope_unspecified": 0,
        "platform": 1,
        "organization": 2,
        "identity_account": 3,
    },
    f"{COMMONS}.ApiResourceEventType": {
        "unspecified": 0,
        "created": 1,
        "updated": 2,
        "deleted": 3,
        "renamed": 4,
        "stack_outputs_updated": 5,
    },
    f"{COMMONS}.ApiResourceStateOperationType": {
        "api_resource_state_operation_type_unspecified": 0,
        "create": 1,
        "update": 2,
        "delete": 3,
        "read": 4,
        "stream": 5,
    },
    f"{KIND}.ApiResourceKind": {name: number for name, (number, _) in KINDS.items()},
    f"{KIND}.ApiResourceGroup": {"api_resource_group_unspecified": 0, "agentic": 1, "iam": 2, "tenancy": 3},
    f"{KIND}.ApiResourceVersion": {"api_resource_version_unspecified": 0, "v1": 1},
    f"{KIND}.ResourceTier": {"TIER_UNSPECIFIED": 0, "TIER_OPEN_SOURCE": 1, "TIER_CLOUD_ONLY": 2},
    f"{AUTHORIZATION}.ApiResourceIamPermission": {
        "unspecified": 0,
        "create": 1,
        "can_delete": 2,
        "can_view": 3,
        "can_edit": 4,
        "operator": 5,
        "platform": 6,
        "login_to_back_office": 7,
        "can_grant_access": 8,
        "can_view_access": 9,
        "owner": 10,
        "member": 11,
        "identity_account": 12,
        "organization": 13,
        "session": 14,
        "agent": 15,
        "can_create_agent": 16,
        "can_create_workflow": 17,
        "can_create_session": 18,
        "can_create_execution_in": 19,
        "can_create_instance": 20,
        "can_create_skill": 21,
        "can_execute": 22,
    },
}

GROUP_DOMAINS = {"agentic": "agentic.stigmer.ai", "iam": "iam.stigmer.ai", "tenancy": "tenancy.stigmer.ai"}
