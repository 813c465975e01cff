"""Where a server listens, as text: ``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:PATH``."""

from __future__ import annotations

UNIX = "unix:"
HIGHEST_PORT = 65535


def host_and_port(address: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPV6]:PORT`` taken apart.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise ValueError(f"{address!r} is not HOST:PORT")
    return host, int(port)


def unix_path(address: str) -> str | None:
    """The path in ``unix:PATH``; None for an address of another sort.

    Raises:
        ValueError: the path is empty.
    """
    if not address.startswith(UNIX):
        return None
    path = address.removeprefix(UNIX)
    if not path or "\0" in path:
        raise ValueError(f"{address!r} is not unix:PATH")
    return path


def checked(address: str) -> str:
    """``address``, which is one that a server can listen on.

    Raises:
        ValueError: it is not.
    """
    if unix_path(address) is None:
        host_and_port(address)
    return address


def joined(host: str, port: int) -> str:
    """The address of ``host`` and ``port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
