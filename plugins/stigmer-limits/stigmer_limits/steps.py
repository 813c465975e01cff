"""The three steps, each of which knows one limit."""

from __future__ import annotations

from stigmer import RequestContext, ResourceExhausted, Slot
from stigmer.ownership import ORGANIZATION, owner_of_state
from stigmer.steps import EXISTING, MOST, STATE
from stigmer_limits.buckets import Buckets
from stigmer_limits.organization import organization_of
from stigmer_limits.settings import Pace, Settings

_CHARGED: Slot[bool] = Slot("charged")
"""The call has been counted: a run that begins again is the same call."""
_SHOWN = 128


class LimitCaller:
    """Counts calls of each caller."""

    name = "LimitCaller"

    def __init__(self, pace: Pace, buckets: Buckets) -> None:
        self._pace = pace
        self._buckets = buckets

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises ResourceExhausted."""
        _take(self._buckets, ctx.caller.id, self._pace, "you make", "CALLER_TOO_FAST")


class LimitOrganization:
    """Counts calls about what each organization owns, once it is known that the caller may make them."""

    name = "LimitOrganization"

    def __init__(self, settings: Settings, buckets: Buckets) -> None:
        self._settings = settings
        self._buckets = buckets

    async def __call__(self, ctx: RequestContext) -> None:
        """Raises ResourceExhausted."""
        if _CHARGED in ctx:
            return
        organization = await organization_of(ctx)
        pace = self._settings.pace_of(organization) if organization else None
        if pace is not None:
            who = f"the organization {organization[:_SHOWN]} makes"
            _take(self._buckets, organization, pace, who, "ORGANIZATION_TOO_FAST")
        ctx[_CHARGED] = True


class LimitStored:
    """Tells the store how many resources the owner of a new one may have; the store refuses one too many."""

    name = "LimitStored"
    requires = frozenset({STATE})
    provides = frozenset({MOST})

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills MOST, for an owner that has a limit."""
        state = ctx[STATE]
        if state is None or ctx.get(EXISTING) is not None:
            return
        owner, settings = owner_of_state(state), self._settings
        most = settings.stored_by(owner.id) if owner.scope == ORGANIZATION else settings.account_stored
        if most is not None:
            ctx[MOST] = most


def _take(buckets: Buckets, name: str, pace: Pace, who: str, reason: str) -> None:
    seconds = buckets.take(name, pace)
    if seconds is not None:
        text = f"{who} more than {pace.per_second:g} calls a second; try again in {seconds:.3g} s"
        raise ResourceExhausted(text, reason=reason, retry_seconds=seconds)
