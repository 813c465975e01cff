"""The sockets that servers listen on, beyond what an event loop makes of HOST:PORT by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from stigmer.addresses import host_and_port, joined, unix_path
from stigmer.errors import ConfigurationError

_BACKLOG = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Listener:
    """Something to listen on.

    Attributes:
        address: as the settings have it.
        sock: a socket that is bound already; None when the event loop is to make one.
        shared: other processes listen on the same port.
    """

    address: str
    sock: socket.socket | None = None
    shared: bool = False


class UnixSocket:
    """A socket in the file system, which only the user who made it can connect to."""

    def __init__(self, path: str) -> None:
        """Binds it, in place of one that a server left behind.

        Raises:
            OSError: somebody listens on it, or the path cannot be used.
        """
        self.sock = socket.socket(socket.AF_UNIX)
        self._path = Path(path)
        try:
            self._bind()
            # Nobody has connected meanwhile: nobody could, before it listens.
            self._path.chmod(0o600)
            self._made = _identity(self._path)
        except BaseException:
            self.sock.close()
            raise

    def remove(self) -> None:
        """Takes the file away, unless it is another's by now."""
        with contextlib.suppress(OSError):
            if _identity(self._path) == self._made:
                self._path.unlink()

    def _bind(self) -> None:
        try:
            self.sock.bind(str(self._path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_stale(self._path):
                raise
            self._path.unlink()
            self.sock.bind(str(self._path))


@contextlib.contextmanager
def own(addresses: Iterable[str]) -> Iterator[list[Listener]]:
    """The listeners of a server that is alone; its unix sockets are taken away when the block is left.

    Raises:
        ConfigurationError: a unix socket cannot be bound.
    """
    with contextlib.ExitStack() as stack:
        yield [_bound(address, stack) or Listener(address) for address in addresses]


@contextlib.contextmanager
def reserved(addresses: Iterable[str]) -> Iterator[list[Listener]]:
    """Listeners for several processes that are started, and started again, within the block.

    Ports are held but not listened on, so that each process can listen for itself and those who come are spread over those
    that do. Unix sockets have no such thing: all processes listen on one.

    Raises:
        ConfigurationError: an address cannot be listened on.
    """
    with contextlib.ExitStack() as stack:
        yield [_bound(address, stack, listen=True) or _held(address, stack) for address in addresses]


@contextlib.contextmanager
def worded(address: str) -> Iterator[None]:
    """Says in one line why ``address`` cannot be listened on.

    Raises:
        ConfigurationError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {address}: {error.strerror or error}") from error
    except UnicodeError as error:
        raise ConfigurationError(f"cannot listen on {address}: the host's name is none") from error


def _bound(address: str, stack: contextlib.ExitStack, *, listen: bool = False) -> Listener | None:
    """The listener of a unix socket; None for another address."""
    path = unix_path(address)
    if path is None:
        return None
    with worded(address):
        made = UnixSocket(path)
    stack.callback(made.sock.close)
    stack.callback(made.remove)
    if listen:
        made.sock.listen(_BACKLOG)
    return Listener(address, made.sock)


def _held(address: str, stack: contextlib.ExitStack) -> Listener:
    """The listener of a port, free ports included, that is held until ``stack`` is closed."""
    host, port = host_and_port(address)
    with worded(address):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, where in dict.fromkeys(found):
            sock = stack.enter_context(socket.socket(family))
            _hold(sock, (where[0], port, *where[2:]))
            port = sock.getsockname()[1]
    return Listener(joined(host, port), shared=True)


def _hold(sock: socket.socket, where: tuple[object, ...]) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family is socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(where)
    # Only now, so that a port which others share among themselves was refused.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _is_stale(path: Path) -> bool:
    """Whether this is a socket on which nobody listens any more."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _identity(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino
