"""API keys: made, taken, revoked and ended, by a running server, by commands and by several processes."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from stigmer_identity.api_key import PREFIX, digest, id_of, mint
from stigmer_identity.expiry import moment
from stigmer_identity.key_file import KeyFile
from stigmer_identity.key_ring import LOOK_EVERY, KeyRing
from stigmer_identity.presented import Presented

from stigmer import Caller, CallInfo, ConfigurationError, Unauthenticated, Unavailable


@pytest.fixture
def key_settings(key_file):
    """Settings for API keys."""
    return {"keys": key_file.path}


async def refused(call, *arguments, **options):
    """The text of the refusal."""
    with pytest.raises(Unauthenticated) as caught:
        await call(*arguments, **options)
    return caught.value.text


async def test_either_header(calls, key_settings, new_key):
    """A key is taken as a bearer's credential and in ``x-api-key``; its caller has the key's roles."""
    text = new_key("ida-bot", roles=("a", "b"))
    call = await calls(**key_settings)
    expected = Caller("ida-bot", frozenset({"a", "b"}))
    assert await call(text) == await call(metadata={"x-api-key": text}) == expected


async def test_bad_keys(calls, key_settings, new_key):
    """Whatever is wrong with a key, the answer is the same."""
    good, other = new_key(), new_key()
    call = await calls(**key_settings)
    wrong_secret = good.rpartition("_")[0] + "_" + other.rpartition("_")[2]
    bad = [
        wrong_secret,
        good[:-1],
        good + "a",
        good.upper(),
        good.removeprefix(PREFIX),
        mint().text,
        PREFIX,
        "__",
        "x",
        "a.b.c",
    ]
    for text in bad:
        assert await refused(call, text) == "credentials are invalid"
        assert await refused(call, metadata={"x-api-key": text}) == "credentials are invalid"
    assert await refused(call, metadata={"x-api-key": ""}) == "credentials are invalid"
    assert await refused(call) == "credentials are missing"
    twice = MultiDict([("x-api-key", good), ("x-api-key", good)])
    assert await refused(call.authenticate, CallInfo(metadata=twice)) == "credentials are invalid"
    assert await refused(call, good, metadata={"x-api-key": good}) == "credentials are invalid"
    assert await refused(call, metadata={"x-api-key": good + "x" * 9000}) == "credentials are invalid"


async def test_an_end(calls, key_settings, new_key):
    """A key is good until just before its end."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    text = new_key(expires_at=ends)
    now = [ends.timestamp() - 0.001]
    call = await calls(lambda: now[0], **key_settings)
    assert (await call(text)).id == "ida-bot"
    now[0] = ends.timestamp()
    assert await refused(call, text) == "credentials have expired"


async def test_changes_while_the_server_runs(key_file, new_key, revoke):
    """Keys made and revoked are noticed a quarter of a second later, also the first one, before which there was no file."""
    now = [0.0]
    ring = KeyRing(key_file, monotonic=lambda: now[0])
    await ring.start()
    brought = Presented(key=new_key())
    now[0] += LOOK_EVERY
    assert (await ring.caller(brought)).id == "ida-bot"
    revoke(brought.key)
    now[0] += LOOK_EVERY
    with pytest.raises(Unauthenticated):
        await ring.caller(brought)
    assert LOOK_EVERY <= 0.25


async def test_changes_within_a_tick_of_the_clock(key_file, new_key, revoke, monkeypatch):
    """A change that leaves size and times of the file as they were is noticed too."""
    text, changed = new_key(), time.time_ns()
    now = [0.0]
    monkeypatch.setattr(KeyRing, "_signature", lambda _: (1, changed, 1, 1))
    ring = KeyRing(key_file, monotonic=lambda: now[0])
    await ring.start()
    assert (await ring.caller(Presented(key=text))).id == "ida-bot"
    revoke(text)
    now[0] = 1.0
    with pytest.raises(Unauthenticated):
        await ring.caller(Presented(key=text))


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 2, "keys": []}', '{"version": 1, "keys": [{}]}', "\x00"])
async def test_a_damaged_file_admits_nobody(calls, key_settings, key_file, *, new_key, damage, eventually):
    """While the file cannot be read no key is taken: it may have been revoked. A whole file heals it."""
    text = new_key()
    whole = key_file.path.read_text()
    call = await calls(**key_settings)
    key_file.path.write_text(damage)

    async def answer(expected):
        try:
            found = (await call(text)).id
        except (Unauthenticated, Unavailable) as error:
            found = "Unavailable" if isinstance(error, Unavailable) else "Unauthenticated"
        return found == expected

    await eventually(lambda: answer("Unavailable"))
    key_file.path.write_text(whole)
    await eventually(lambda: answer("ida-bot"))
    key_file.path.unlink()
    await eventually(lambda: answer("Unauthenticated"))


@pytest.mark.parametrize("damage", ["", "[]", '{"version": 1, "keys": [{"id": "secret-text"}]}'])
async def test_a_damaged_file_refuses_the_start(calls, key_settings, key_file, damage):
    """The start is refused in one line that quotes nothing."""
    key_file.path.write_text(damage)
    with pytest.raises(ConfigurationError, match=r"keys\.json: is no file of API keys, or damaged$"):
        await calls(**key_settings)


