"""The rows of a page, each compared with its checksum and with what the caller may see."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence

from stigmer.store import Stored, Visible
from stigmer.store.sqlite.checksum import of_wire
from stigmer.store.sqlite.faults import damaged
from stigmer.store.sqlite.views import sees

COLUMNS = "r.sequence, r.revision, r.wire, r.wire_checksum, r.id, r.scope, r.owner"
"""What a query for ``listed`` selects of each row ``r``."""


def listed(connection: sqlite3.Connection, sql: str, parameters: Sequence[object], visible: Visible | None) -> Iterator[Stored]:
    """What ``sql`` finds.

    Raises:
        DataLoss: a row is damaged, or an index that leads to what is not the caller's to see.
    """
    with contextlib.closing(connection.execute(sql, parameters)) as cursor:
        try:
            for sequence, revision, wire, expected, id_, scope, owner in cursor:
                if of_wire(id_, wire) != expected or not (visible is None or sees(visible, id_, scope, owner)):
                    raise damaged()
                yield Stored(sequence, revision, wire)
        except (TypeError, AttributeError):  # damage can change a value's type
            raise damaged() from None
