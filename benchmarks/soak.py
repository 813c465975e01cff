"""Millions of calls of every kind; exits with 1 when one ends as it should not, or the server has grown afterwards.

    python benchmarks/soak.py [--calls 2000000] [--engine ngh2|h2]

Where h2load (of nghttp2) is installed it makes half of the calls, all unary; ``mixed_load`` makes the others.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

from attacked import UNARY
from attacks import BYSTANDERS_OWN, MB, attacker, settled
from mixed_load import load
from raw_http2 import message
from victim import HOST, Victim, victim

CONNECTIONS = 4
WARM_CALLS = 40_000
SAMPLE_SECONDS = 5.0
PATIENCE = 20.0
MOST_OBJECTS, MOST_BYTES = 1000, 10 * MB
EXACT = ("tasks", "descriptors")
"""Of these there must be as many as before."""


def foreign_load(port: int, calls: int) -> list[str]:
    """Unary calls by h2load; what went wrong."""
    if not (h2load := shutil.which("h2load")) or not calls:
        return []
    with tempfile.NamedTemporaryFile() as body:
        body.write(message(b"hello" * 20))
        body.flush()
        fields = ["-H", "te: trailers", "-H", "content-type: application/grpc"]
        command = [h2load, "-n", str(calls), "-c", str(CONNECTIONS), "-m", "32", *fields, "-d", body.name]
        ran = subprocess.run([*command, f"http://{HOST}:{port}{UNARY}"], capture_output=True, text=True, check=False)
    succeeded = re.search(r"(\d+) succeeded", ran.stdout)
    return [] if succeeded and int(succeeded[1]) == calls else [f"h2load: {ran.stdout[-1000:]}{ran.stderr[-1000:]}"]


def grown(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What there is more of than there should be."""
    wrong = {
        f"{after['objects'] - before['objects']} objects more": after["objects"] > before["objects"] + MOST_OBJECTS,
        f"{(after['rss'] - before['rss']) / MB:.1f} MB more": after["rss"] > before["rss"] + MOST_BYTES,
        f"left: {after['now']}": after["now"] != BYSTANDERS_OWN,
    }
    wrong |= {f"{name}: {before[name]} before, {after[name]} after": before[name] != after[name] for name in EXACT}
    return [text for text, is_wrong in wrong.items() if is_wrong]


async def sample(found: Victim, began: float) -> None:
    """Prints how the server is, every few seconds."""
    while True:
        condition = await asyncio.to_thread(found.condition)
        numbers = [condition["rss"] // MB, condition["tasks"], condition["descriptors"], condition["objects"]]
        print(f"| {time.monotonic() - began:.0f} | " + " | ".join(map(str, numbers)) + " |", flush=True)
        await asyncio.sleep(SAMPLE_SECONDS)


async def soak(found: Victim, calls: int, seed: int) -> list[str]:
    """Makes the calls, after some to get warm; what went wrong."""
    foreign = calls // 2 if shutil.which("h2load") else 0
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with attacker(pin=True) as pool:
        await loop.run_in_executor(pool, load, found.target(1, 0), WARM_CALLS, CONNECTIONS, seed)
        before = await settled(found, PATIENCE)
        print("| seconds | MB | tasks | descriptors | objects |\n|---|---|---|---|---|")
        sampling = asyncio.create_task(sample(found, began))
        done, wrong = await loop.run_in_executor(pool, load, found.target(1, 0), calls - foreign, CONNECTIONS, seed + 1)
        wrong += await asyncio.to_thread(foreign_load, found.port, foreign)
        sampling.cancel()
        after = await settled(found, PATIENCE)
    print(f"{done}, {foreign} by h2load, in {time.monotonic() - began:.0f} s\nbefore: {before}\nafter: {after}")
    return wrong + grown(before, after)


async def main() -> int:
    """Takes the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2_000_000)
    parser.add_argument("--engine", choices=["ngh2", "h2"], default="ngh2")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    options = parser.parse_args()
    with victim(options.engine, pin=True) as found:
        wrong = await soak(found, options.calls, options.seed)
        seen, log = found.seen(), found.log()
    wrong += seen.errors + ([log] if "Traceback" in log else [])
    print(f"the bystander: {seen}", *wrong[:20], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
