"""The wire contract, name by name and number by number, against the descriptors that the server runs with.

These tables are written from the contract, not from the .proto files: a change of either shows here.
"""

from __future__ import annotations

from importlib import import_module

import pytest
from protobuf import DescField, DescFieldValueList, DescFieldValueMap, DescFile, DescMethod
from protovalidate._gen.buf.validate.validate_pb import ext_field

from stigmer._proto.ai.stigmer.commons.apiresource.apiresourcekind.kind_pb import ApiResourceKind, ext_group_meta, ext_kind_meta
from stigmer._proto.ai.stigmer.commons.apiresource.service_options_pb import ext_api_resource_kind
from stigmer._proto.ai.stigmer.iam.iampolicy.v1.rpcauthorization.method_options_pb import ext_config

from .enums import AUTHORIZATION, COMMONS, ENUMS, GROUP_DOMAINS, KIND, KINDS

SESSION = "ai.stigmer.agentic.session.v1"

FILES = {
    SESSION: ("api", "command", "history", "io", "query", "spec", "watch"),
    COMMONS: ("enum", "field_options", "io", "metadata", "service_options", "status"),
    KIND: ("kind",),
    AUTHORIZATION: ("method_options",),
}

FIELD_MASK = "google.protobuf.FieldMask"

SELECTION = {"filter": (101, "string"), "order_by": (102, "string"), "query": (103, "string"), "read_mask": (104, FIELD_MASK)}

