"""The tables of one kind: their definition and every statement that is run on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from stigmer.errors import ConfigurationError
from stigmer.kind import Kind
from stigmer.store.document import COMMON_COLUMNS
from stigmer.store.feed import Event

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,47}")
_OWN_COLUMNS = frozenset(
    {
        "sequence",
        "id",
        "scope",
        "owner",
        "slug",
        "org",
        "revision",
        "wire_checksum",
        "key_checksum",
        "json_checksum",
        "document_checksum",
        "wire",
        "document",
        "rowid",
        "oid",
        "_rowid_",
        *COMMON_COLUMNS,
    }
)
_CONTENT = ("wire_checksum", "key_checksum", "json_checksum", "wire", "document")
_TIMES = frozenset({"created_at", "updated_at"})
_EMPTY = "''"
_OWN_TABLES = frozenset({"meta", "kinds", "answer", "consumer", "consumer_position"})

_DEFINITION = """
CREATE TABLE "{name}" (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL,
    owner TEXT NOT NULL,
    slug TEXT NOT NULL,
    org TEXT NOT NULL,
    revision INTEGER NOT NULL,
    wire_checksum INTEGER NOT NULL,
    key_checksum INTEGER NOT NULL,
    json_checksum INTEGER NOT NULL,{columns}
    wire BLOB NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (scope, owner, slug)
);
CREATE INDEX "{name}_by_org" ON "{name}" (org);
CREATE INDEX "{name}_by_slug" ON "{name}" (slug);
CREATE TABLE "{name}_tag" (tag TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (tag, sequence)) WITHOUT ROWID;
CREATE INDEX "{name}_tag_by_sequence" ON "{name}_tag" (sequence);
CREATE TABLE "{name}_label" (
    name TEXT NOT NULL, value TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (name, value, sequence)
) WITHOUT ROWID;
CREATE INDEX "{name}_label_by_sequence" ON "{name}_label" (sequence);
CREATE TABLE "{name}_deleted" (id TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID;
{log};
{log_by_sequence};
{feed};
{size}
"""
# Large columns come last, the wire bytes before the document: a get then reads no page that only the document is on.

LOG = """CREATE TABLE "{name}_change" (
    number INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL,
    event INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    time INTEGER NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    actor TEXT NOT NULL,
    trace TEXT NOT NULL,
    checksum INTEGER,
    wire BLOB
)"""
"""The change log: what watches, publishers, views and caches follow, and the history of resources. A deletion has no bytes of
its own. What has no checksum was told by ``tell_triggers``. The newest row is never removed, so that no number is given twice.
"""

LOG_BY_SEQUENCE = 'CREATE INDEX "{name}_change_by_sequence" ON "{name}_change" (sequence)'

FEED = 'CREATE TABLE "{name}_feed" AS SELECT COALESCE(MAX(number), 0) AS compacted FROM "{name}_change"'
"""From which number on the change log is complete: what it has of earlier ones is history."""

SIZE = 'CREATE TABLE "{name}_size" AS SELECT COUNT(*) AS total FROM "{name}"'
"""How many resources there are: SQLite counts rows one by one."""

TEXT = "CREATE VIRTUAL TABLE \"{name}_text\" USING fts5(words, content='', tokenize='ascii', detail='none')"
"""The words of each resource by its sequence, in the form that ``words_of`` gives: no other character is in them."""

_SIZES = {"INSERT": "+ 1", "DELETE": "- 1"}


def size_triggers(name: str) -> Sequence[str]:
    """The statements that keep the size right, whoever writes: also a person."""
    return [
        f"""CREATE TRIGGER "{name}_size_{verb.lower()}" AFTER {verb} ON "{name}" BEGIN
            UPDATE "{name}_size" SET total = total {difference};
        END"""  # noqa: S608 - validated names
        for verb, difference in _SIZES.items()
    ]


def tell_triggers(name: str) -> Sequence[str]:
    """The statements that tell of what a person has changed or removed with a tool, who tells nobody."""
    return [
        f"""CREATE TRIGGER "{name}_tell_{verb.lower()}" AFTER {verb} ON "{name}" WHEN {when} BEGIN
            INSERT INTO "{name}_change" ({LOGGED})
            VALUES ({row}.sequence, {int(event)}, {row}.revision, 0, {row}.id, '', '', '', NULL, {wire});
        END"""  # noqa: S608 - validated names
        for verb, row, event, wire, when in (
            ("UPDATE", "NEW", Event.UPDATED, "NEW.wire", "NEW.revision = OLD.revision AND NEW.wire IS NOT OLD.wire"),
            (
                *("DELETE", "OLD", Event.DELETED, "NULL"),
                f'NOT EXISTS (SELECT 1 FROM "{name}_change" WHERE sequence = OLD.sequence AND event = {int(Event.DELETED)})',  # noqa: S608 - as above
            ),
        )
    ]


LOGGED = "sequence, event, revision, time, id, version, actor, trace, checksum, wire"
"""The columns of the change log, but for the number."""


class Write(NamedTuple):
    """The statements that write. For an update there is ``Table.update``."""

    insert: str
    locate: str
    delete: str
    remember: str
    id_taken: str
    tags: str
    add_tag: str
    drop_tags: str
    labels: str
    add_label: str
    drop_labels: str
    add_words: str
    drop_words: str
    log: str


class Read(NamedTuple):
    """The statements that read single resources."""

    get: str
    find: str
    id_used: str


class Table:
    """The tables of one kind.

    Attributes:
        kind: what is kept there.
        name: of the table of resources; the others begin with it.
        columns: names of the columns that are indexed: those of the kind, and the common ones.
        write: statements.
        read: statements.
    """

    def __init__(self, kind: Kind[Any]) -> None:
        """Takes names from the kind.

        Raises:
            ConfigurationError: one of them cannot be a table or column.
        """
        self.kind = kind
        self.name = _identifier(kind.key, "kind", _OWN_TABLES)
        own = [_identifier(column, f"indexed field of kind {kind.key}", _OWN_COLUMNS) for column in kind.indexed]
        self.columns = (*own, *COMMON_COLUMNS)
        self.searched = tuple(self.columns.index(name) for name in kind.searched)
        self._updates: dict[tuple[str, ...], str] = {}
        self.write = _write_statements(self.name, self.columns)
        self.read = _read_statements(self.name)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of all its tables."""
        return (self.name, *(f"{self.name}_{part}" for part in ("tag", "label", "deleted", "change", "feed", "size", "text")))

    def definition(self) -> Sequence[str]:
        """The statements that create the tables."""
        columns = "".join(f"\n    {self.column_definition(column)}," for column in self.columns)
        log, by, feed, size, text = (each.format(name=self.name) for each in (LOG, LOG_BY_SEQUENCE, FEED, SIZE, TEXT))
        create = _DEFINITION.format(name=self.name, columns=columns, log=log, log_by_sequence=by, feed=feed, size=size)
        indexes = (self.index_definition(column) for column in self.columns)
        return (*create.split(";"), text, *size_triggers(self.name), *tell_triggers(self.name), *indexes)

    def column_definition(self, column: str) -> str:
        """One of ``columns`` as a table is made with it."""
        return f'"{column}" {"INTEGER NOT NULL DEFAULT 0" if column in _TIMES else f"TEXT NOT NULL DEFAULT {_EMPTY}"}'

    def update(self, changed: tuple[str, ...]) -> str:
        """The statement that writes a resource of whose ``org`` and ``columns`` those in ``changed`` have changed.

        Each column that is named costs SQLite a change of its index, also when it stays what it was.
        """
        statement = self._updates.get(changed)
        if statement is None:
            assigned = ", ".join(f'"{column}" = ?' for column in [*changed, "revision", *_CONTENT])
            statement = self._updates[changed] = f'UPDATE "{self.name}" SET {assigned} WHERE sequence = ?'  # noqa: S608 - validated names
        return statement

    def index_name(self, column: str) -> str:
        """The name of the index on one of ``columns``. Its entries are in order of sequence, as those of all indexes are."""
        return f"{self.name}_by_{column}"

    def index_definition(self, column: str) -> str:
        """The statement that creates the index on one of ``columns``."""
        return f'CREATE INDEX IF NOT EXISTS "{self.index_name(column)}" ON "{self.name}" ("{column}")'


def distinct(tables: Sequence[Table]) -> Sequence[Table]:
    """``tables``, when no name is used twice.

    Raises:
        ConfigurationError: two kinds want the same table.
    """
    names = [name for table in tables for name in table.tables]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"two kinds would share the table {twice[0]}")
    return tables


