"""Where Authorize stands in an operation, and what it asks: decided by what the rpc declares and by the steps around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from stigmer import MESSAGES, ConfigurationError, Operation, Placement, Step, after, before
from stigmer.steps import PAGE
from stigmer_openfga.authorize import (
    AuthorizeAnswer,
    AuthorizeApply,
    AuthorizeCreate,
    AuthorizeExisting,
    AuthorizeRequest,
    Gate,
)
from stigmer_openfga.requirement import Requirement, sibling
from stigmer_openfga.visible import AuthorizeList, Sight

_FILTERED = frozenset({MESSAGES, PAGE})
"""What holds nothing but what the caller may see, so that no permission is asked for."""


class Authorization(NamedTuple):
    """How one operation is authorized.

    Attributes:
        placement: of the step; None for an rpc that declares that it needs none.
        requirement: what somebody needs who does this to something that exists; None where nothing of the kind is asked.
        asked_first: it is asked before anything is loaded.
    """

    placement: Placement | None
    requirement: Requirement | None
    asked_first: bool


def authorization(operation: Operation, gate: Gate, sight: Sight) -> Authorization:
    """How ``operation`` is authorized.

    Raises:
        ConfigurationError: its rpc declares nothing, and nothing in its pipeline says what to ask.
    """
    if operation.skips_authorization:
        return Authorization(None, None, asked_first=True)
    names = [step.name for step in operation.steps]
    if operation.authorization is not None:
        return _declared(operation, gate, names)
    for anchor, derive in _DERIVED.items():
        if anchor in names:
            requirement, step = derive(operation, gate)
            return Authorization(after(anchor, step), requirement, asked_first=False)
    for step in operation.steps:
        if _FILTERED & frozenset(getattr(step, "provides", ())):
            return Authorization(before(step.name, AuthorizeList(sight)), None, asked_first=True)
    text = f"the rpc {operation.path} declares no permission, and is none of those that are filtered or decided by another's"
    raise ConfigurationError(f"{operation.name}: {text}; give it one in its option config, or is_skip_authorization")


def _declared(operation: Operation, gate: Gate, names: list[str]) -> Authorization:
    requirement = Requirement.of(operation)
    if requirement.type != operation.kind.key:
        return Authorization(after("ValidateProto", AuthorizeCreate(gate, requirement)), None, asked_first=True)
    if "LoadExisting" in names:
        return Authorization(after("LoadExisting", AuthorizeExisting(gate, requirement)), requirement, asked_first=False)
    return Authorization(after("ValidateProto", AuthorizeRequest(gate, requirement)), requirement, asked_first=True)


def _apply(operation: Operation, gate: Gate) -> tuple[Requirement, Step]:
    change, create = sibling(operation, "update"), sibling(operation, "create")
    return change, AuthorizeApply(gate, change, create)


def _by_reference(operation: Operation, gate: Gate) -> tuple[Requirement, Step]:
    view = sibling(operation, "get")
    return view, AuthorizeAnswer(gate, view)


_DERIVED: dict[str, Callable[[Operation, Gate], tuple[Requirement, Step]]] = {
    "LoadForApply": _apply,
    "LoadByReference": _by_reference,
}
"""Steps that find out what an rpc is about, and from which other rpcs of the service its permission then comes."""
