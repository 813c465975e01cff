"""Who follows the feed, and how far they are. Runs in a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from stigmer.store.feed import Claim
from stigmer.store.sqlite.changes import last_change
from stigmer.store.sqlite.table import Table

_CLAIM = """
INSERT INTO consumer VALUES (:name, :holder, :until)
ON CONFLICT (name) DO UPDATE SET holder = :holder, until = :until WHERE holder = :holder OR until <= :now
"""
_EXTEND = "UPDATE consumer SET until = :until WHERE name = :name AND holder = :holder AND until > :now"


def claim(connection: sqlite3.Connection, tables: Sequence[Table], claim: Claim) -> Mapping[str, int] | None:
    """See ``Feed.claim``."""
    name = claim.consumer
    if not connection.execute(_CLAIM, _values(claim)).rowcount:
        return None
    for table in tables:
        first = (name, table.name, last_change(connection, table))
        connection.execute("INSERT OR IGNORE INTO consumer_position VALUES (?, ?, ?)", first)
    return dict(connection.execute("SELECT kind, number FROM consumer_position WHERE consumer = ?", (name,)).fetchall())


def advance(connection: sqlite3.Connection, claim: Claim, done: Mapping[str, int]) -> bool:
    """See ``Feed.advance``."""
    if not connection.execute(_EXTEND, _values(claim)).rowcount:
        return False
    connection.executemany(
        "UPDATE consumer_position SET number = ? WHERE consumer = ? AND kind = ?",
        [(number, claim.consumer, kind) for kind, number in done.items()],
    )
    return True


def release(connection: sqlite3.Connection, claim: Claim) -> None:
    """See ``Feed.release``."""
    connection.execute("UPDATE consumer SET until = 0 WHERE name = ? AND holder = ?", (claim.consumer, claim.holder))


def slowest(connection: sqlite3.Connection, table: Table, since: int) -> int | None:
    """How far the slowest of those is who were active since then; None without any."""
    sql = "SELECT MIN(p.number) FROM consumer_position AS p JOIN consumer AS c ON c.name = p.consumer"
    number: int | None = connection.execute(f"{sql} WHERE p.kind = ? AND c.until >= ?", (table.name, since)).fetchall()[0][0]
    return number


def _values(claim: Claim) -> dict[str, object]:
    return {"name": claim.consumer, "holder": claim.holder, "now": claim.now, "until": claim.until}