def _identifier(name: str, what: str, taken: frozenset[str]) -> str:
    if not _IDENTIFIER.fullmatch(name) or name in taken or name.startswith("sqlite_"):
        raise ConfigurationError(f"{what}: {name!r} cannot be a name in the SQLite store")
    return name


def _write_statements(name: str, columns: Sequence[str]) -> Write:
    """The order of parameters is that of ``rows.insert``."""
    quoted = [f'"{column}"' for column in columns]
    unused = f'NOT EXISTS (SELECT 1 FROM "{name}_deleted" WHERE id = ?)'  # noqa: S608 - validated names
    names = ["id", "scope", "owner", "slug", "org", *quoted, "revision", *_CONTENT]
    marks = ", ".join("?" * len(names))
    return Write(
        insert=f'INSERT INTO "{name}" ({", ".join(names)}) SELECT {marks} WHERE {unused}',
        locate=f'SELECT sequence, scope, owner, slug, org, {", ".join(quoted)} FROM "{name}" WHERE id = ? AND revision = ?',  # noqa: S608 - as above
        delete=f'DELETE FROM "{name}" WHERE sequence = ?',  # noqa: S608 - as above
        remember=f'INSERT INTO "{name}_deleted" VALUES (?)',  # noqa: S608 - as above
        id_taken=f'SELECT 1 FROM "{name}" WHERE id = ?',  # noqa: S608 - as above
        tags=f'SELECT tag FROM "{name}_tag" WHERE sequence = ?',  # noqa: S608 - as above
        add_tag=f'INSERT INTO "{name}_tag" VALUES (?, ?)',  # noqa: S608 - as above
        drop_tags=f'DELETE FROM "{name}_tag" WHERE sequence = ?',  # noqa: S608 - as above
        labels=f'SELECT name, value FROM "{name}_label" WHERE sequence = ?',  # noqa: S608 - as above
        add_label=f'INSERT INTO "{name}_label" VALUES (?, ?, ?)',  # noqa: S608 - as above
        drop_labels=f'DELETE FROM "{name}_label" WHERE sequence = ?',  # noqa: S608 - as above
        add_words=f'INSERT INTO "{name}_text" (rowid, words) VALUES (?, ?)',  # noqa: S608 - as above
        drop_words=f'INSERT INTO "{name}_text" ("{name}_text", rowid, words) VALUES (\'delete\', ?, ?)',  # noqa: S608 - as above
        log=f'INSERT INTO "{name}_change" ({LOGGED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',  # noqa: S608 - as above
    )


def _read_statements(name: str) -> Read:
    row = f'SELECT sequence, revision, wire, wire_checksum, key_checksum, id, scope, owner, slug FROM "{name}"'  # noqa: S608 - validated names
    used = f'SELECT 1 FROM "{name}" WHERE id = ? UNION ALL SELECT 1 FROM "{name}_deleted" WHERE id = ?'  # noqa: S608 - as above
    return Read(get=f"{row} WHERE id = ?", find=f"{row} WHERE scope = ? AND owner = ? AND slug = ?", id_used=used)
