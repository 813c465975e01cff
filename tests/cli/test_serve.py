"""``stigmer serve`` as people and supervisors run it."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from stigmer.settings import Settings

MEMORY = ("serve", "--store", "memory:", "--listen", "127.0.0.1:0")
SERVING = "stigmer is serving on "

SLOW = """
    import asyncio, pathlib
    from stigmer import before, hookimpl

    class Nap:
        name = "Nap"
        async def __call__(self, ctx):
            pathlib.Path("entered").touch()
            while not pathlib.Path("leave").exists():
                await asyncio.sleep(0.01)

    @hookimpl
    def contribute_steps(op):
        if op.verb == "list":
            yield before("ListAll", Nap())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(child, run, number):
    """It says where it serves, answers, and on SIGTERM or SIGINT stops with exit code 0."""
    serve = child(*MEMORY)
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    assert run("session", "list", "--server", address).exit_code == 0
    serve.process.send_signal(number)
    assert serve.end() == 0
    assert serve.said.endswith("stigmer has stopped\n")
    assert run("session", "list", "--server", address).exit_code == 69


def test_calls_in_flight_are_finished(child, installed, tmp_path):
    """A call that runs when SIGTERM comes is answered; further signals change nothing."""
    serve = child(*MEMORY, "--plugins", installed("slow", SLOW))
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    call = child("session", "list", "--json", "--server", address)
    _wait_until((tmp_path / "entered").exists)
    serve.process.terminate()
    serve.wait_for("stigmer is stopping: calls in flight have 30 s to finish")
    serve.process.terminate()
    serve.process.send_signal(signal.SIGINT)
    (tmp_path / "leave").touch()
    assert call.process.stdout.read() == '{"entries":[],"nextPageToken":"","totalPages":0,"totalCount":"0"}\n'
    assert call.end() == 0
    assert serve.end() == 0


def test_calls_that_outlast_the_drain_are_given_up(child, installed, tmp_path):
    """After --drain-seconds it stops all the same, with exit code 0."""
    serve = child(*MEMORY, "--plugins", installed("slow", SLOW), "--drain-seconds", "0.2")
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    call = child("session", "list", "--server", address)
    _wait_until((tmp_path / "entered").exists)
    serve.process.terminate()
    assert serve.end() == 0
    assert call.end() in {1, 69}


def _wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_flags_win_over_variables(child):
    """An option beats its variable; a variable counts where there is no option."""
    serve = child("serve", "--listen", "127.0.0.1:0", STIGMER_LISTEN="nonsense", STIGMER_STORE="memory:", STIGMER_LOG="off")
    assert serve.wait_for("store ").startswith("stigmer ")
    assert "store memory:, plugins none" in serve.said
    assert serve.wait_for(SERVING).startswith(f"{SERVING}127.0.0.1:")
    serve.process.terminate()
    assert serve.end() == 0


def test_every_setting_is_an_option(run):
    """Each field of the settings is an option that names its variable."""
    shown = " ".join(run("serve", "--help").stdout.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')} " in shown
        assert f"Variable STIGMER_{name.upper()};" in shown
        assert field.description in shown


@pytest.mark.parametrize(
    ("flag", "value", "text"),
    [
        ("--listen", "nowhere", "--listen (STIGMER_LISTEN): 'nowhere' is not HOST:PORT"),
        ("--log", "xml", "--log (STIGMER_LOG): Input should be 'plain', 'json' or 'off'"),
        ("--log-level", "loud", "--log-level (STIGMER_LOG_LEVEL): is none of TRACE"),
        ("--drain-seconds", "-1", "--drain-seconds (STIGMER_DRAIN_SECONDS): Input should be greater than or equal to 0"),
        ("--drain-seconds", "soon", "--drain-seconds (STIGMER_DRAIN_SECONDS): Input should be a valid number"),
        ("--max-message-bytes", "9", "--max-message-bytes (STIGMER_MAX_MESSAGE_BYTES): Input should be greater"),
        ("--plugins", "session", "plugin 'session' is built in and always on; do not name it"),
        ("--store", "mongodb://x", "a store of the scheme 'mongodb' is opened by no plugin"),
    ],
)
def test_bad_configuration_is_one_line_and_78(run, flag, value, text):
    """A refused setting ends with one line that names it, whether it comes from an option or a variable."""
    variable = f"STIGMER_{flag[2:].replace('-', '_').upper()}"
    for result in (
        run("serve", *([] if flag == "--store" else ["--store", "memory:"]), flag, value),
        run("serve", *([] if flag == "--store" else ["--store", "memory:"]), **{variable: value}),
    ):
        assert result.exit_code == 78
        assert result.stderr.splitlines()[-1].startswith(f"error: {text}")
        assert "Traceback" not in result.stderr


def test_an_address_in_use_is_78(run):
    """An address that somebody else listens on is refused."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--store", "memory:", "--listen", f"127.0.0.1:{port}")
    assert result.exit_code == 78
    assert result.stderr.splitlines()[-1].startswith(f"error: cannot listen on 127.0.0.1:{port}: ")


def test_passwords_in_the_store_url_are_not_printed(run):
    """What it says about its store leaves the password out."""
    result = run("serve", "--store", "postgresql://ada:secret@db/stigmer")
    assert "store postgresql://ada:***@db/stigmer" in result.stderr
    assert "secret" not in result.stderr
