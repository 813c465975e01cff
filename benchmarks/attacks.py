"""Attacks on a server beside which somebody else only wants to be served; exits with 1 when one of them is felt.

    python benchmarks/attacks.py [--seconds 30] [--engine ngh2|h2|stock] [--only NAME ...]

Attacks come from addresses of their own: what an address may do does not count against the bystander.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import multiprocessing
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from attack_calls import KEPT, gzip_bombs, withheld_ends
from attack_floods import FLOODS
from attacker import Target
from victim import Seen, Victim, victim

MB = 1_000_000
ATTACKS: dict[str, Callable[[Target], Awaitable[None]]] = {attack.__name__: attack for attack in (*FLOODS, *KEPT)}
GROWTH_BYTES = 100 * MB
REQUEST_BYTES = 135 * MB
"""What large requests may take together, while they are there."""
FULL_OF_REQUESTS = {withheld_ends, gzip_bombs}
"""Attacks that use all of that."""
BYSTANDERS_OWN = {"connections": 1, "calls": 0, "streams": 0, "request_bytes": 0, "answer_bytes": 0}
"""What is there once an attack is over and the bystander waits between two calls."""
QUIET_SECONDS, PATIENCE = 3.0, 20.0
NICE = 10


@dataclasses.dataclass(frozen=True)
class Criteria:
    """What a bystander and a server may be made to feel.

    Attributes:
        ratio: of the bystander's median to its median before.
        floor: of that median in milliseconds, below which it is well whatever it was before.
        longest: call, in milliseconds.
        turn: of the server's loop, in milliseconds of processor time: while it lasts nobody is answered.
        growth: of the server's memory, in bytes.
        remainder: of that growth, as part of the memory before, after some seconds.
    """

    ratio: float = 1.5
    floor: float = 0
    longest: float = 100
    turn: float = 100
    growth: int = GROWTH_BYTES
    remainder: float = 0.2


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an attack did."""

    name: str
    before: Seen
    during: Seen
    turn: float
    memory: tuple[int, int, int]
    left: dict[str, int]
    limited: dict[str, int]
    complaints: list[str]
    log: str

    def missed(self, criteria: Criteria) -> list[str]:
        """The criteria that were missed, in words."""
        before, peak, after = self.memory
        growth = criteria.growth + (REQUEST_BYTES if ATTACKS[self.name] in FULL_OF_REQUESTS else 0)
        wrong = {
            f"p50 {self.during.p50} ms, {self.before.p50} before": self._is_slow(criteria),
            f"a call took {self.during.longest} ms": (self.during.longest or 0) > criteria.longest,
            f"a turn of the loop took {self.turn} ms": self.turn > criteria.turn,
            f"errors of the bystander: {self.during.errors[:3]}": bool(self.during.errors),
            f"memory grew from {before // MB} to {peak // MB} MB": peak > before + growth,
            f"memory stays at {after // MB} MB, {before // MB} before": after > before * (1 + criteria.remainder),
            f"left: {self.left}": self.left != BYSTANDERS_OWN,
            f"complaints: {self.complaints}": bool(self.complaints),
            f"in the log:\n{self.log[:4000]}": "Traceback" in self.log,
        }
        return [text for text, is_wrong in wrong.items() if is_wrong]

    def _is_slow(self, criteria: Criteria) -> bool:
        return self.during.p50 is None or self.during.p50 > max(criteria.floor, criteria.ratio * self.before.p50)

    def row(self, criteria: Criteria) -> str:
        """As a row of the table."""
        memory = " → ".join(str(size // MB) for size in self.memory)
        verdict = "missed" if self.missed(criteria) else "held"
        delays = f"{self.before.p50:.2f} | {self.during.p50 or 0:.2f} | {self.during.longest or 0:.1f} | {self.turn:.1f}"
        return f"| {self.name} | {delays} | {len(self.during.errors)} | {memory} | {self.limited} | {verdict} |"


@contextlib.contextmanager
def attacker(*, pin: bool = False) -> Iterator[ProcessPoolExecutor]:
    """A process that attacks, whenever the processor has nothing better to do."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_prepare, initargs=(pin,)) as pool:
        yield pool


def _prepare(pin: bool) -> None:
    os.nice(NICE)
    if pin:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def attack(name: str, target: Target) -> list[str]:
    """Runs an attack to its end, and gives what it complains of."""

    async def run() -> None:
        try:
            async with asyncio.timeout(target.seconds + PATIENCE):
                await ATTACKS[name](target)
        except TimeoutError:
            target.complaints.append("the server has stopped reading")
        finally:
            await target.close()

    asyncio.run(run())
    return target.complaints


async def outcome(found: Victim, pool: ProcessPoolExecutor, name: str, *, quiet: Seen, target: Target) -> Outcome:
    """Attacks, waits for what is left to go, and asks everybody."""
    log, limited = len(found.log()), found.condition()["limited"]
    before = found.forget_peak()
    found.seen()
    complaints = await asyncio.get_running_loop().run_in_executor(pool, attack, name, target)
    during, peak, turn = found.seen(), found.peak(), found.condition()["turn"]
    condition = await settled(found, PATIENCE)
    return Outcome(
        name=name,
        before=quiet,
        during=during,
        turn=turn,
        memory=(before, peak, condition["rss"]),
        left=condition["now"],
        limited={
            reason: n - limited.get(reason, 0) for reason, n in condition["limited"].items() if n > limited.get(reason, 0)
        },
        complaints=complaints,
        log=found.log()[log:],
    )


async def settled(found: Victim, patience: float) -> dict[str, Any]:
    """How the server is once nothing of an attack is left, or the patience is at its end."""
    end = time.monotonic() + patience
    condition = found.condition()
    while time.monotonic() < end and condition["now"] != BYSTANDERS_OWN:
        await asyncio.sleep(0.05)
        condition = found.condition()
    return condition


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--engine", choices=["ngh2", "h2", "stock"], default="ngh2")
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--addresses", type=int, default=1, help="of the attacker; 8 is harder")
    parser.add_argument("--settle", type=float, default=10, help="seconds in which memory must come back")
    parser.add_argument("--rate", type=float, default=200, help="calls of the bystander in a second")
    return parser.parse_args()


async def alone(options: argparse.Namespace, pool: ProcessPoolExecutor, name: str) -> Outcome:
    """One attack on a server of its own."""
    with victim(options.engine, per_second=options.rate, pin=True) as found:
        found.seen()
        await asyncio.sleep(QUIET_SECONDS)
        quiet = found.seen()
        result = await outcome(
            found, pool, name, quiet=quiet, target=found.target(1, options.seconds, addresses=options.addresses)
        )
        await asyncio.sleep(options.settle)
        return dataclasses.replace(result, memory=(*result.memory[:2], found.condition()["rss"]))


async def main() -> int:
    """Prints a row for each attack, and what each missed."""
    options, criteria = arguments(), Criteria()
    print(
        "| attack | p50 before, ms | during | longest | turn | errors | MB before → most → after | limited | |\n"
        + "|---" * 9
        + "|"
    )
    missed: dict[str, list[str]] = {}
    with attacker(pin=True) as pool:
        for name in options.only:
            try:
                result = await alone(options, pool, name)
            except TimeoutError:
                print(f"| {name} |" + " |" * 7 + " stuck |", flush=True)
                missed[name] = ["the server answers nobody any more"]
                continue
            print(result.row(criteria), flush=True)
            missed[name] = result.missed(criteria)
    for name, texts in missed.items():
        for text in texts:
            print(f"\n{name}: {text}")
    return 1 if any(missed.values()) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
