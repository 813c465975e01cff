"""Settings come from STIGMER_* and are checked."""

import pytest
from pydantic import ValidationError

from stigmer import Settings
from stigmer.settings import host_and_port


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No settings of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"STIGMER_{name.upper()}", raising=False)


def test_defaults_are_the_contracts():
    """Loopback, port 7234, a file in the user's data folder, no plugins, 10 MiB."""
    settings = Settings()
    assert (settings.listen, settings.plugins, settings.max_message_bytes) == ("127.0.0.1:7234", (), 10 * 1024 * 1024)
    assert settings.store.startswith("sqlite:////")
    assert settings.store.endswith("/stigmer/stigmer.db")


def test_the_environment_is_read(monkeypatch):
    """Each setting is a variable; plugins are separated by commas."""
    monkeypatch.setenv("STIGMER_LISTEN", "[::1]:0")
    monkeypatch.setenv("STIGMER_PLUGINS", " a, b ,,")
    assert (Settings().listen, Settings().plugins) == ("[::1]:0", ("a", "b"))


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
        {"metrics_listen": "nowhere"},
        {"log": "loud"},
        {"log_level": "CHATTY"},
        {"max_message_bytes": 100},
        {"drain_seconds": -1},
    ],
)
def test_a_wrong_value_is_refused(wrong):
    """Values that cannot work are refused at start."""
    with pytest.raises(ValidationError):
        Settings(**wrong)


@pytest.mark.parametrize(
    ("text", "parts"), [("127.0.0.1:7234", ("127.0.0.1", 7234)), ("[::1]:0", ("::1", 0)), ("localhost:1", ("localhost", 1))]
)
def test_addresses_are_taken_apart(text, parts):
    """HOST:PORT, with brackets around an IPv6 address."""
    assert host_and_port(text) == parts


def test_empty_metrics_address_is_off():
    """An empty variable turns metrics off."""
    assert Settings(metrics_listen="").metrics_listen is None
