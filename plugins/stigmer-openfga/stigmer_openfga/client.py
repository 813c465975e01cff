"""The calls of OpenFGA's API that are used, typed. Whatever is no clear answer is ``NoAnswer``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple, TypeVar

from protobuf import Message
from protobuf.wkt import Int32Value

from stigmer import ConfigurationError
from stigmer_openfga._proto.openfga.v1 import openfga_pb as pb
from stigmer_openfga.connection import Connection, NoAnswer
from stigmer_openfga.settings import Settings

M = TypeVar("M", bound=Message[Any])
_PAGE = 100
_WRITES = 100
"""OpenFGA takes this many tuples in one write."""


class Relation(NamedTuple):
    """``user`` has ``relation`` to ``object``: a tuple that is stored, or a question."""

    user: str
    relation: str
    object: str


class Held(NamedTuple):
    """A stored tuple and when it was written, in nanoseconds since the Unix epoch on OpenFGA's clock."""

    relation: Relation
    written_ns: int


class Client:
    """Asks one OpenFGA about one store and one model. Every call has a deadline."""

    def __init__(self, settings: Settings) -> None:
        host, _, port = settings.address.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigurationError(f"STIGMER_OPENFGA_ADDRESS: {settings.address!r} is not HOST:PORT")
        self._settings = settings
        token = settings.token.get_secret_value()
        # Batches have their own bound; their share of the connection is theirs beside all other calls'.
        in_flight = settings.calls + settings.batches
        self._connection = Connection(settings.address, tls=settings.tls, token=token, in_flight=in_flight)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    async def check(self, question: Relation, *, fresh: bool, deadline: float | None = None) -> bool:
        """Whether it holds; ``deadline`` is on the clock of ``time.monotonic()``."""
        request = pb.CheckRequest(
            store_id=self._settings.store_id,
            tuple_key=_key(question),
            authorization_model_id=self._settings.model_id,
            consistency=_consistency(fresh=fresh),
        )
        return (await self._call("Check", request, pb.CheckResponse, deadline)).allowed

    async def check_all(self, questions: Sequence[Relation], *, fresh: bool) -> list[bool | None]:
        """Whether each holds; None where OpenFGA did not say."""
        request = pb.BatchCheckRequest(
            store_id=self._settings.store_id,
            checks=[pb.BatchCheckItem(tuple_key=_key(q), correlation_id=str(n)) for n, q in enumerate(questions)],
            authorization_model_id=self._settings.model_id,
            consistency=_consistency(fresh=fresh),
        )
        answer = await self._call("BatchCheck", request, pb.BatchCheckResponse)
        return [_allowed(answer.result.get(str(number))) for number in range(len(questions))]

    async def objects(
        self, type_: str, relation: str, user: str, *, fresh: bool, deadline: float | None = None
    ) -> frozenset[str]:
        """All objects of a type that ``user`` has ``relation`` to."""
        request = pb.StreamedListObjectsRequest(
            store_id=self._settings.store_id,
            authorization_model_id=self._settings.model_id,
            type=type_,
            relation=relation,
            user=user,
            consistency=_consistency(fresh=fresh),
        )
        seconds = left(self._settings.list_timeout_seconds, deadline)
        found = await self._connection.stream("StreamedListObjects", request.to_binary(), seconds)
        names = frozenset(_decoded(pb.StreamedListObjectsResponse, wire).object for wire in found)
        if not all(name.startswith(f"{type_}:") for name in names):
            raise NoAnswer
        return names

    async def write(self, tuples: Sequence[Relation], *, claim: bool = False, deadline: float | None = None) -> None:
        """Writes all of them or none. Those that are there already are left; with ``claim`` they are a reason to refuse.

        Raises:
            Refused: OpenFGA wrote nothing.
            NoAnswer: it is not known whether it did.
        """
        keys = [pb.TupleKey(user=t.user, relation=t.relation, object=t.object) for t in tuples]
        writes = pb.WriteRequestWrites(tuple_keys=keys, on_duplicate="error" if claim else "ignore")
        await self._write(deadline, repeatable=not claim, writes=writes)

    async def delete(self, tuples: Sequence[Relation], deadline: float | None = None) -> None:
        """Deletes those of them that are there."""
        for start in range(0, len(tuples), _WRITES):
            keys = [
                pb.TupleKeyWithoutCondition(user=t.user, relation=t.relation, object=t.object)
                for t in tuples[start : start + _WRITES]
            ]
            deletes = pb.WriteRequestDeletes(tuple_keys=keys, on_missing="ignore")
            await self._write(deadline, repeatable=True, deletes=deletes)

    async def read(self, object_: str | None = None, deadline: float | None = None) -> AsyncIterator[Held]:
        """The tuples of one object, or all."""
        key = pb.ReadRequestTupleKey(object=object_) if object_ is not None else None
        request = pb.ReadRequest(
            store_id=self._settings.store_id,
            tuple_key=key,
            page_size=Int32Value(value=_PAGE),
            consistency=pb.ConsistencyPreference.HIGHER_CONSISTENCY,
        )
        async for answer in self._pages("Read", request, pb.ReadResponse, deadline):
            for found in answer.tuples:
                yield _held(found)

    async def stores(self, name: str) -> list[pb.Store]:
        """The stores with this name."""
        request = pb.ListStoresRequest(name=name, page_size=Int32Value(value=_PAGE))
        pages = self._pages("ListStores", request, pb.ListStoresResponse)
        return [store async for page in pages for store in page.stores if store.name == name]

    async def create_store(self, name: str) -> str:
        """A new store; its id."""
        request = pb.CreateStoreRequest(name=name)
        return (await self._call("CreateStore", request, pb.CreateStoreResponse, repeatable=False)).id

    async def models(self, store_id: str) -> list[pb.AuthorizationModel]:
        """The models of a store, the latest first."""
        request = pb.ReadAuthorizationModelsRequest(store_id=store_id, page_size=Int32Value(value=_PAGE))
        pages = self._pages("ReadAuthorizationModels", request, pb.ReadAuthorizationModelsResponse)
        return [model async for page in pages for model in page.authorization_models]

    async def write_model(self, store_id: str, model: pb.AuthorizationModel) -> str:
        """A new model in a store; its id."""
        request = pb.WriteAuthorizationModelRequest(
            store_id=store_id, type_definitions=model.type_definitions, schema_version=model.schema_version
        )
        answer = await self._call("WriteAuthorizationModel", request, pb.WriteAuthorizationModelResponse, repeatable=False)
        return answer.authorization_model_id

    async def _write(self, deadline: float | None, *, repeatable: bool, **what: Any) -> None:
        request = pb.WriteRequest(store_id=self._settings.store_id, authorization_model_id=self._settings.model_id, **what)
        await self._call("Write", request, pb.WriteResponse, deadline, repeatable=repeatable)

    async def _pages(self, rpc: str, request: Any, answer: type[M], deadline: float | None = None) -> AsyncIterator[Any]:
        while True:
            page: Any = await self._call(rpc, request, answer, deadline)
            yield page
            if not page.continuation_token:
                return
            request.continuation_token = page.continuation_token

    async def _call(
        self, rpc: str, request: Any, answer: type[M], deadline: float | None = None, *, repeatable: bool = True
    ) -> M:
        seconds = left(self._settings.timeout_seconds, deadline)
        return _decoded(answer, await self._connection.call(rpc, request.to_binary(), seconds, repeatable=repeatable))


def left(seconds: float, deadline: float | None) -> float:
    """``seconds``, or what is left of them until ``deadline``."""
    return seconds if deadline is None else min(seconds, deadline - time.monotonic())


def _decoded(type_: type[M], wire: bytes) -> M:
    try:
        return type_.from_binary(wire)
    except (ValueError, RecursionError, OverflowError):
        raise NoAnswer from None


def _key(question: Relation) -> pb.CheckRequestTupleKey:
    return pb.CheckRequestTupleKey(user=question.user, relation=question.relation, object=question.object)


def _consistency(*, fresh: bool) -> pb.ConsistencyPreference:
    preference = pb.ConsistencyPreference
    return preference.HIGHER_CONSISTENCY if fresh else preference.MINIMIZE_LATENCY


def _allowed(result: pb.BatchCheckSingleResult | None) -> bool | None:
    found = result.check_result if result is not None else None
    return bool(found.value) if found is not None and found.field == "allowed" else None


def _held(found: pb.Tuple) -> Held:
    key, time_ = found.key, found.timestamp
    if key is None or time_ is None:
        raise NoAnswer
    return Held(Relation(key.user, key.relation, key.object), time_.seconds * 1_000_000_000 + time_.nanos)
