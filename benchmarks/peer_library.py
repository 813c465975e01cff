"""Calls the SQLiteSession of openai-agents as ``peers.py`` asks for it; runs in an environment where stigmer is not.

Reads lines ``OPERATION SECONDS`` and answers each with ``[calls a second, median in microseconds]``.
"""

import asyncio
import itertools
import json
import random
import sqlite3
import sys
import time

from agents import SQLiteSession

PATH, COUNT, IN_FLIGHT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ITEM = {"role": "user", "content": "Fix the build", "agent": "ain-7", "team": "search", "locale": "en"}
NUMBERS = itertools.count()


async def create() -> None:
    """A session comes to be with its first item."""
    session = SQLiteSession(f"s{next(NUMBERS)}", PATH)
    await session.add_items([ITEM])
    session.close()


async def get() -> None:
    """All items of a session."""
    session = SQLiteSession(f"s{random.randrange(COUNT)}", PATH)
    assert await session.get_items()
    session.close()


async def page() -> None:
    """There is no list of sessions: what somebody would write who needs one."""

    def read() -> None:
        with sqlite3.connect(PATH) as connection:
            assert connection.execute("SELECT * FROM agent_sessions ORDER BY created_at LIMIT 50").fetchall()
            assert connection.execute("SELECT COUNT(*) FROM agent_sessions").fetchall()
        connection.close()

    await asyncio.to_thread(read)


async def repeat(call, seconds: float, count: int) -> tuple[float, float]:
    """Keeps so many calls under way."""
    took, began, left = [], time.perf_counter(), count

    async def caller() -> None:
        nonlocal left
        while left > 0 and time.perf_counter() < began + seconds:
            left -= 1
            sent = time.perf_counter()
            await call()
            took.append(time.perf_counter() - sent)

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return len(took) / (time.perf_counter() - began), sorted(took)[len(took) // 2] * 1e6


def main() -> None:
    """Answers line by line."""
    calls = {"create": create, "get": get, "page": page}
    for line in sys.stdin:
        name, seconds = line.split()
        run = repeat(create, 1e9, COUNT) if name == "fill" else repeat(calls[name], float(seconds), 2**62)
        print(json.dumps(asyncio.run(run)), flush=True)


if __name__ == "__main__":
    main()
