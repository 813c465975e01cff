"""BuildListResponse: the page as a message, without decoding what is in it."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.payload import Payload
from stigmer.steps.answering import side_by_side
from stigmer.steps.paging import next_page_token, page_size
from stigmer.steps.slots import PAGE


class BuildListResponse:
    """Puts the stored bytes side by side as the field ``entries``, and adds totals and the next token.

    Works for every list message with the fields ``entries``, ``total_pages``, ``total_count`` and ``next_page_token``.
    """

    name = "BuildListResponse"
    requires = frozenset({PAGE})
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE."""
        page, size, type_ = ctx[PAGE], page_size(ctx), ctx.operation.response
        head = type_(
            total_pages=-(-page.total // size), total_count=page.total, next_page_token=await next_page_token(ctx, page)
        )
        ctx[RESPONSE] = Payload(type_, wire=head.to_binary() + side_by_side(ctx, page.entries))