MESSAGES = {
    f"{SESSION}.Session": {
        "api_version": (1, "string"),
        "kind": (2, "string"),
        "metadata": (3, f"{COMMONS}.ApiResourceMetadata"),
        "spec": (4, f"{SESSION}.SessionSpec"),
        "status": (5, f"{COMMONS}.ApiResourceAuditStatus"),
    },
    f"{SESSION}.SessionSpec": {
        "agent_instance_id": (1, "string"),
        "subject": (2, "string"),
        "thread_id": (3, "string"),
        "sandbox_id": (4, "string"),
        "metadata": (5, "map<string, string>"),
    },
    f"{SESSION}.SessionId": {"value": (1, "string"), "read_mask": (101, FIELD_MASK)},
    f"{SESSION}.AgentId": {"value": (1, "string")},
    f"{SESSION}.SessionList": {
        "total_pages": (1, "int32"),
        "entries": (2, f"repeated {SESSION}.Session"),
        "next_page_token": (3, "string"),
        "total_count": (4, "int64"),
    },
    f"{SESSION}.ListSessionsRequest": {
        "page_size": (1, "int32"),
        "page_token": (2, "string"),
        "tags": (3, "repeated string"),
        **SELECTION,
    },
    f"{SESSION}.ListSessionsByAgentRequest": {
        "agent_id": (1, "string"),
        "page_size": (2, "int32"),
        "page_token": (3, "string"),
        **SELECTION,
    },
    f"{SESSION}.BatchGetSessionsRequest": {"ids": (1, "repeated string"), "read_mask": (2, FIELD_MASK)},
    f"{SESSION}.BatchGetSessionsResponse": {"sessions": (1, f"repeated {SESSION}.Session")},
    f"{SESSION}.WatchSessionsRequest": {
        "filter": (1, "string"),
        "query": (2, "string"),
        "tags": (3, "repeated string"),
        "agent_id": (4, "string"),
        "read_mask": (5, FIELD_MASK),
        "resume_token": (6, "string"),
        "initial_list": (7, "bool"),
    },
    f"{SESSION}.SessionEvent": {
        "type": (1, f"{SESSION}.SessionEvent.Type"),
        "session": (2, f"{SESSION}.Session"),
        "version_id": (3, "string"),
        "time": (4, "google.protobuf.Timestamp"),
        "resume_token": (5, "string"),
    },
    f"{SESSION}.ListSessionVersionsRequest": {
        "session_id": (1, "string"),
        "page_size": (2, "int32"),
        "page_token": (3, "string"),
    },
    f"{SESSION}.SessionVersion": {
        "version": (1, f"{COMMONS}.ApiResourceMetadataVersion"),
        "event": (2, "string"),
        "time": (3, "google.protobuf.Timestamp"),
        "actor": (4, f"{COMMONS}.ApiResourceAuditActor"),
    },
    f"{SESSION}.SessionVersionList": {
        "entries": (1, f"repeated {SESSION}.SessionVersion"),
        "next_page_token": (2, "string"),
    },
    f"{SESSION}.RestoreSessionRequest": {
        "session_id": (1, "string"),
        "version_id": (2, "string"),
        "message": (3, "string"),
        "current_version_id": (4, "string"),
    },
    f"{COMMONS}.ApiResourceMetadata": {
        "name": (1, "string"),
        "slug": (2, "string"),
        "id": (3, "string"),
        "org": (4, "string"),
        "owner_scope": (5, f"{COMMONS}.ApiResourceOwnerScope"),
        "labels": (6, "map<string, string>"),
        "annotations": (7, "map<string, string>"),
        "tags": (8, "repeated string"),
        "version": (9, f"{COMMONS}.ApiResourceMetadataVersion"),
    },
    f"{COMMONS}.ApiResourceMetadataVersion": {
        "id": (1, "string"),
        "message": (2, "string"),
        "previous_version_id": (3, "string"),
    },
    f"{COMMONS}.ApiResourceReference": {
        "scope": (1, f"{COMMONS}.ApiResourceOwnerScope"),
        "org": (2, "string"),
        "kind": (3, f"{KIND}.ApiResourceKind"),
        "slug": (4, "string"),
        "version": (5, "string"),
    },
    f"{COMMONS}.ApiResourceId": {"value": (1, "string")},
    f"{COMMONS}.ApiResourceDeleteInput": {
        "resource_id": (1, "string"),
        "version_message": (2, "string"),
        "force": (3, "bool"),
    },
    f"{COMMONS}.ApiResourceAuditStatus": {"audit": (99, f"{COMMONS}.ApiResourceAudit")},
    f"{COMMONS}.ApiResourceAudit": {
        "spec_audit": (1, f"{COMMONS}.ApiResourceAuditInfo"),
        "status_audit": (2, f"{COMMONS}.ApiResourceAuditInfo"),
    },
    f"{COMMONS}.ApiResourceAuditInfo": {
        "created_by": (1, f"{COMMONS}.ApiResourceAuditActor"),
        "created_at": (2, "google.protobuf.Timestamp"),
        "updated_by": (3, f"{COMMONS}.ApiResourceAuditActor"),
        "updated_at": (4, "google.protobuf.Timestamp"),
        "event": (5, "string"),
    },
    f"{COMMONS}.ApiResourceAuditActor": {"id": (1, "string"), "avatar": (2, "string")},
    f"{KIND}.ApiResourceKindMeta": {
        "group": (1, f"{KIND}.ApiResourceGroup"),
        "version": (2, f"{KIND}.ApiResourceVersion"),
        "name": (3, "string"),
        "display_name": (4, "string"),
        "id_prefix": (5, "string"),
        "is_versioned": (6, "bool"),
        "not_search_indexed": (7, "bool"),
        "tier": (8, f"{KIND}.ResourceTier"),
    },
    f"{KIND}.ApiResourceGroupMeta": {"domain": (1, "string"), "display_name": (2, "string")},
    f"{AUTHORIZATION}.RpcAuthorizationConfig": {
        "permission": (1, f"{AUTHORIZATION}.ApiResourceIamPermission"),
        "resource_kind": (2, f"{KIND}.ApiResourceKind"),
        "resource_kind_path": (3, "string"),
        "field_path": (4, "string"),
        "error_msg": (5, "string"),
        "resource_id": (6, "string"),
    },
}

OPTIONS = {
    f"{COMMONS}.api_resource_kind": ("google.protobuf.ServiceOptions", 90100, f"{KIND}.ApiResourceKind"),
    f"{COMMONS}.computed": ("google.protobuf.FieldOptions", 90201, "bool"),
    f"{COMMONS}.immutable": ("google.protobuf.FieldOptions", 90202, "bool"),
    f"{COMMONS}.is_expression": ("google.protobuf.FieldOptions", 90203, "bool"),
    f"{KIND}.kind_meta": ("google.protobuf.EnumValueOptions", 90101, f"{KIND}.ApiResourceKindMeta"),
    f"{KIND}.group_meta": ("google.protobuf.EnumValueOptions", 91101, f"{KIND}.ApiResourceGroupMeta"),
    f"{AUTHORIZATION}.config": ("google.protobuf.MethodOptions", 50056, f"{AUTHORIZATION}.RpcAuthorizationConfig"),
    f"{AUTHORIZATION}.is_public": ("google.protobuf.MethodOptions", 50057, "bool"),
    f"{AUTHORIZATION}.is_skip_authorization": ("google.protobuf.MethodOptions", 50058, "bool"),
}

