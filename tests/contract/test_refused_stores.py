"""A store file that is not sound, or not ours, is refused at start with one clear line, and left as it is."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file below ``folder`` with its content; None for a folder. The empty file that starting servers lock is none."""
    paths = [path for path in sorted(folder.rglob("*")) if not path.name.endswith("-lock") or path.stat().st_size]
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in paths}


@pytest.fixture
async def sound(served, a_session, tmp_path_factory) -> Path:
    """A store file of ours with a few sessions in it, closed."""
    path = tmp_path_factory.mktemp("sound") / "sound.db"
    wire = await served(store=f"sqlite:///{path}")
    for number in range(20):
        await wire.create(a_session(f"n{number}"))
    await wire.app.stop()
    return path


def empty(path, _):
    path.touch()


def text(path, _):
    path.write_text("dear diary\n" * 1000)


def foreign(path, _):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE session (id TEXT)")
    database.close()


def truncated(path, sound):
    path.write_bytes(sound.read_bytes()[: sound.stat().st_size // 2])


def header_only(path, sound):
    path.write_bytes(sound.read_bytes()[:100])


def newer(path, sound):
    shutil.copy(sound, path)
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA user_version = 1000000")
    database.close()


def damaged(path, sound):
    data = bytearray(sound.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 200] = b"\xa5" * 200
    path.write_bytes(data)


def directory(path, _):
    path.mkdir()


CASES = [empty, text, foreign, truncated, header_only, newer, damaged, directory]


async def refusal(server, path) -> str:
    """The one line in which the server says why it does not start."""
    code, lines = await server.ended()
    errors = [line for line in lines if line.startswith("error: ")]
    assert (code, len(errors)) == (78, 1), lines
    assert str(path) in errors[0]
    assert not [line for line in lines if "Traceback" in line or "serving" in line]
    return errors[0]


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
async def test_refused(process, sound, tmp_path, make):
    """Exit code 78, one line that names the file, nothing on disk changed."""
    path = tmp_path / "the-store.db"
    make(path, sound)
    before = snapshot(tmp_path)
    await refusal(await process("--store", f"sqlite:///{path}"), path)
    assert snapshot(tmp_path) == before


async def test_read_only_file(process, sound, tmp_path):
    """A file that may only be read is refused; nothing is written beside it."""
    path = tmp_path / "the-store.db"
    shutil.copy(sound, path)
    path.chmod(0o444)
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root may write anything, until it gives that up
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv cannot give up its right to write everything")
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    before = snapshot(tmp_path)
    await refusal(await process("--store", f"sqlite:///{path}", prefix=prefix), path)
    assert snapshot(tmp_path) == before


async def test_refused_in_process(served, sound, tmp_path):
    """The refusal is the same for whoever starts the server as a library: ConfigurationError that names the file."""
    from stigmer import ConfigurationError

    for make in CASES:
        path = tmp_path / f"{make.__name__}.db"
        make(path, sound)
        before = snapshot(tmp_path)
        with pytest.raises(ConfigurationError, match=make.__name__) as caught:
            await served(store=f"sqlite:///{path}")
        assert "\n" not in str(caught.value)
        assert snapshot(tmp_path) == before


async def test_missing_folder_is_made(process, connect, a_session, tmp_path):
    """A store that is not there yet is made, with the folders on the way."""
    path = tmp_path / "a" / "b" / "new.db"
    server = await process("--store", f"sqlite:///{path}")
    async with connect(await server.address()) as wire:
        await wire.create(a_session())
    assert path.stat().st_size > 0


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:", "", "memory:x", "/a/path.db"])
async def test_url_that_names_no_store(process, url):
    """A URL that no plugin knows is refused as configuration, in one line."""
    code, lines = await (await process("--store", url)).ended()
    assert code == 78
    assert len([line for line in lines if line.startswith("error: ")]) == 1
