"""Prints what the plugin transform costs: µs to mask an answer of one session and of fifty. Run it as a script."""

from __future__ import annotations

import statistics
import time

from stigmer_transform.mask import Mask
from stigmer_transform.rules import Rule

from stigmer import SYSTEM, Caller, Payload
from stigmer.session.get import GET
from stigmer.session.list import LIST

RULES = [
    Rule(hide="spec.sandbox_id", unless_role="operator"),
    Rule(hide="spec.metadata.secret", unless_role="operator"),
]
SESSION = GET.response.from_json(
    '{"apiVersion": "agentic.stigmer.ai/v1", "kind": "Session", "metadata": {"name": "A session", "slug": "a-session", '
    '"id": "ses-01jd3v8m0b7w2q4rk5x9tczg6n", "org": "acme", "ownerScope": "organization", "tags": ["a", "b"]}, '
    '"spec": {"agentInstanceId": "ain-1", "subject": "What it is about", "threadId": "t", "sandboxId": "box", '
    '"metadata": {"secret": "s", "other": "o"}}}'
)
CALLS, ROUNDS = 500, 9


def cost(operation, answer, caller):
    """Median microseconds to turn stored bytes into bytes to send."""
    mask, wire = Mask.of(operation, RULES), answer.to_binary()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            mask.hide(Payload(operation.response, wire=wire), caller).wire  # noqa: B018 - encoding is part of the cost
        taken.append((time.perf_counter() - start) / CALLS * 1e6)
    return statistics.median(taken)


def main():
    """One line for each answer and caller."""
    page = LIST.response(entries=[SESSION] * 50)
    for what, operation, answer in (("one session", GET, SESSION), ("fifty", LIST, page)):
        for who, caller in (("sees all", Caller("x", frozenset({"operator"}))), ("masked", SYSTEM)):
            print(f"{what:<12} {who:<9} {cost(operation, answer, caller):8.2f} µs")


if __name__ == "__main__":
    main()