RPCS = {
    f"{SESSION}.SessionCommandController": {
        "apply": ("Session", "Session"),
        "create": ("Session", "Session"),
        "update": ("Session", "Session"),
        "delete": ("SessionId", "Session"),
    },
    f"{SESSION}.SessionQueryController": {
        "get": ("SessionId", "Session"),
        "list": ("ListSessionsRequest", "SessionList"),
        "listByAgent": ("ListSessionsByAgentRequest", "SessionList"),
        "getByReference": ("ApiResourceReference", "Session"),
        "batchGet": ("BatchGetSessionsRequest", "BatchGetSessionsResponse"),
    },
    f"{SESSION}.SessionHistoryController": {
        "listVersions": ("ListSessionVersionsRequest", "SessionVersionList"),
        "restore": ("RestoreSessionRequest", "Session"),
    },
    f"{SESSION}.SessionWatchController": {"watch": ("WatchSessionsRequest", "stream SessionEvent")},
}

STREAMED = {"unary": "", "server_streaming": "stream "}

PERMISSIONS = {
    "create": ("organization", "can_create_session", "metadata.org", "unauthorized to create session in this organization"),
    "update": ("session", "can_edit", "metadata.id", "unauthorized to update session"),
    "delete": ("session", "can_delete", "value", "unauthorized to delete session"),
    "get": ("session", "can_view", "value", "unauthorized to get session"),
    "batchGet": ("session", "can_view", "ids", "unauthorized to get session"),
    "listVersions": ("session", "can_view", "session_id", "unauthorized to get session"),
    "restore": ("session", "can_edit", "session_id", "unauthorized to update session"),
    "apply": None,
    "list": None,
    "listByAgent": None,
    "getByReference": None,
    "watch": None,
}

REQUIRED = {
    f"{SESSION}.Session.metadata",
    f"{SESSION}.SessionSpec.agent_instance_id",
    f"{SESSION}.SessionId.value",
    f"{SESSION}.AgentId.value",
    f"{SESSION}.ListSessionsByAgentRequest.agent_id",
    f"{SESSION}.ListSessionVersionsRequest.session_id",
    f"{SESSION}.RestoreSessionRequest.session_id",
    f"{SESSION}.RestoreSessionRequest.version_id",
    f"{COMMONS}.ApiResourceId.value",
    f"{COMMONS}.ApiResourceDeleteInput.resource_id",
}

DEFINED_ONLY = {f"{COMMONS}.ApiResourceMetadata.owner_scope", f"{COMMONS}.ApiResourceReference.scope"}

CONSTANTS = {f"{SESSION}.Session.api_version": "agentic.stigmer.ai/v1", f"{SESSION}.Session.kind": "Session"}

PATTERNS = {f"{COMMONS}.ApiResourceReference.version": "^$|^latest$|^[a-zA-Z0-9._-]+$|^[a-f0-9]{64}$"}

CEL = {
    f"{SESSION}.Session.metadata": [
        (
            "session.owner_scope.org_or_identity_only",
            "this.owner_scope == 2 || this.owner_scope == 3",
            "Session resources can only have organization or identity_account scope",
        )
    ]
}


def described() -> list[DescFile]:
    """All files of the contract."""
    return [import_module(f"stigmer._proto.{package}.{file}_pb").desc() for package in FILES for file in FILES[package]]


def type_of(field: object) -> str:
    """A field's type as a .proto file would say it, names in full."""
    if isinstance(field.value, DescFieldValueMap):
        entry = field.value
        return f"map<{entry.key.name.lower()}, {entry.value.name.lower()}>"
    name = field.proto.type_name.lstrip(".") or field.proto.type.name.lower()
    return f"repeated {name}" if isinstance(field.value, DescFieldValueList) else name


def fields() -> dict[str, DescField]:
    """Each field by its full name."""
    return {f"{m.type_name}.{f.name}": f for file in described() for m in file.messages for f in m.fields}


