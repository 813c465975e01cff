"""The plugin: which limit stands where."""

from __future__ import annotations

from collections.abc import Iterator

from stigmer import Operation, Placement, after, before, hookimpl
from stigmer_limits.buckets import Buckets
from stigmer_limits.settings import Settings, load_settings
from stigmer_limits.steps import LimitCaller, LimitOrganization, LimitStored

_BUILDERS = ("BuildNewState", "BuildApplyState", "BuildUpdateState", "BuildRestoredState", "DeleteResource")
_CREATORS = frozenset({"BuildNewState", "BuildApplyState"})


class Limits:
    """Counts for one server at a time, all of whose operations share the buckets.

    Args:
        settings: those of the environment when left out, read when the first operation is put together.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._given = settings
        self._settings: Settings | None = None
        self._callers = Buckets()
        self._organizations = Buckets()

    @hookimpl
    def contribute_steps(self, op: Operation) -> Iterator[Placement]:
        """LimitCaller before everything else, LimitOrganization after Authorize, LimitStored before anything is stored."""
        settings = self._assembled()
        names = [step.name for step in op.steps]
        if settings.caller_pace is not None:
            yield before(names[0], LimitCaller(settings.caller_pace, self._callers))
        if settings.limits_paces_of_organizations:
            step = LimitOrganization(settings, self._organizations)
            builder = next((name for name in names if name in _BUILDERS), None)
            if builder is not None:
                yield before(builder, step)
            elif "LoadTarget" in names:
                yield after("LoadTarget", step)
            elif "LoadByReference" in names:
                yield after("Authorize", "LoadByReference", step)
        if settings.limits_what_is_stored and _CREATORS & set(names):
            yield before("CreateIamPolicies", "Persist", LimitStored(settings))

    @hookimpl
    async def shutdown(self) -> None:
        """Forgets everything: another server may start."""
        self._settings = None
        self._callers, self._organizations = Buckets(), Buckets()

    def _assembled(self) -> Settings:
        if self._settings is None:
            self._settings = self._given or load_settings()
        return self._settings
