"""Whether a file's tables, indexes and triggers are those that the schema means.

SQLite keeps their definitions as text, in which no checksum finds a flipped bit: a column is then another one, and a statement
that names it in quotes reads its name in place of its value. So a new database in memory is held beside the file.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence

from stigmer.errors import ConfigurationError
from stigmer.store.sqlite.connection import OPTIONS
from stigmer.store.sqlite.schema import add_kinds, migrate
from stigmer.store.sqlite.table import Table

_SHAPES = (
    """SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk
    FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'""",
    """SELECT m.name, i.name, i."unique", c.seqno, c.name, c.coll, c.key
    FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS i JOIN pragma_index_xinfo(i.name) AS c WHERE m.type = 'table'""",
    "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' OR sql LIKE 'CREATE VIRTUAL%'",
)
"""Columns, indexes, and what is text through and through. More may be there: kinds of other plugins, a person's index."""


def check_shape(connection: sqlite3.Connection, tables: Sequence[Table]) -> None:
    """Makes sure that everything is there, of the newest version, for these tables.

    Raises:
        ConfigurationError: something is missing, or another thing.
    """
    with contextlib.closing(sqlite3.connect(":memory:", **OPTIONS)) as meant:
        migrate(meant)
        add_kinds(meant, tables)
        for query in _SHAPES:
            if set(meant.execute(query).fetchall()) - set(connection.execute(query).fetchall()):
                raise ConfigurationError("its schema is damaged; restore a backup")