def rules() -> dict[str, object]:
    """The protovalidate rules of each field that has any, by the field's full name."""
    optioned = {name: field.proto.options for name, field in fields().items() if field.proto.options is not None}
    return {name: options[ext_field] for name, options in optioned.items() if ext_field in options}


def methods() -> dict[str, DescMethod]:
    """Each rpc by its name; no name is used twice."""
    return {m.name: m for file in described() for service in file.services for m in service.methods}


def test_packages():
    """Each file is in the package whose name the contract gives, and is proto3."""
    packages = {file.proto.name.rpartition("/")[0].replace("/", "."): file.proto.package for file in described()}
    assert packages == {package: package for package in FILES}
    assert {file.proto.syntax for file in described()} == {"proto3"}


def test_messages():
    """Each message has the contract's fields with the contract's numbers and types, and no other."""
    found = {m.type_name: {f.name: (f.number, type_of(f)) for f in m.fields} for file in described() for m in file.messages}
    assert found == MESSAGES


def test_enums():
    """Each enum has the contract's values with the contract's numbers, and no other."""
    found = {e.type_name: {v.name: v.number for v in e.values} for file in described() for e in file.enums}
    assert found == ENUMS


def test_options():
    """Each custom option extends what the contract says, under its number."""
    found = {e.type_name: (e.extendee.type_name, e.number, type_of(e)) for file in described() for e in file.extensions}
    assert found == OPTIONS


def test_rpcs():
    """Each service has the contract's rpcs with the contract's types, unary but for watch, and is about sessions."""
    services = {service.type_name: service for file in described() for service in file.services}
    found = {
        name: {m.name: (m.input.name, f"{STREAMED[m.method_kind]}{m.output.name}") for m in service.methods}
        for name, service in services.items()
    }
    assert found == RPCS
    assert {service.proto.options[ext_api_resource_kind] for service in services.values()} == {ApiResourceKind.session}


@pytest.mark.parametrize("rpc", PERMISSIONS)
def test_permissions(rpc):
    """Each rpc declares the contract's permission, or none."""
    options = methods()[rpc].proto.options
    config = options[ext_config] if options is not None and ext_config in options else None
    found = config and (config.resource_kind.name, config.permission.name, config.field_path, config.error_msg)
    assert found == PERMISSIONS[rpc]


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name):
    """Each kind carries the contract's id prefix; the unknown kind carries nothing."""
    value = next(v for v in ApiResourceKind.desc().values if v.name == name)
    assert value.number == KINDS[name][0]
    prefix = value.proto.options[ext_kind_meta].id_prefix if value.proto.options is not None else None
    assert prefix == KINDS[name][1]


def test_session_is_the_kind_of_documents():
    """Documents call the kind ``Session``, in the group and version that make ``agentic.stigmer.ai/v1``."""
    value = next(v for v in ApiResourceKind.desc().values if v.name == "session")
    meta = value.proto.options[ext_kind_meta]
    assert (meta.name, meta.group.name, meta.version.name) == ("Session", "agentic", "v1")


def test_group_domains():
    """Each group carries its API domain."""
    groups = next(e for file in described() for e in file.enums if e.name == "ApiResourceGroup")
    found = {v.name: v.proto.options[ext_group_meta].domain for v in groups.values if v.proto.options is not None}
    assert found == GROUP_DOMAINS


def test_required_fields():
    """The fields that the contract calls required are, and no other."""
    assert {name for name, rule in rules().items() if rule.required} == REQUIRED


def test_defined_only_fields():
    """The enum fields that take defined values only are those of the contract."""
    found = {name for name, rule in rules().items() if rule.type and rule.type.field == "enum" and rule.type.value.defined_only}
    assert found == DEFINED_ONLY


def test_string_rules():
    """Constants and patterns are those of the contract."""
    strings = {name: rule.type.value for name, rule in rules().items() if rule.type and rule.type.field == "string"}
    assert {name: rule.const for name, rule in strings.items() if rule.const} == CONSTANTS
    assert {name: rule.pattern for name, rule in strings.items() if rule.pattern} == PATTERNS


def test_cel_rules():
    """CEL rules have the contract's ids, expressions and messages."""
    found = {name: [(cel.id, cel.expression, cel.message) for cel in rule.cel] for name, rule in rules().items() if rule.cel}
    assert found == CEL
