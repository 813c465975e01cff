"""What large messages took is given back once they are gone, and nothing is looked for in vain for long."""

import ctypes
import subprocess
import sys

import pytest

from stigmer.transport.memory import Memory, resident, trimmer

MB = 1_000_000


class Process:
    """One whose memory is what the test says, and of which a trim frees what it is told to."""

    def __init__(self, size):
        self.size = size
        self.free = 0
        self.trims = 0
        self.memory = Memory(lambda: self.size, self.trim)

    def trim(self):
        self.trims += 1
        self.size -= self.free
        self.free = 0

    def tick(self, size=None, *, free=0, busy=False, times=1):
        self.size, self.free = size or self.size, free
        for _ in range(times):
            self.memory.tick(busy=busy)
        return self.trims


def test_what_is_free_is_given_back():
    """A process that has grown gives back what it does not need any more, once nothing large is in flight."""
    process = Process(60 * MB)
    assert process.tick() == 0
    assert process.tick(160 * MB, free=90 * MB, busy=True) == 0
    assert process.tick(160 * MB, free=90 * MB) == 1
    assert process.size == 70 * MB
    assert process.tick(64 * MB) == 1
    assert process.tick(120 * MB, free=50 * MB) == 2


def test_a_little_more_is_not_worth_it():
    """A few megabytes more than at the smallest are left alone, however often they come."""
    process = Process(60 * MB)
    process.tick()
    for _ in range(5):
        assert process.tick(65 * MB) == 0
        assert process.tick(58 * MB) == 0
    assert process.tick(68 * MB) == 1


def test_what_stays_is_looked_for_ever_less():
    """Growth that remains, as that of a cache, is looked at after twice as long each time; new growth at once."""
    process = Process(60 * MB)
    process.tick()
    assert process.tick(100 * MB, times=127) == 7  # after 1, 2, 4, 8, 16, 32 and 64 ticks
    assert process.tick(times=640) == 17
    assert process.tick(140 * MB, free=38 * MB) == 18
    assert process.size == 102 * MB
    assert process.tick() == 19


def test_what_is_let_go_late_is_given_back_too():
    """Memory that was in use when it was looked for first is found later."""
    process = Process(60 * MB)
    process.tick()
    process.tick(100 * MB, times=30)
    assert process.tick(100 * MB, free=38 * MB, times=64) > 0
    assert process.size == 62 * MB


def test_the_system_tells_how_much_there_is():
    """On Linux a process knows its own size; elsewhere it is 0, and nothing is ever trimmed."""
    assert (resident() > MB) is (sys.platform == "linux")
    process = Process(0)
    assert process.tick(times=10) == 0


def test_without_the_c_librarys_help(monkeypatch):
    """Where there is no such function, to trim does nothing."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    trimmer()()


_FREED = """
from stigmer.transport.memory import resident, trimmer
before = resident()
blocks = [bytearray(50_000) for _ in range(2000)]
for block in blocks:
    block[:] = b"x" * 50_000
del blocks[:-1]
kept = resident() - before
trimmer()()
print(kept, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_glibc_gives_back_what_is_free():
    """A hundred megabytes that were freed below a block that is in use go back to the system."""
    out = subprocess.run([sys.executable, "-c", _FREED], capture_output=True, text=True, check=True).stdout
    kept, left = map(int, out.split())
    assert left < 20 * MB < kept
