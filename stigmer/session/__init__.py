"""The built-in plugin ``session``: the operations on sessions, one file each."""

from __future__ import annotations

from stigmer.hookspecs import hookimpl
from stigmer.operation import Operation
from stigmer.session.apply import APPLY
from stigmer.session.batch_get import BATCH_GET
from stigmer.session.create import CREATE
from stigmer.session.delete import DELETE
from stigmer.session.get import GET
from stigmer.session.get_by_reference import GET_BY_REFERENCE
from stigmer.session.list import LIST
from stigmer.session.list_by_agent import LIST_BY_AGENT
from stigmer.session.list_versions import LIST_VERSIONS
from stigmer.session.restore import RESTORE
from stigmer.session.update import UPDATE
from stigmer.session.watch import WATCH


@hookimpl
def register_operations() -> tuple[Operation, ...]:
    """Serves sessions."""
    return CREATE, UPDATE, DELETE, APPLY, GET, BATCH_GET, GET_BY_REFERENCE, LIST, LIST_BY_AGENT, LIST_VERSIONS, RESTORE, WATCH
