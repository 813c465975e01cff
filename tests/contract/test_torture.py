"""Servers are killed at named points and at random, under load; what clients have seen is checked by porcupine.

``nox -s torture -- kills linear`` does it a thousand times.
"""

from __future__ import annotations

import os
import random
import shutil

import failpoint_kills
import failpoints
import linear
import pytest
from histories import History, Operation


@pytest.fixture(scope="session")
def checker(tmp_path_factory):
    """Porcupine. Without Go a test is skipped; in continuous integration it fails."""
    if shutil.which("go") is None:
        reason = "Go is not installed, and porcupine needs it"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return linear.Checker.build(tmp_path_factory.mktemp("porcupine"))


@pytest.fixture
def seed():
    """Shown when a test fails."""
    return random.randrange(2**32)


@pytest.mark.parametrize("part", range(2))
async def test_a_killed_server_has_lost_nothing(checker, seed, part):
    """Killed ten times under load it starts within two seconds, is sound, has what it acknowledged and has published it all."""
    wrong, rounds = await failpoint_kills.kills(10, seed, checker)
    slow = [each for each in wrong if "started in" in each]  # a machine that runs other tests besides may be slower
    assert (part, seed, wrong) == (part, seed, slow)
    assert all(each.seconds < 5 * failpoint_kills.START_SECONDS for each in rounds)


async def test_two_processes_are_one_store(checker, seed, tmp_path):
    """With two processes, kills and answers that never come, what clients see is linearizable."""
    assert (seed, checker.wrong(await linear.history_of_kills(seed, lives=2), tmp_path / "history")) == (seed, "")


async def test_a_naive_store_is_found_out(checker, seed, tmp_path):
    """One that looks and then writes is not: the check can fail."""
    for number in range(10):  # a machine that is busy may leave clients little time to meet
        if "not linearizable" in checker.wrong(await linear.history_of_the_naive(seed + number), tmp_path / "history"):
            return
    pytest.fail(f"ten histories passed, from seed {seed} on")


def test_there_is_a_point_around_every_step():
    """And around transactions, syncs and what is sent."""
    points = failpoints.points()
    assert {"before create Persist", "after delete DeleteResource", "before transaction", "after sending"} <= set(points)
    assert len(points) > 40


WRITTEN = Operation("a", 1, "create", token="1", call=1, result="ok", got_id="ses-1", returned=2)
BAD = {
    "a lost write": Operation("a", 2, "get", call=3, result="missing", returned=4),
    "a second create": Operation("a", 2, "create", token="2", call=3, result="ok", got_id="ses-2", returned=4),
    "a stale read": Operation("a", 2, "get", call=3, result="ok", got_id="ses-1", got="0", returned=4),
    "an update of what is not there": Operation("b", 2, "update", id="ses-9", token="2", call=3, result="ok", returned=4),
    "a conflict without reason": Operation("b", 2, "create", token="2", call=3, result="exists", returned=4),
}
GOOD = {
    "a read": Operation("a", 2, "get", call=3, result="ok", got_id="ses-1", got="1", returned=4),
    "a conflict": Operation("a", 2, "create", token="2", call=3, result="exists", returned=4),
    "a read at the same time": Operation("a", 2, "get", call=1, result="missing", returned=2),
    "an unknown end": Operation("a", 2, "delete", id="ses-1", call=3, result="unknown", returned=4),
}


@pytest.mark.parametrize(("operation", "good"), [*((o, False) for o in BAD.values()), *((o, True) for o in GOOD.values())])
def test_the_model_knows_what_can_happen(checker, tmp_path, operation, good):
    """Histories of two operations, some of which cannot be."""
    history = History(1)
    history.operations = [WRITTEN, operation]
    assert (checker.wrong(history, tmp_path / "history") == "") is good
