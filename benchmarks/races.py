"""Two processes insert the same slug, 32 times each, in round after round: one insert wins and 63 are told it is taken.

python benchmarks/races.py [--rounds 200]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stigmer.errors import SlugTaken
from stigmer.session.kind import SESSION
from stigmer.store.sqlite import open_sqlite
from stigmer.testing.store import make_stored_session

PROCESSES = 2
EACH = 32


async def racer(path: Path, name: str) -> None:
    """Inserts whenever a round is named on standard input; says how it went."""
    store = await open_sqlite(path, [SESSION])
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        slug = line.strip()
        began = time.perf_counter()
        documents = [make_stored_session(f"ses-{slug}-{name}-{number}", slug=slug) for number in range(EACH)]
        results = await asyncio.gather(*(store.insert(SESSION, each) for each in documents), return_exceptions=True)
        taken = sum(isinstance(result, SlugTaken) for result in results)
        stored = sum(not isinstance(result, BaseException) for result in results)
        print(json.dumps([stored, taken, time.perf_counter() - began]), flush=True)
    problems = await store.check()
    await store.close()
    print(json.dumps(list(problems)), flush=True)


def race(rounds: int) -> bool:
    """Runs the rounds; true when each of them went as it should."""
    with tempfile.TemporaryDirectory() as folder:
        racers = [
            subprocess.Popen(
                [sys.executable, __file__, "--racer", f"{folder}/stigmer.db", str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(PROCESSES)
        ]
        ready = [racer.stdout.readline().strip() == "ready" for racer in racers]
        right, longest = 0, 0.0
        for number in range(rounds):
            for each in racers:
                each.stdin.write(f"round-{number}\n")
                each.stdin.flush()
            results = [json.loads(each.stdout.readline()) for each in racers]
            right += (
                sum(stored for stored, _, _ in results) == 1 and sum(taken for _, taken, _ in results) == PROCESSES * EACH - 1
            )
            longest = max(longest, *(seconds for _, _, seconds in results))
        problems = []
        for each in racers:
            each.stdin.close()
            problems += json.loads(each.stdout.readline())
            each.wait()
            each.stdout.close()
    print(f"{rounds} rounds, {right} with one winner and 63 told so, longest {longest * 1000:.0f} ms, problems: {problems}")
    return all(ready) and right == rounds and not problems


def main() -> int:
    """Takes the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--racer", nargs=2)
    arguments = parser.parse_args()
    if arguments.racer:
        asyncio.run(racer(Path(arguments.racer[0]), arguments.racer[1]))
        return 0
    return 0 if race(arguments.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
