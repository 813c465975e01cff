"""Lets commits and checkpoints race, without and with what keeps the log from beginning again meanwhile.

Usage: python benchmarks/checkpoint_race.py [SECONDS]; at most 300 unless told otherwise.

SQLite loses transactions in that race until its version 3.51.3 (https://www.sqlite.org/wal.html#the_wal_reset_bug). Without the
pin it runs until something is lost, but no longer than so many seconds; with it, for as many commits. Exits with 1 when
something is lost although the pin was in.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stigmer.store.sqlite.checkpoints import Pin
from stigmer.store.sqlite.wal_index import WalIndex

_TOGETHER = 500
_OTHERS = 4
_OVER = False
_BLOB = b"x" * 300


class Outcome(NamedTuple):
    """What came of a race."""

    commits: int
    checkpoints: int
    damage: str

    def __str__(self) -> str:
        return f"{self.commits:,} commits, {self.checkpoints:,} checkpoints: {self.damage or 'all is there'}"


class Race:
    """One connection that commits all the time, and another one that makes checkpoints all the time."""

    def __init__(self, path: Path, *, pinned: bool) -> None:
        self._path = path
        self._writing = self._connect()
        self._writing.execute("PRAGMA journal_mode = WAL")
        self._writing.execute("CREATE TABLE meta (one)")
        self._writing.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, value BLOB)")
        self._index = WalIndex(path)
        self._pin = Pin(self._connect(), self._index) if pinned else None
        self._asked = threading.Event()
        self._put_in: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._over = threading.Event()
        self._checkpoints = 0

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma in ("synchronous = OFF", "wal_autocheckpoint = 0"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def run(self, seconds: float, commits: int) -> Outcome:
        """Runs for so long or so many commits, or until something is lost."""
        thread = threading.Thread(target=self._make_checkpoints)
        thread.start()
        deadline = time.monotonic() + seconds
        number, damage = 0, ""
        try:
            while number < commits and time.monotonic() < deadline and not damage:
                for _ in range(_TOGETHER):
                    self._writing.execute("INSERT INTO kept (value) VALUES (?)", (_BLOB,))
                    self._answer()
                number += _TOGETHER
                damage = self._look(number)
        except sqlite3.Error as error:
            damage = str(error)
        self._over.set()
        self._put_in.put(_OVER)
        thread.join()
        return Outcome(number, self._checkpoints, damage)

    def _answer(self) -> None:
        """Between two transactions, as the server's writer does."""
        if self._pin is not None and self._asked.is_set():
            self._asked.clear()
            self._put_in.put(self._pin.put_in())

    def _look(self, number: int) -> str:
        with contextlib.closing(self._connect()) as fresh:
            found = fresh.execute("SELECT COUNT(*) FROM kept").fetchone()[0]
            whole = number % 20_000 or fresh.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        return "" if found == number and whole else f"{number - found} transactions are lost"

    def _make_checkpoints(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            while not self._over.is_set():
                if self._pin is None:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                    self._checkpoints += 1
                    continue
                self._asked.set()
                if self._put_in.get():
                    self._pin.checkpoint(connection)
                    self._checkpoints += 1

    def close(self) -> None:
        """Closes all connections."""
        self._writing.close()
        if self._pin is not None:
            self._pin.close()
        self._index.close()


@contextlib.contextmanager
def racing(*, pinned: bool) -> Iterator[Race]:
    """A race on a file of its own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Race(Path(folder) / "race.db", pinned=pinned)) as race:
        yield race


@contextlib.contextmanager
def busy_machine() -> Iterator[None]:
    """Other processes want the processor too, so that threads are stopped anywhere."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(_OTHERS)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main(seconds: float) -> int:
    """Runs both; gives the exit code."""
    print("SQLite", sqlite3.sqlite_version)
    with busy_machine(), racing(pinned=False) as race:
        without = race.run(seconds, sys.maxsize)
    print("without the pin:", without, flush=True)
    with busy_machine(), racing(pinned=True) as race:
        pinned = race.run(2 * seconds, without.commits)
    print("with the pin:", pinned)
    return int(bool(pinned.damage))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0))
