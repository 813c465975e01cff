"""``stigmer serve`` as people and supervisors run it."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from stigmer.settings import Settings
from stigmer.testing.certificates import Authority

MEMORY = ("serve", "--store", "memory:", "--listen", "127.0.0.1:0")
SERVING = "stigmer is serving on "


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


def test_calls_in_flight_are_finished(child, slow, tmp_path):
    """A call that runs when SIGTERM comes is answered; further signals change nothing."""
    serve = child(*MEMORY, "--plugins", slow)
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


def test_calls_that_outlast_the_drain_are_given_up(child, slow, tmp_path):
    """After --drain-seconds it stops all the same, with exit code 0."""
    serve = child(*MEMORY, "--plugins", slow, "--drain-seconds", "0.2")
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    call = child("session", "list", "--server", address)
    _wait_until((tmp_path / "entered").exists)
    serve.process.terminate()
    assert serve.end() == 0
    assert call.end() in {1, 69}


@pytest.mark.skipif(not Path("/proc").exists(), reason="the limits of a process are read from /proc")
@pytest.mark.parametrize(("most", "allowed"), [(4096, 1700), (900, 900)])
def test_as_many_files_can_be_open_as_connections_need(child, most, allowed):
    """It raises its own limit of open files to that, as far as it may, and says when it may not."""
    serve = child(*MEMORY, under=("sh", "-c", f'ulimit -n {most}; ulimit -Sn 256; exec "$@"', "sh"))
    serve.wait_for(SERVING)
    limits = Path(f"/proc/{serve.process.pid}/limits").read_text()
    assert re.search(r"Max open files +(\d+)", limits)[1] == str(allowed)
    serve.process.terminate()
    assert serve.end() == 0
    assert ("files can be open at most" in serve.said) is (allowed == most)


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
        flag, variable = ("limit", "s STIGMER_LIMIT_<NAME>.") if name == "limits" else (name, f" STIGMER_{name.upper()};")
        assert f"--{flag.replace('_', '-')} " in shown
        assert f"Variable{variable}" in shown
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
        ("--workers", "0", "--workers (STIGMER_WORKERS): Input should be greater than or equal to 1"),
        ("--tls-key", "key.pem", "--tls-key (STIGMER_TLS_KEY): means nothing without tls_certificate"),
        ("--tls-certificate", "none.pem", "tls_certificate none.pem: No such file or directory"),
        ("--listen", "unix:none/s.sock", "cannot listen on unix:none/s.sock: No such file or directory"),
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


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("streams=many", "--limit streams (STIGMER_LIMIT_STREAMS): Input should be a valid integer"),
        ("streams=0", "--limit NAME=VALUE (STIGMER_LIMIT_<NAME>): streams must be positive"),
        ("streems=5", "--limit NAME=VALUE (STIGMER_LIMIT_<NAME>): there is no limit 'streems'; did you mean 'streams'?"),
    ],
)
def test_bad_limits_are_one_line_and_78(run, limit, text):
    """A refused limit ends with one line that names it, whether it comes from an option or a variable."""
    name, _, value = limit.partition("=")
    for result in (
        run("serve", "--store", "memory:", "--limit", limit),
        run("serve", "--store", "memory:", **{f"STIGMER_LIMIT_{name.upper()}": value}),
    ):
        assert result.exit_code == 78
        assert result.stderr.startswith(f"error: {text}")
        assert result.stderr.count("\n") == 1


def test_a_limit_without_a_value(run):
    """A limit is written NAME=VALUE."""
    result = run("serve", "--store", "memory:", "--limit", "streams")
    assert (result.exit_code, result.stderr) == (78, "error: --limit: 'streams' is not NAME=VALUE\n")


def test_limits_are_kept(child):
    """What --limit says holds; it wins over the variable."""
    serve = child(*MEMORY, "--limit", "connections=1", "--limit", "idle-seconds=9", STIGMER_LIMIT_CONNECTIONS="500")
    host, port = serve.wait_for(SERVING).removeprefix(SERVING).split(":")
    with socket.create_connection((host, int(port))) as first, socket.create_connection((host, int(port))) as second:
        first.settimeout(10)
        second.settimeout(10)
        assert first.recv(9)[3:4] == b"\x04", "a server begins with SETTINGS"
        assert not _received(second)
    serve.process.terminate()
    assert serve.end() == 0


def _received(client):
    try:
        return client.recv(1)
    except ConnectionResetError:
        return b""


def test_several_addresses(child, run, tmp_path):
    """It listens on all addresses, says so, and takes the file of a unix socket away in the end."""
    serve = child("serve", "--store", "memory:", "--listen", "127.0.0.1:0,unix:s.sock")
    addresses = serve.wait_for(SERVING).removeprefix(SERVING).split(" and ")
    assert addresses[1] == "unix:s.sock"
    for address in addresses:
        assert run("session", "list", "--server", address).exit_code == 0
    serve.process.terminate()
    assert serve.end() == 0
    assert not (tmp_path / "s.sock").exists()


def test_hangups_end_nothing(child, run):
    """SIGHUP is not a reason to stop, also where there are no certificates to be read again."""
    serve = child(*MEMORY)
    address = serve.wait_for(SERVING).removeprefix(SERVING)
    serve.process.send_signal(signal.SIGHUP)
    assert run("session", "list", "--server", address).exit_code == 0
    serve.process.terminate()
    assert serve.end() == 0


def test_certificates_are_read_again(child, tmp_path):
    """On SIGHUP the server takes new certificates; a client that trusts only the new authority is served from then on."""
    authorities = [Authority(tmp_path, name) for name in ("old", "new")]
    for file, path in zip(("tls.pem", "tls.key"), authorities[0].issue("server"), strict=True):
        shutil.copy(path, tmp_path / file)
    serve = child(*MEMORY, "--tls-certificate", "tls.pem", "--tls-key", "tls.key")
    address = serve.wait_for(SERVING).removeprefix(SERVING)

    def trusting(authority):
        return child("session", "list", "--server", address, "--tls-ca", authority.certificate).end()

    assert [trusting(authority) for authority in authorities] == [0, 69]
    for file, path in zip(("tls.pem", "tls.key"), authorities[1].issue("server"), strict=True):
        shutil.copy(path, tmp_path / file)
    serve.process.send_signal(signal.SIGHUP)
    serve.wait_for("TLS uses the files as they are now")
    assert [trusting(authority) for authority in authorities] == [69, 0]
    serve.process.terminate()
    assert serve.end() == 0


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
