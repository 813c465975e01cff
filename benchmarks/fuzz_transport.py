"""Fuzzes the bytes that the transport reads; exits with 1, and names the bytes, when it breaks, hangs or keeps anything.

    python benchmarks/fuzz_transport.py [--engine ngh2|h2] [--runs 1000000]
    python benchmarks/fuzz_transport.py [--engine ngh2|h2] --sockets 60000

The first is guided by coverage where atheris is installed, and holds conversations without sockets in this process; the second
makes connections to a server in another. Both begin with the conversations of ``fuzz_corpus``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GUIDED = importlib.util.find_spec("atheris") is not None
INSTRUMENTED = ["stigmer.transport", "h2", "hpack", "hyperframe"]
MOST_BYTES = 4096
FRAMEWISE = 0.8
"""Of the mutations; the others are libFuzzer's own."""
SLOW_SECONDS = 20


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=["ngh2", "h2"], default="ngh2")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--sockets", type=int, default=0, help="connections to make, instead of runs in this process")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--artifacts", default="build", help="folder for conversations that break the server")
    return parser.parse_args()


def instrumented() -> Any:
    """While it lasts, what is imported is imported so that its coverage guides."""
    if not GUIDED:
        return contextlib.nullcontext()
    import atheris  # noqa: PLC0415 - it need not be there

    return atheris.instrument_imports(include=INSTRUMENTED)


class Subject:
    """Conversations, one after the other, in a loop of its own."""

    def __init__(self, engine: str) -> None:
        with instrumented():
            from byte_path import BytePath  # noqa: PLC0415 - only now that imports are instrumented

            self._loop = asyncio.new_event_loop()
            self._path = self._loop.run_until_complete(self._made(BytePath, engine))

    async def _made(self, make: Any, engine: str) -> Any:
        return make(engine)

    def __call__(self, conversation: bytes) -> None:
        """Holds it; raises when the server does what it never should."""
        self._loop.run_until_complete(self._path.converse(conversation))


def guided(options: argparse.Namespace, subject: Subject) -> None:
    """Lets libFuzzer choose what to mutate; ends the process."""
    import atheris  # noqa: PLC0415 - it need not be there
    from fuzz_corpus import corpus  # noqa: PLC0415 - likewise
    from wire_mutations import mutated  # noqa: PLC0415 - likewise

    seeds = list(corpus().values())
    Path(options.artifacts).mkdir(exist_ok=True)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() > FRAMEWISE:
            return atheris.Mutate(data, most)
        return mutated(data, chance, seeds, most=most)

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        flags = {
            "runs": options.runs,
            "seed": options.seed,
            "max_len": MOST_BYTES,
            "timeout": SLOW_SECONDS,
            "artifact_prefix": f"{options.artifacts}/",
        }
        arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in flags.items()), folder]
        atheris.Setup(arguments, subject, custom_mutator=mutate)
        atheris.Fuzz()


def blind(options: argparse.Namespace, subject: Subject) -> None:
    """Mutates at random."""
    from fuzz_corpus import corpus  # noqa: PLC0415 - after what is instrumented
    from wire_mutations import mutated  # noqa: PLC0415 - likewise

    chance, seeds = random.Random(options.seed), list(corpus().values())
    for _ in range(options.runs):
        conversation = mutated(chance.choice(seeds), chance, seeds, most=MOST_BYTES)
        try:
            subject(conversation)
        except BaseException:
            print(f"broken by {conversation.hex()}", file=sys.stderr)
            raise


async def over_sockets(options: argparse.Namespace) -> bool:
    """Makes mutated connections, four at a time; whether the server and its bystander are well afterwards."""
    from attacks import BYSTANDERS_OWN, settled  # noqa: PLC0415 - only this way of fuzzing needs a server
    from fuzz_sockets import Fuzzer  # noqa: PLC0415 - likewise
    from victim import HOST, victim  # noqa: PLC0415 - likewise

    # The fuzzer breaks rules all the time, and must be let in all the same.
    limits = {"offences_burst": 2**31, "connects_burst": 2**31}
    with victim(options.engine, limits=limits) as found:
        fuzzers = [Fuzzer(HOST, found.port, random.Random(options.seed + number)) for number in range(4)]
        left = iter(range(options.sockets))

        async def fuzz(fuzzer: Fuzzer) -> None:
            for _ in left:
                await fuzzer.connection()

        before = await settled(found, SLOW_SECONDS)
        await asyncio.gather(*map(fuzz, fuzzers))
        after, seen, log = await settled(found, SLOW_SECONDS), found.seen(), found.log()
    print(f"before: {before}\nafter: {after}\nthe bystander: {seen}\n{log}")
    return after["now"] == BYSTANDERS_OWN and not seen.errors and "Traceback" not in log


def main() -> int:
    """Takes the command line."""
    options = parsed()
    began = time.monotonic()
    print(f"engine {options.engine}, seed {options.seed}, {'guided by coverage' if GUIDED else 'blind'}", flush=True)
    if options.sockets:
        well = asyncio.run(over_sockets(options))
    else:
        (guided if GUIDED else blind)(options, Subject(options.engine))
        well = True
    print(f"{options.sockets or options.runs} conversations in {time.monotonic() - began:.0f} s")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
