"""BuildVersionsResponse: what each version was, by whom and when, without what was in it."""

from __future__ import annotations

from typing import Any

from protobuf import DescFieldValueList, DescMessage

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import DataLoss, Undecodable
from stigmer.payload import Payload, decode
from stigmer.steps.paging import token_after
from stigmer.steps.slots import VERSIONS
from stigmer.store.feed import Change
from stigmer.store.selection import Position


class BuildVersionsResponse:
    """Answers entries with ``version``, ``event``, ``time`` and ``actor``, and the next token."""

    name = "BuildVersionsResponse"
    requires = frozenset({VERSIONS})
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE."""
        versions, type_ = ctx[VERSIONS], ctx.operation.response
        entry = _entry_type(type_.desc())
        answer = type_(entries=[_entry(ctx, entry, change) for change in versions.entries])
        if versions.more:
            answer.next_page_token = await token_after(ctx, Position(versions.entries[-1].number, ""))
        ctx[RESPONSE] = Payload.of(answer)


def _entry(ctx: RequestContext, type_: type[Any], change: Change) -> Any:
    """What the resource itself says of its version: the feed knows nothing of who wrote before there was one."""
    kind = ctx.operation.kind
    try:
        message = decode(kind.message, change.wire)
    except Undecodable as error:
        raise DataLoss(f"a stored version of the {kind.key} is damaged") from error
    audit = message.status.audit if message.status is not None else None
    info = audit.spec_audit if audit is not None else None
    return type_(
        version=message.metadata.version if message.metadata is not None else None,
        event=change.event.name.lower(),
        time=info.updated_at if info is not None else None,
        actor=info.updated_by if info is not None else None,
    )


def _entry_type(answer: DescMessage) -> type[Any]:
    for field in answer.fields:
        match field:
            case _ if field.name == "entries" and isinstance(field.value, DescFieldValueList):
                element = field.value.element
                if isinstance(element, DescMessage):
                    return element.type
    raise LookupError(f"{answer.type_name} has no list of entries")
