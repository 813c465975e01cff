"""Whether the order in which plugins are registered ever matters: random plugin sets, each in several orders.

Usage: python benchmarks/random_plugins.py [SETS] [ORDERS]
"""

from __future__ import annotations

import random
import sys

from stigmer import ConfigurationError, Placement, after, before, last, remove, replace
from stigmer.assembly import Contribution, assemble
from stigmer.session.create import CREATE
from stigmer.step import requires

OWN = [step.name for step in CREATE.steps]
SLOTS = sorted({slot for step in CREATE.steps for slot in requires(step)}, key=repr)


class Noop:
    """A step that does nothing, but says what it needs and gives."""

    def __init__(self, name, needs, gives) -> None:
        self.name = name
        self.requires = frozenset(needs)
        self.provides = frozenset(gives)

    async def __call__(self, ctx) -> None:
        """Nothing."""


def random_set(rnd: random.Random) -> dict[str, list[Placement]]:
    """One to five plugins with one or two placements each; some of them cannot work."""
    plugins = [f"p{number}" for number in range(rnd.randint(1, 5))]
    anchors = [*OWN, *(f"Step{plugin}{n}" for plugin in plugins for n in range(2)), "Persit"]
    return {
        plugin: [random_placement(rnd, anchors, f"Step{plugin}{n}") for n in range(rnd.randint(1, 2))] for plugin in plugins
    }


def random_placement(rnd: random.Random, anchors: list[str], name: str) -> Placement:
    """One of the four kinds; mostly such that it can work."""
    how = rnd.choice([before, after, before, after, before, after, replace, remove, last])
    picked = rnd.sample(anchors, rnd.randint(1, 2))
    step = Noop(name, rnd.sample(SLOTS, rnd.choice([0, 0, 0, 1])), rnd.sample(SLOTS, rnd.choice([0, 1])))
    if how is last:
        return last(step)
    if how is remove:
        return remove(rnd.choice(OWN))
    if how is replace:
        return replace(rnd.choice(OWN), step)
    return how(*picked, step)


def outcome(plugins: dict[str, list[Placement]], order: list[str]) -> str:
    """The pipeline, or the error, of plugins registered in an order."""
    contributions = [Contribution(plugin, placement) for plugin in order for placement in plugins[plugin]]
    try:
        pipeline = assemble(CREATE, "session", contributions)
    except ConfigurationError as error:
        return f"refused: {error}"
    return f"assembled: {[(step.name, step.origin, step.why) for step in pipeline.steps]}"


def run(sets: int, orders: int, seed: int = 7) -> tuple[int, int]:
    """(assembled, refused) of ``sets`` random sets; raises when the order of registration mattered for one."""
    rnd = random.Random(seed)
    assembled = 0
    for _ in range(sets):
        plugins = random_set(rnd)
        outcomes = {outcome(plugins, rnd.sample(sorted(plugins), len(plugins))) for _ in range(orders)}
        if len(outcomes) != 1:
            raise AssertionError(f"the order mattered: {outcomes}")
        assembled += outcomes.pop().startswith("assembled")
    return assembled, sets - assembled


if __name__ == "__main__":
    count, order_count = (int(argument) for argument in (*sys.argv[1:], "2000", "6")[:2])
    good, bad = run(count, order_count)
    print(f"{count} plugin sets x {order_count} orders: one outcome each ({good} assembled, {bad} refused)")
