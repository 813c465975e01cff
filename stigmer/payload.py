"""A message as it travels: wire bytes, an object, or both; each is made from the other only when somebody asks."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from protobuf import Message

from stigmer.errors import Undecodable

M = TypeVar("M", bound=Message[Any])


class Payload(Generic[M]):
    """A message of type ``type``. What ``message`` gives is shared and must not be changed: make a new payload instead."""

    __slots__ = ("_message", "_wire", "type")

    def __init__(self, type_: type[M], *, wire: bytes | None = None, message: M | None = None) -> None:
        self.type = type_
        self._wire = wire
        self._message = message

    @classmethod
    def of(cls, message: M) -> Payload[M]:
        """The payload that carries ``message``."""
        return cls(type(message), message=message)

    @property
    def wire(self) -> bytes:
        """The message as protobuf bytes."""
        if self._wire is None:
            self._wire = self.message.to_binary()
        return self._wire

    @property
    def message(self) -> M:
        """The message as an object.

        Raises:
            Undecodable: the bytes are no message of this type.
        """
        if self._message is None:
            self._message = decode(self.type, self._wire or b"")
        return self._message


def decode(type_: type[M], wire: bytes) -> M:
    """The message of type ``type_`` that ``wire`` holds.

    Raises:
        Undecodable: the bytes are no message of this type. The cause is dropped: its text quotes them.
    """
    try:
        return type_.from_binary(wire)
    except (ValueError, RecursionError, OverflowError):
        raise Undecodable from None
