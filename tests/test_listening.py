"""Sockets that servers listen on: unix sockets for their owner alone, ports that several processes share."""

import contextlib
import socket
import stat
from pathlib import Path

import pytest

from stigmer import ConfigurationError
from stigmer.listening import Listener, own, reserved


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A path that is short enough for a socket, wherever the tests run."""
    monkeypatch.chdir(tmp_path)
    return Path("s.sock")


def connects(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_a_unix_socket_is_its_owners_alone(path):
    """Only the owner may connect, and the file is gone afterwards."""
    with own([f"unix:{path}"]) as [listener]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        listener.sock.listen()
        assert connects(path)
    assert not path.exists()


def test_ports_are_left_to_the_event_loop():
    """A server that is alone binds HOST:PORT when it listens."""
    with own(["127.0.0.1:0"]) as listeners:
        assert listeners == [Listener("127.0.0.1:0")]


def test_what_a_server_left_behind_is_replaced(path):
    """The socket file of a server that was killed is in nobody's way."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    with own([f"unix:{path}"]) as [listener]:
        listener.sock.listen()
        assert connects(path)


def test_a_socket_in_use_is_refused(path):
    """A socket that somebody listens on stays theirs."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with (
            pytest.raises(ConfigurationError, match=f"cannot listen on unix:{path}: Address already in use"),
            own([f"unix:{path}"]),
        ):
            pass
        assert connects(path)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_what_is_no_socket_is_not_replaced(path, make):
    """A file or folder of that name is refused and left alone."""
    make(path)
    with pytest.raises(ConfigurationError, match="cannot listen on unix:"), own([f"unix:{path}"]):
        pass
    assert path.exists()


@pytest.mark.parametrize("path", ["no/such/folder/s.sock", "x" * 200])
def test_a_path_that_cannot_be(path, tmp_path, monkeypatch):
    """A folder that is not there, or a path that is too long, is refused in a line."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot listen on unix:"), own([f"unix:{path}"]):
        pass


def test_a_successors_socket_is_left_alone(path):
    """A server that ends late does not take away the file of the one that has come after it."""
    with contextlib.ExitStack() as first:
        first.enter_context(own([f"unix:{path}"]))
        path.unlink()
        with own([f"unix:{path}"]):
            first.close()
            assert path.exists()


def listening(address):
    host, port = address.rsplit(":", 1)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, int(port)))
    sock.listen()
    return sock


def test_a_free_port_is_reserved_for_several():
    """Port 0 becomes a port that several processes can listen on, and nobody else."""
    with reserved(["127.0.0.1:0"]) as [listener]:
        assert listener.shared
        with listening(listener.address), listening(listener.address), socket.socket() as stranger:
            assert stranger.connect_ex(("127.0.0.1", int(listener.address.rsplit(":", 1)[1]))) == 0
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", int(listener.address.rsplit(":", 1)[1])))


def test_nobody_is_let_in_before_somebody_listens():
    """A reserved port refuses connections: they do not wait for nobody."""
    with reserved(["127.0.0.1:0"]) as [listener], socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(listener.address.rsplit(":", 1)[1]))) != 0


def test_a_port_that_others_share_is_refused():
    """A second group of processes is not mixed into the first, though the system would let it."""
    with reserved(["127.0.0.1:0"]) as [first], listening(first.address):
        second = reserved([first.address])
        with pytest.raises(ConfigurationError, match=f"cannot listen on {first.address}"):
            second.__enter__()


def test_a_unix_socket_listens_before_it_is_shared(path):
    """Processes that share a unix socket get one that listens already."""
    with reserved([f"unix:{path}"]):
        assert connects(path)
    assert not path.exists()


def test_a_host_that_is_none_is_refused():
    """A name that cannot be a host's is refused in a line."""
    address = f"{'x' * 70}:1"
    with pytest.raises(ConfigurationError, match=f"cannot listen on {address}"), reserved([address]):
        pass
