"""Who touched a resource, and when."""

from __future__ import annotations

import copy

from protobuf.wkt import Timestamp

from stigmer._proto.ai.stigmer.commons.apiresource.status_pb import (
    ApiResourceAudit,
    ApiResourceAuditActor,
    ApiResourceAuditInfo,
    ApiResourceAuditStatus,
)
from stigmer.context import RequestContext

_NS = 1_000_000_000


def created(ctx: RequestContext) -> ApiResourceAuditStatus:
    """The status of a resource that the caller creates now."""
    now = _now(ctx)
    return ApiResourceAuditStatus(audit=ApiResourceAudit(spec_audit=_creation(ctx, now), status_audit=_creation(ctx, now)))


def _creation(ctx: RequestContext, now: Timestamp) -> ApiResourceAuditInfo:
    """Shares nothing with anything: a step may change it."""
    return ApiResourceAuditInfo(
        created_by=_actor(ctx), created_at=copy.copy(now), updated_by=_actor(ctx), updated_at=copy.copy(now), event="created"
    )


def updated(ctx: RequestContext, status: ApiResourceAuditStatus | None) -> ApiResourceAuditStatus:
    """``status`` of a resource whose spec the caller changes now; what was created when, and by whom, stays."""
    result = copy.deepcopy(status) if status is not None else ApiResourceAuditStatus()
    result.audit = result.audit or ApiResourceAudit()
    info = result.audit.spec_audit = result.audit.spec_audit or ApiResourceAuditInfo()
    info.updated_by = _actor(ctx)
    info.updated_at = _now(ctx)
    info.event = "updated"
    return result


def _actor(ctx: RequestContext) -> ApiResourceAuditActor:
    return ApiResourceAuditActor(id=ctx.caller.id)


def _now(ctx: RequestContext) -> Timestamp:
    seconds, nanos = divmod(ctx.clock.now_ns(), _NS)
    return Timestamp(seconds=seconds, nanos=nanos)
