"""Settings come from STIGMER_* and are checked."""

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from stigmer import Settings
from stigmer.transport.limits import Limits


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("STIGMER_")]:
        monkeypatch.delenv(name)


def test_defaults_are_the_contracts():
    """Loopback, port 7234, a file in the user's data folder, no plugins, 10 MiB."""
    settings = Settings()
    assert (settings.listen, settings.plugins, settings.max_message_bytes) == (("127.0.0.1:7234",), (), 10 * 1024 * 1024)
    assert settings.store.startswith("sqlite:////")
    assert settings.store.endswith("/stigmer/stigmer.db")


def test_the_environment_is_read(monkeypatch):
    """Each setting is a variable; plugins and addresses are separated by commas."""
    monkeypatch.setenv("STIGMER_LISTEN", "[::1]:0, unix:/run/stigmer.sock")
    monkeypatch.setenv("STIGMER_PLUGINS", " a, b ,,")
    assert (Settings().listen, Settings().plugins) == (("[::1]:0", "unix:/run/stigmer.sock"), ("a", "b"))


def test_arguments_win_over_the_environment(monkeypatch):
    """What is given, as by a flag, wins."""
    monkeypatch.setenv("STIGMER_STORE", "memory:")
    assert Settings(store="sqlite:///x.db").store == "sqlite:///x.db"


def test_settings_are_frozen():
    """Nobody changes a setting of a server that runs."""
    with pytest.raises(ValidationError):
        Settings().listen = "0.0.0.0:1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "7234"},
        {"listen": "host:"},
        {"listen": ":7234"},
        {"listen": "host:65536"},
        {"listen": "host:x"},
        {"listen": "host:-1"},
        {"listen": " , "},
        {"listen": "unix:"},
        {"listen": "127.0.0.1:1,nowhere"},
        {"metrics_listen": "nowhere"},
        {"log": "loud"},
        {"log_level": "CHATTY"},
        {"max_message_bytes": 100},
        {"drain_seconds": -1},
        {"drain_seconds": "inf"},
        {"workers": 0},
        {"workers": 2, "store": "memory:"},
        {"workers": 3, "metrics_listen": "127.0.0.1:65534"},
        {"tls_key": "key.pem"},
        {"tls_client_ca": "authority.pem", "tls_certificate": ""},
        {"tls_client": "perhaps"},
        {"limits": {"streams": "many"}},
        {"limits": {"streams": 0}},
        {"limits": {"idle_seconds": "inf"}},
        {"limits": {"stream_window": 2**30}},
        {"limits": {"streems": 5}},
        {"limits": {"message_bytes": 5}},
        {"limits": "streams=5"},
    ],
)
def test_a_wrong_value_is_refused(wrong):
    """Values that cannot work are refused at start."""
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_empty_metrics_address_is_off():
    """An empty variable turns metrics off."""
    assert Settings(metrics_listen="").metrics_listen is None


@pytest.mark.parametrize("name", ["tls_certificate", "tls_key", "tls_client_ca"])
def test_empty_files_are_none(name):
    """An empty variable names no file."""
    assert getattr(Settings(**{name: ""}), name) is None


def test_each_limit_is_a_variable(monkeypatch):
    """STIGMER_LIMIT_<NAME> sets one limit; arguments win, limit by limit; the rest is as it was."""
    monkeypatch.setenv("STIGMER_LIMIT_STREAMS", "50")
    monkeypatch.setenv("STIGMER_LIMIT_CALLS", "60")
    monkeypatch.setenv("STIGMER_LIMIT_IDLE_SECONDS", "1.5")
    assert Settings(limits={"calls": "7"}).limits == Limits(streams=50, calls=7, idle_seconds=1.5)
    assert Settings(limits=Limits(calls=8)).limits == Limits(calls=8)


def test_messages_have_one_limit():
    """The transport's limit of a message is ``max_message_bytes``."""
    assert Settings(max_message_bytes=100_000).limits.message_bytes == 100_000
    assert Settings(max_message_bytes=100_000, limits=Limits(message_bytes=5)).limits.message_bytes == 100_000


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"streems": "5"}, "there is no limit 'streems'; did you mean 'streams'?"),
        ({"zzz": "5"}, "there is no limit 'zzz'"),
        ({"message_bytes": "5"}, "message_bytes is the setting max_message_bytes"),
        ({"streams": "-1"}, "streams must be positive"),
    ],
)
def test_a_wrong_limit_is_named(wrong, text):
    """What is wrong with a limit is said by its name."""
    with pytest.raises(ValidationError) as caught:
        Settings(limits=wrong)
    assert [problem["msg"] for problem in caught.value.errors()] == [f"Value error, {text}"]


def test_a_variable_for_all_limits_is_refused(monkeypatch):
    """STIGMER_LIMITS is no variable, and says which ones are."""
    monkeypatch.setenv("STIGMER_LIMITS", '{"streams": 5}')
    with pytest.raises(ValidationError, match="STIGMER_LIMIT_<NAME>"):
        Settings()


def test_settings_load_no_grpc():
    """Whoever only reads settings does not load the transport."""
    code = "import sys, stigmer.settings; print([name for name in sys.modules if name.startswith(('grpclib', 'ngh2'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
