"""What the parts of a durable insert cost: the same inserts again and again, each time with one part less.

Usage: python benchmarks/insert_parts.py

Transactions of 64, as a busy server makes them; microseconds of an insert, and what the part that was left out had cost. Later
rows of a run have more sessions in the file, so that differences of a few microseconds say nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from load import realistic

from stigmer.session.kind import SESSION
from stigmer.store import Document, Owner
from stigmer.store.document import COMMON_COLUMNS, make_document
from stigmer.store.sqlite import open_sqlite, rows
from stigmer.store.sqlite.connection import OPTIONS, prepare, uri
from stigmer.store.sqlite.table import Table
from stigmer.store.sqlite.writer import commit_together

INSERTS, TOGETHER = 4000, 64
_numbers = itertools.count()


def document() -> Document:
    """A session that is not there yet."""
    number = next(_numbers)
    session = realistic(number)
    session.metadata.id, session.metadata.slug = f"ses-{number:026}", f"s-{number}"
    return make_document(SESSION, session, Owner(2, session.metadata.org))


def measure(connection: sqlite3.Connection, table: Table) -> float:
    """Microseconds of an insert."""
    documents = [document() for _ in range(INSERTS)]
    began = time.perf_counter()
    for first in range(0, INSERTS, TOGETHER):
        works = [
            lambda raw, later, each=each: rows.insert(raw, later, table, each) for each in documents[first : first + TOGETHER]
        ]
        for result in commit_together(connection, works).results:
            if isinstance(result, Exception):
                raise result
    return (time.perf_counter() - began) / INSERTS * 1e6


def without_words(_: sqlite3.Connection, table: Table) -> None:
    """Neither takes texts apart nor indexes their words."""
    rows.words_in = lambda *_: ""
    table.write = table.write._replace(add_words="SELECT ?, ?")


def without_tags_and_labels(_: sqlite3.Connection, table: Table) -> None:
    """Leaves both out."""
    del table
    rows._add_tags = rows._add_labels = lambda *_: None  # noqa: SLF001 - parts of an insert


def without_feed(_: sqlite3.Connection, table: Table) -> None:
    """Tells nobody."""
    del table
    rows._log = lambda *_: None  # noqa: SLF001 - a part of an insert


def without_size(connection: sqlite3.Connection, table: Table) -> None:
    """Does not count."""
    connection.execute(f'DROP TRIGGER "{table.name}_size_insert"')


def without_filters(connection: sqlite3.Connection, table: Table) -> None:
    """Keeps no index that filters and orders alone need."""
    for column in ("slug", "subject", "thread_id", *COMMON_COLUMNS):
        connection.execute(f'DROP INDEX "{table.index_name(column)}"')


PARTS: dict[str, Callable[[sqlite3.Connection, Table], None]] = {
    "words": without_words,
    "tags and labels": without_tags_and_labels,
    "change feed": without_feed,
    "size": without_size,
    "indexes of filters and orders": without_filters,
}


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        path, table = Path(folder) / "parts.db", Table(SESSION)
        asyncio.run(_create(path))
        connection = sqlite3.connect(uri(path, "rw"), **OPTIONS)
        prepare(connection, query_only=False)
        measure(connection, table)
        before = measure(connection, table)
        print(f"everything: {before:.0f} us")
        for name, leave_out in PARTS.items():
            leave_out(connection, table)
            now = measure(connection, table)
            print(f"without {name}: {now:.0f} us, {before - now:.0f} less")
            before = now
        connection.close()


async def _create(path: Path) -> None:
    await (await open_sqlite(path, [SESSION])).close()


if __name__ == "__main__":
    main()
