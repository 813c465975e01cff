"""What the steps of one call share."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

from stigmer.identity import SYSTEM, Caller, Clock, IdGenerator
from stigmer.payload import Payload
from stigmer.store import Store

if TYPE_CHECKING:
    from stigmer.operation import Operation
    from stigmer.watching import Hubs

T = TypeVar("T")
D = TypeVar("D")

_LONGEST_TEXT = 128


class Slot(Generic[T]):
    """A typed key of ``RequestContext``. Two slots are two keys, whatever their names."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Slot({self.name})"


RESPONSE: Slot[Payload[Any]] = Slot("response")
"""What the client gets. The last step that writes it wins."""


MESSAGES: Slot[AsyncGenerator[Payload[Any], None]] = Slot("messages")
"""What the client of a server-streaming rpc gets, one after the other. Each goes through the steps that follow as RESPONSE."""


@dataclasses.dataclass(frozen=True, slots=True)
class Services:
    """What every call of one server uses.

    Attributes:
        store: where the documents are.
        clock: the time.
        ids: makes new ids.
        hubs: where the changes in the store can be watched.
        max_message_bytes: the largest message, in and out.
    """

    store: Store
    clock: Clock
    ids: IdGenerator
    hubs: Hubs
    max_message_bytes: int = 10 * 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class CallInfo:
    """What the transport knows about a call.

    Attributes:
        metadata: request metadata, lower-case names; ``-bin`` values are bytes.
        peer: address of the client, for logs.
        deadline: on the clock of ``time.monotonic()``, in seconds; None without one.
        certificate: the client's certificate as ``ssl.SSLSocket.getpeercert()`` gives it; None without mutual TLS.
    """

    metadata: Mapping[str, str | bytes] = dataclasses.field(default_factory=dict)
    peer: str = ""
    deadline: float | None = None
    certificate: Mapping[str, Any] | None = None


class Repeatable(NamedTuple):
    """A call that may come again: what it is answered is remembered together with what it writes.

    Attributes:
        key: 32 bytes that stand for the caller, the operation and the key that the client gave.
        request: 32 bytes that stand for the request message.
    """

    key: bytes
    request: bytes


class RequestContext:
    """One call on its way through a pipeline.

    Attributes:
        operation: what is being done.
        caller: who does it.
        info: what the transport knows about the call.
        step: name of the step that runs, or ran last.
        committed: a write is durable: nothing after it fails the call or is undone.
        validate_only: the call only wants to know what would happen: nothing may be written, here or elsewhere.
        rehearsed: everything before the commit went well, and the commit was left out.
        repeatable: set when the client has given an idempotency key.
        send: sends one message of a streaming answer, and waits while the client is behind.
    """

    __slots__ = (
        "_after_commit",
        "_payload",
        "_request_id",
        "_services",
        "_slots",
        "caller",
        "committed",
        "info",
        "operation",
        "rehearsed",
        "repeatable",
        "send",
        "step",
        "validate_only",
    )

    def __init__(
        self,
        operation: Operation,
        payload: Payload[Any],
        services: Services,
        *,
        caller: Caller = SYSTEM,
        info: CallInfo | None = None,
        request_id: str = "",
    ) -> None:
        self.operation = operation
        self.caller = caller
        self.info = info or CallInfo()
        self.step = ""
        self.committed = self.validate_only = self.rehearsed = False
        self.repeatable: Repeatable | None = None
        self.send: Callable[[bytes], Awaitable[None]] = _nowhere
        self._payload = payload
        self._request_id = request_id
        self._services = services
        self._slots: dict[Slot[Any], Any] = {}
        self._after_commit: list[Callable[[], Awaitable[None]]] = []

    @property
    def request(self) -> Any:
        """The request message, decoded once. It is never changed.

        Raises:
            Undecodable: the client's bytes are no such message.
        """
        return self._payload.message

    @property
    def request_id(self) -> str:
        """For logs: the client's own ``x-request-id``, if it is fit for a log line, else a new one."""
        if not self._request_id:
            given = self.info.metadata.get("x-request-id")
            self._request_id = given if isinstance(given, str) and fits_a_line(given) else os.urandom(8).hex()
        return self._request_id

    @property
    def store(self) -> Store:
        """Where the documents are."""
        return self._services.store

    @property
    def clock(self) -> Clock:
        """The time; never ask another clock."""
        return self._services.clock

    @property
    def ids(self) -> IdGenerator:
        """Makes new ids."""
        return self._services.ids

    @property
    def hubs(self) -> Hubs:
        """Where the changes in the store can be watched."""
        return self._services.hubs

    @property
    def max_message_bytes(self) -> int:
        """The largest message, in and out, in bytes."""
        return self._services.max_message_bytes

    def __getitem__(self, slot: Slot[T]) -> T:
        """What an earlier step put there; assembly has checked that one did.

        Raises:
            KeyError: no step did.
        """
        value: T = self._slots[slot]
        return value

    def __setitem__(self, slot: Slot[T], value: T) -> None:
        """Hands ``value`` to the steps that follow."""
        self._slots[slot] = value

    def __contains__(self, slot: Slot[Any]) -> bool:
        """Whether a step has put anything there."""
        return slot in self._slots

    @overload
    def get(self, slot: Slot[T]) -> T | None: ...

    @overload
    def get(self, slot: Slot[T], default: D) -> T | D: ...

    def get(self, slot: Slot[Any], default: Any = None) -> Any:
        """What an earlier step put there, or ``default``."""
        return self._slots.get(slot, default)

    def forget(self, slots: Iterable[Slot[Any]]) -> None:
        """Empties these slots, for a run that begins again."""
        for slot in slots:
            self._slots.pop(slot, None)

    def after_commit(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Calls ``callback`` once the call has committed, before the answer; never when it has not. A failure is logged.

        For things inside this process, such as a cache. What others must learn goes through the store.
        """
        self._after_commit.append(callback)

    @property
    def has_after_commit(self) -> bool:
        """Whether there is anything to call back."""
        return bool(self._after_commit)

    def take_after_commit(self) -> list[Callable[[], Awaitable[None]]]:
        """The callbacks so far; they are forgotten here, so that a run that begins again does not leave any behind."""
        callbacks, self._after_commit = self._after_commit, []
        return callbacks


async def _nowhere(_: bytes) -> None:
    """There is no client."""
    raise LookupError("the answer of this call is no stream")


def fits_a_line(text: str) -> bool:
    """Whether ``text`` is 1 to 128 printable ASCII characters."""
    return 0 < len(text) <= _LONGEST_TEXT and text.isascii() and text.isprintable()
