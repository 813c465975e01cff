"""The tables of one kind: their definition and every statement that is run on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from stigmer.errors import ConfigurationError
from stigmer.kind import Kind
from stigmer.store.document import COMMON_COLUMNS

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
        "document_checksum",
        "wire",
        "document",
        "rowid",
        "oid",
        "_rowid_",
        *COMMON_COLUMNS,
    }
)
_CONTENT = ("wire_checksum", "key_checksum", "document_checksum", "wire", "document")
_TIMES = frozenset({"created_at", "updated_at"})
_EMPTY = "''"
_OWN_TABLES = frozenset({"meta", "kinds"})

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
    document_checksum INTEGER NOT NULL,{columns}
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
{size}
"""
# Large columns come last, the wire bytes before the document: a get then reads no page that only the document is on.

CREATED, UPDATED, DELETED = range(1, 4)
"""What happened to a resource, in the change log."""

LOGGED = 10_000
"""So many changes does the log hold. Whoever is further behind begins anew."""

LOG = 'CREATE TABLE "{name}_change" (number INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, event INTEGER NOT NULL)'
"""The change log: what views and caches follow. Its numbers have no gaps, as the newest row is never deleted."""

SIZE = 'CREATE TABLE "{name}_size" AS SELECT COUNT(*) AS total FROM "{name}"'
"""How many resources there are: SQLite counts rows one by one."""

TEXT = "CREATE VIRTUAL TABLE \"{name}_text\" USING fts5(words, content='', tokenize='ascii', detail='none')"
"""The words of each resource by its sequence, in the form that ``words_of`` gives: no other character is in them."""

_LOGS = {CREATED: ("INSERT", "NEW", "+ 1"), UPDATED: ("UPDATE", "NEW", ""), DELETED: ("DELETE", "OLD", "- 1")}


def log_triggers(name: str) -> Sequence[str]:
    """The statements that keep change log and size right, whoever writes: also an older server, or a person."""
    return [
        f"""CREATE TRIGGER "{name}_log_{verb.lower()}" AFTER {verb} ON "{name}" BEGIN
            INSERT INTO "{name}_change" (sequence, event) VALUES ({row}.sequence, {event});
            DELETE FROM "{name}_change" WHERE number = last_insert_rowid() - {LOGGED};
            {f'UPDATE "{name}_size" SET total = total {difference};' if difference else ""}
        END"""  # noqa: S608 - validated names
        for event, (verb, row, difference) in _LOGS.items()
    ]


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
        return (self.name, *(f"{self.name}_{part}" for part in ("tag", "label", "deleted", "change", "size", "text")))

    def definition(self) -> Sequence[str]:
        """The statements that create the tables."""
        columns = "".join(f"\n    {self.column_definition(column)}," for column in self.columns)
        log, size, text = (each.format(name=self.name) for each in (LOG, SIZE, TEXT))
        create = _DEFINITION.format(name=self.name, columns=columns, log=log, size=size).split(";")
        return (*create, text, *log_triggers(self.name), *(self.index_definition(column) for column in self.columns))

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
    )


def _read_statements(name: str) -> Read:
    row = f'SELECT sequence, revision, wire, wire_checksum, key_checksum, id, scope, owner, slug FROM "{name}"'  # noqa: S608 - validated names
    used = f'SELECT 1 FROM "{name}" WHERE id = ? UNION ALL SELECT 1 FROM "{name}_deleted" WHERE id = ?'  # noqa: S608 - as above
    return Read(get=f"{row} WHERE id = ?", find=f"{row} WHERE scope = ? AND owner = ? AND slug = ?", id_used=used)
