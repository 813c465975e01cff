"""Creates no sessions at night."""

from stigmer import PermissionDenied, after, hookimpl


class OfficeHours:
    name = "OfficeHours"

    async def __call__(self, ctx):
        hour = ctx.clock.now_ns() // 3_600_000_000_000 % 24
        if not 8 <= hour < 18:
            raise PermissionDenied("new sessions from 8 to 18 o'clock UTC only")


@hookimpl
def contribute_steps(op):
    if op.verb == "create":
        yield after("ValidateProto", OfficeHours())
