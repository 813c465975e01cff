"""Clients that do this and that to a few sessions, and write down what they asked for, when, and what they were told."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import time
from pathlib import Path

from stigmer.client import (
    Aborted,
    AlreadyExists,
    ApiResourceMetadata,
    ApiResourceOwnerScope,
    ApiResourceReference,
    NotFound,
    Session,
    SessionClient,
    SessionError,
    SessionSpec,
)

ORG = "acme"


@dataclasses.dataclass(slots=True)
class Operation:
    """What one client has done. The names of fields are those that the checker reads.

    Attributes:
        slug: of the session that it is about.
        client: its number; it does one thing after another.
        verb: create, apply, update, delete or get.
        id: of the session that is meant, for update and delete.
        token: what is written, as the subject: each write has one of its own.
        expect: the token that has to be there, for an update with a version.
        call: when it was asked for, in ns.
        result: ok, exists, missing, aborted or unknown.
        got_id: the session that was answered.
        got: the token that was answered by get and delete.
        returned: when the answer came, in ns; for an unknown outcome when the server can no longer have done it.
    """

    slug: str
    client: int
    verb: str
    id: str = ""
    token: str = ""
    expect: str = ""
    call: int = 0
    result: str = "unknown"
    got_id: str = ""
    got: str = ""
    returned: int = 0

    def line(self) -> str:
        """As the checker reads it."""
        fields = dataclasses.asdict(self)
        fields["return"] = fields.pop("returned")
        return json.dumps(fields)


class History:
    """Everything that clients have done, over all lives of a server.

    Attributes:
        operations: in the order in which they began.
        known: slug → the session that was last seen there.
    """

    def __init__(self, slugs: int) -> None:
        self.operations: list[Operation] = []
        self.known: dict[str, Session] = {}
        self._slugs = [f"slug-{number}" for number in range(slugs)]
        self._tokens = 0

    def begin(self, client: int, chance: random.Random) -> Operation:
        """The next operation of a client."""
        verb = chance.choices(("get", "create", "apply", "update", "delete"), (4, 3, 1, 4, 1))[0]
        operation = Operation(chance.choice(self._slugs), client, verb)
        if verb in ("create", "apply", "update"):
            self._tokens += 1
            operation.token = f"token-{self._tokens}"
        self.operations.append(operation)
        return operation

    def end_life(self) -> None:
        """No server runs any more that could still do what nobody was told of."""
        now = time.monotonic_ns()
        for operation in self.operations:
            operation.returned = operation.returned or now

    def save(self, path: Path) -> None:
        """Writes it for the checker, without reads that nobody has seen the answer of: they tell nothing."""
        told = (each for each in self.operations if each.call and (each.verb, each.result) != ("get", "unknown"))
        path.write_text("".join(f"{each.line()}\n" for each in told))


class Worker:
    """One client that does one thing after another."""

    def __init__(self, history: History, number: int, client: SessionClient, chance: random.Random) -> None:
        self._history = history
        self._number = number
        self._client = client
        self._chance = chance

    async def work(self) -> None:
        """Goes on until it is cancelled; what is under way then is unknown."""
        while True:
            operation = self._history.begin(self._number, self._chance)
            call = self._prepared(operation)
            if call is None:
                self._history.operations.remove(operation)
                await asyncio.sleep(0)
                continue
            operation.call = time.monotonic_ns()
            try:
                await self._answered(operation, call)
            except TimeoutError:
                self._number += 1000  # who never hears does nothing else: somebody new goes on
                continue
            operation.returned = time.monotonic_ns()
            if operation.result == "unknown":
                await asyncio.sleep(0.01)

    def _prepared(self, operation: Operation):
        """The call; None when it takes a session that nobody has seen."""
        seen = self._history.known.get(operation.slug)
        if operation.verb in ("update", "delete"):
            if seen is None:
                return None
            operation.id = seen.metadata.id
        match operation.verb:
            case "get":
                return self._client.get_by_reference(ApiResourceReference(org=ORG, slug=operation.slug))
            case "delete":
                return self._client.delete(operation.id)
            case "update" if self._chance.random() < 0.7:
                operation.expect = seen.spec.subject
                return self._client.update(_session(operation, seen))
        return getattr(self._client, operation.verb)(_session(operation, None))

    async def _answered(self, operation: Operation, call) -> None:
        """Waits for the outcome; now and then nobody does.

        The system closes the connections of a killed process when its last thread has ended: what was not done when a client
        notices that will not be done.

        Raises:
            TimeoutError: the server may still do it.
        """
        try:
            async with asyncio.timeout(0.002 if self._chance.random() < 0.005 else 20):
                found = await call
        except AlreadyExists:
            operation.result = "exists"
        except NotFound:
            operation.result = "missing"
        except Aborted:
            operation.result = "aborted"
        except SessionError:
            operation.result = "unknown"
        else:
            operation.result, operation.got_id = "ok", found.metadata.id
            if operation.verb in ("get", "delete"):
                operation.got = found.spec.subject
            if operation.verb == "delete":
                self._history.known.pop(operation.slug, None)
            else:
                self._history.known[operation.slug] = found


def _session(operation: Operation, seen: Session | None) -> Session:
    metadata = ApiResourceMetadata(
        id=operation.id,
        name=operation.slug,
        slug="" if operation.id else operation.slug,
        org=ORG,
        owner_scope=ApiResourceOwnerScope.organization,
        version=None if seen is None else seen.metadata.version,
    )
    return Session(metadata=metadata, spec=SessionSpec(agent_instance_id="ain-1", subject=operation.token))
