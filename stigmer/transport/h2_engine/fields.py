"""Which header fields make a request: RFC 9113, 8.2 and 8.3. h2 can tell too, byte by byte, in fifty times the time."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stigmer.transport.engine import Headers

_NAME = re.compile(rb":?[!-9;-@\[-~]+").fullmatch
"""No upper case, no blank, no control character, no colon but the first."""
_VALUE = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])").fullmatch
_OF_HTTP1 = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_METHOD, _SCHEME, _PATH, _AUTHORITY = b":method", b":scheme", b":path", b":authority"


def is_request(headers: Headers) -> bool:
    """Whether a request may have these headers."""
    pseudo: dict[bytes, bytes] = {}
    hosts: list[bytes] = []
    others = False
    for name, value in headers:
        if not _is_field(name, value):
            return False
        if not name.startswith(b":"):
            others = True
            if name == b"host":
                hosts.append(value)
        elif others or name in pseudo or name not in _PSEUDO:
            return False
        else:
            pseudo[name] = value
    return _has_target(pseudo, hosts)


def are_trailers(headers: Headers) -> bool:
    """Whether a request may end with these."""
    return all(_is_field(name, value) and not name.startswith(b":") for name, value in headers)


def _is_field(name: bytes, value: bytes) -> bool:
    if name == b"te":
        return value.lower() == b"trailers"
    return name not in _OF_HTTP1 and _NAME(name) is not None and _VALUE(value) is not None


def _has_target(pseudo: Mapping[bytes, bytes], hosts: list[bytes]) -> bool:
    """Whether it says what is to be done where, and says it once."""
    if pseudo.get(_METHOD) == b"CONNECT":
        complete = _SCHEME not in pseudo and _PATH not in pseudo
    else:
        complete = _METHOD in pseudo and _SCHEME in pseudo and bool(pseudo.get(_PATH))
    authorities = {*hosts, *(pseudo[name] for name in (_AUTHORITY,) if name in pseudo)}
    return complete and len(authorities) == 1 and len(hosts) <= 1