async def test_a_file_that_others_may_write_refuses_the_start(calls, key_settings, key_file, new_key):
    """Whoever may write the file may let himself in."""
    new_key()
    key_file.path.chmod(0o620)
    with pytest.raises(ConfigurationError, match="others may write"):
        await calls(**key_settings)
    key_file.path.chmod(0o444)
    await calls(**key_settings)


def test_the_file_is_for_its_owner_alone(key_file, new_key):
    """The file has mode 0600 whatever the umask, holds no secret, and nothing is left beside it but the lock."""
    old = os.umask(0)
    try:
        text = new_key()
    finally:
        os.umask(old)
    assert stat.S_IMODE(key_file.path.stat().st_mode) == 0o600
    content = key_file.path.read_text()
    assert text not in content
    assert text.rpartition("_")[2] not in content
    assert digest(text).hex() in content
    assert sorted(path.name for path in key_file.path.parent.iterdir()) == ["keys.json", "keys.json.lock"]


def test_a_change_keeps_mode_and_owner(key_file, new_key):
    """A server that could read the file can read it after the next command, whoever runs that."""
    new_key()
    key_file.path.chmod(0o640)
    owner = (12345, 12346) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(key_file.path, *owner)
    new_key()
    found = key_file.path.stat()
    assert (stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)) == (0o640, owner)


async def test_a_key_of_the_server_itself_is_refused(calls, key_settings, new_key):
    """A file that would let somebody be `system` is refused."""
    new_key("system")
    with pytest.raises(ConfigurationError, match=r"API key .*'system' is the server itself"):
        await calls(**key_settings)


async def test_two_keys_of_one_id_are_refused(calls, key_settings, key_file, new_key):
    """Nobody can tell which of the two a revocation meant."""
    new_key()
    key_file.change(lambda there: [*there, *there])
    with pytest.raises(ConfigurationError, match="two keys have one id"):
        await calls(**key_settings)


def test_a_failed_change_leaves_the_file_alone(key_file, new_key, monkeypatch):
    """When a change fails half-way, the file is as it was and nothing is left beside it."""
    new_key()
    before = key_file.path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ConfigurationError, match="No space left"):
        key_file.change(lambda _: [])
    assert key_file.path.read_bytes() == before
    assert len(list(key_file.path.parent.iterdir())) == 2


def test_a_link_stays_a_link(key_file, new_key, tmp_path):
    """A change goes to the file that a link leads to."""
    new_key()
    link = tmp_path / "link.json"
    link.symlink_to(key_file.path)
    KeyFile(link).change(lambda _: [])
    assert link.is_symlink()
    assert key_file.read() == ()


MANY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from stigmer_identity.api_key import ApiKey, mint
from stigmer_identity.key_file import KeyFile
for _ in range(8):
    KeyFile(Path(sys.argv[1])).change(lambda there: [*there, ApiKey.kept(mint(), sys.argv[2], datetime.now(UTC))])
"""


def test_several_processes_lose_nothing(key_file):
    """Of keys that three processes make at once each is there, and at no time is the file half written."""
    running = [subprocess.Popen([sys.executable, "-c", MANY, str(key_file.path), f"ida-{number}"]) for number in range(3)]
    while any(process.poll() is None for process in running):
        key_file.read()
    assert [process.wait() for process in running] == [0, 0, 0]
    callers = [key.caller for key in key_file.read()]
    assert sorted(callers) == sorted(f"ida-{number}" for number in range(3) for _ in range(8))


def test_a_change_holds_the_lock(key_file):
    """While one process changes the keys no other begins to."""
    tried = []

    def change(there):
        other = os.open(key_file.path.with_name("keys.json.lock"), os.O_RDWR)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tried.append("held")
        finally:
            os.close(other)
        return there

    key_file.change(change)
    key_file.change(change)
    assert tried == ["held", "held"]


def test_keys_are_written_alike():
    """A key has the prefix, its public id and 256 random bits; no two are alike."""
    made = [mint() for _ in range(100)]
    assert len({each.text for each in made}) == len({each.id for each in made}) == 100
    for each in made:
        assert id_of(each.text) == each.id
        assert len(each.text.removeprefix(f"{PREFIX}{each.id}_")) * 5 >= 256


@given(st.text())
def test_an_id_is_found_in_keys_only(text):
    """What is not written like a key has no id."""
    found = id_of(text)
    assert found is None or text.startswith(f"{PREFIX}{found}_")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", "2026-01-01T01:30:00+00:00"),
        ("12h", "2026-01-01T12:00:00+00:00"),
        ("30d", "2026-01-31T00:00:00+00:00"),
        ("2w", "2026-01-15T00:00:00+00:00"),
        ("2030-01-31", "2030-01-31T00:00:00+00:00"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T12:00:00+02:00"),
    ],
)
def test_ends(text, expected):
    """An end is a while from now, or a date or time, in UTC unless it says so."""
    assert moment(text, datetime(2026, 1, 1, tzinfo=UTC)).isoformat() == expected


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "soon", "2020-01-01", "999999w", "30 d", "\u0663d"])
def test_no_ends(text):
    """What is neither, or past, is refused with a line that says so."""
    with pytest.raises(ValueError, match=r"^'.*' is (past|neither a while.*)$"):
        moment(text, datetime(2026, 1, 1, tzinfo=UTC))


def test_json_is_what_is_read(key_file, new_key):
    """The file is JSON with a version."""
    new_key()
    content = json.loads(key_file.path.read_text())
    assert (content["version"], len(content["keys"])) == (1, 1)
