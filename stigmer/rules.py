"""Rules that a proto cannot say, since they depend on the operation; ``ValidateProto`` checks them with the proto's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from stigmer._proto.ai.stigmer.commons.apiresource.enum_pb import ApiResourceOwnerScope
from stigmer.context import RequestContext
from stigmer.errors import Violation
from stigmer.filtering import Bad, condition_of, order_of, words_of_query
from stigmer.read_mask import Unknown, read_mask
from stigmer.slug import MAX_LENGTH, gives_slug, is_slug

Rule = Callable[[RequestContext], Iterator[Violation]]
"""Gives what is wrong with the request. It sees requests that break rules of the proto, so fields may be unset."""

_OWN_ID = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_OWN_ID_PATTERN = re.compile(_OWN_ID.removesuffix("$"))
_REQUIRED = "value is required"


def own_id(ctx: RequestContext) -> Iterator[Violation]:
    """A client's own id has a form that every URL, file name and log can hold."""
    metadata = ctx.request.metadata
    if metadata is not None and metadata.id and not _OWN_ID_PATTERN.fullmatch(metadata.id):
        yield Violation("metadata.id", f"value does not match regex pattern `{_OWN_ID}`")


def name_or_slug(ctx: RequestContext) -> Iterator[Violation]:
    """There is a slug, or a name that gives one."""
    metadata = ctx.request.metadata
    if metadata is None:
        return
    if metadata.slug:
        if not is_slug(metadata.slug):
            text = f"value must be made of a-z and 0-9 with single dashes between, at most {MAX_LENGTH} characters"
            yield Violation("metadata.slug", text)
    elif not metadata.name:
        yield Violation("metadata.name", _REQUIRED)
    elif not gives_slug(metadata.name):
        yield Violation("metadata.name", "value must contain a letter a-z or a digit")


def name_or_slug_without_id(ctx: RequestContext) -> Iterator[Violation]:
    """As ``name_or_slug``, unless an id says which resource is meant."""
    metadata = ctx.request.metadata
    if metadata is not None and not metadata.id:
        yield from name_or_slug(ctx)


def spec_given(ctx: RequestContext) -> Iterator[Violation]:
    """There is a spec: without one an update would erase what is stored."""
    if ctx.request.spec is None:
        yield Violation("spec", _REQUIRED)


def known_read_mask(ctx: RequestContext) -> Iterator[Violation]:
    """A read mask names fields of the resource."""
    mask = ctx.request.read_mask
    if mask is not None:
        try:
            read_mask(ctx.operation.kind.message.desc(), tuple(mask.paths))
        except Unknown as error:
            yield Violation("read_mask", str(error))


def known_selection(ctx: RequestContext) -> Iterator[Violation]:
    """What selects and orders a list makes sense."""
    yield from _sensible(ctx, "filter", "order_by", "query")


def known_filter(ctx: RequestContext) -> Iterator[Violation]:
    """What selects the resources of a watch makes sense."""
    yield from _sensible(ctx, "filter", "query")


def _sensible(ctx: RequestContext, *fields: str) -> Iterator[Violation]:
    request, kind = ctx.request, ctx.operation.kind
    checks: dict[str, Callable[[], object]] = {
        "filter": lambda: condition_of(kind, request.filter),
        "order_by": lambda: order_of(request.order_by),
        "query": lambda: words_of_query(request.query),
    }
    for field in fields:
        if getattr(request, field):
            try:
                checks[field]()
            except Bad as error:
                yield Violation(field, str(error))


def reference_slug(ctx: RequestContext) -> Iterator[Violation]:
    """A reference names a slug."""
    if not ctx.request.slug:
        yield Violation("slug", _REQUIRED)


def reference_kind(ctx: RequestContext) -> Iterator[Violation]:
    """A reference that names a kind names the one that is asked."""
    if ctx.request.kind not in {0, ctx.operation.kind.number}:
        yield Violation("kind", f"value must equal `{ctx.operation.kind.key}`")


def reference_scope(ctx: RequestContext) -> Iterator[Violation]:
    """A reference that names a scope names the one that its org implies."""
    scopes = ApiResourceOwnerScope
    implied = scopes.organization if ctx.request.org else scopes.identity_account
    if ctx.request.scope not in {0, implied}:
        yield Violation("scope", f"value must equal `{implied.name}` or be left out, as org is {_given(ctx.request.org)}")


def _given(text: str) -> str:
    return "given" if text else "empty"
