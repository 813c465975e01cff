"""What a client that reads frames has got for a stream."""

from __future__ import annotations

import dataclasses
import gzip


@dataclasses.dataclass
class Answer:
    """What has come back for a stream, and what has become of its connection.

    Attributes:
        headers: of the first HEADERS frame.
        trailers: of the last, when there are several.
        body: what the DATA frames hold.
        ended: the server ended the stream.
        rst_code: of an RST_STREAM.
        goaway: the code of the last GOAWAY of the connection.
        closed: the connection is at its end.
    """

    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    trailers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    rst_code: int | None = None
    goaway: int | None = None
    closed: bool = False

    @property
    def http_status(self) -> int | None:
        """None: there were no headers."""
        return int(self.headers[":status"]) if ":status" in self.headers else None

    @property
    def grpc_status(self) -> int | None:
        """From the trailers or, when they are all there is, the headers."""
        found = self._last("grpc-status")
        return None if found is None else int(found)

    @property
    def grpc_message(self) -> str | None:
        """As it was sent, percent signs and all."""
        return self._last("grpc-message")

    @property
    def details(self) -> str | None:
        """``grpc-status-details-bin`` as it was sent."""
        return self._last("grpc-status-details-bin")

    @property
    def messages(self) -> list[bytes]:
        """The whole gRPC messages in the body, without their prefixes, unpacked."""
        found, rest = [], self.body
        while len(rest) >= 5 and len(rest) >= 5 + (size := int.from_bytes(rest[1:5], "big")):
            found.append(self._unpacked(rest[0], rest[5 : 5 + size]))
            rest = rest[5 + size :]
        return found

    @property
    def answered(self) -> bool:
        """Whether the client knows that it need not wait any longer."""
        return self.ended or self.rst_code is not None or self.closed or bool(self.goaway)

    def _unpacked(self, flag: int, data: bytes) -> bytes:
        return gzip.decompress(data) if flag == 1 and self.headers.get("grpc-encoding") == "gzip" else data

    def _last(self, name: str) -> str | None:
        return self.trailers.get(name, self.headers.get(name))
