"""Addresses as text."""

import pytest

from stigmer.addresses import checked, host_and_port, joined, unix_path


@pytest.mark.parametrize(
    ("text", "parts"), [("127.0.0.1:7234", ("127.0.0.1", 7234)), ("[::1]:0", ("::1", 0)), ("localhost:1", ("localhost", 1))]
)
def test_addresses_are_taken_apart(text, parts):
    """HOST:PORT, with brackets around an IPv6 address, and put together again."""
    assert host_and_port(text) == parts
    assert joined(*parts) == text


def test_paths_of_unix_sockets():
    """unix:PATH has a path; other addresses have none."""
    assert unix_path("unix:/run/a:1.sock") == "/run/a:1.sock"
    assert unix_path("127.0.0.1:1") is None


@pytest.mark.parametrize(
    "text", ["", "7234", ":7234", "host:", "host:65536", "host:x", "host:-1", "host:¹", "unix:", "unix:a\0b"]
)
def test_what_is_no_address(text):
    """Whatever is neither is refused."""
    with pytest.raises(ValueError, match="is not"):
        checked(text)
