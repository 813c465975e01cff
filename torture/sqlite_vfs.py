"""Stands between SQLite and the file system: what tests of power cuts and of failing disks look through.

The server's own SQLite is told of it, the library that Python's ``sqlite3`` uses: the code under test is the one that runs in
production, with its threads, its connections and its statements. Nothing is compiled; ctypes fills in the tables of functions.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

OK, FULL, CANTOPEN = 0, 13, 14
IOERR_READ, IOERR_WRITE, IOERR_SYNC, IOERR_TRUNCATE, IOERR_DELETE = 266, 778, 1034, 1546, 2570
_NAME = b"watched"
_METHODS = 19
_READ, _WRITE, _TRUNCATE, _SYNC, _CLOSE = 2, 3, 4, 5, 1

_Close = CFUNCTYPE(c_int, c_void_p)
_Data = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Size = CFUNCTYPE(c_int, c_void_p, c_int64)
_Flags = CFUNCTYPE(c_int, c_void_p, c_int)
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_Table = c_void_p * _METHODS


class _Vfs(Structure):
    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("longest_name", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Open),
        ("delete", _Delete),
        ("others", c_void_p * 14),
    )


class Watcher:
    """What is told of each call before it is made. Each method gives a code of SQLite's; another one than OK replaces the call.

    They are called in the threads of SQLite, several at a time.
    """

    real_sync = True
    """Whether a sync that is allowed is carried out, too."""

    def open(self, path: Path, *, existed: bool) -> int:
        """A file is opened, and made if it did not exist."""
        return OK

    def read(self, path: Path, offset: int, size: int) -> int:
        """Bytes are read."""
        return OK

    def write(self, path: Path, offset: int, data: bytes) -> int:
        """Bytes are written."""
        return OK

    def truncate(self, path: Path, size: int) -> int:
        """A file is made shorter."""
        return OK

    def sync(self, path: Path) -> int:
        """What was written to a file is made durable; with it, that the file exists."""
        return OK

    def delete(self, path: Path, *, durably: bool) -> int:
        """A file is removed."""
        return OK


def available() -> bool:
    """Whether the library that Python uses can be reached: it is a shared one, or its names are visible."""
    return _library() is not None


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Within it, every database that is opened in this process is watched; all have to be closed before its end."""
    library = _library()
    if library is None:
        raise RuntimeError("the SQLite of this Python cannot be reached")
    layer = _Layer(library, watcher)
    library.sqlite3_vfs_register(ctypes.addressof(layer.vfs), 1)
    try:
        yield
    finally:
        library.sqlite3_vfs_register(layer.below, 1)
        library.sqlite3_vfs_unregister(ctypes.addressof(layer.vfs))
    if layer.paths:
        raise RuntimeError(f"still open: {sorted(map(str, layer.paths.values()))}")


def _library() -> ctypes.CDLL | None:
    for name in (getattr(_sqlite3, "__file__", None), None):
        library = ctypes.CDLL(name)
        with contextlib.suppress(AttributeError):
            library.sqlite3_vfs_find.restype = c_void_p
            library.sqlite3_vfs_find.argtypes = [c_char_p]
            library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
            library.sqlite3_vfs_unregister.argtypes = [c_void_p]
            return library
    return None


class _Layer:
    """A copy of the file system's own layer in which a few functions are ours.

    An opened file gets a copy of its table of functions, with the same change: all the rest SQLite calls without us.
    """

    def __init__(self, library: ctypes.CDLL, watcher: Watcher) -> None:
        self.below: int = library.sqlite3_vfs_find(None)
        self.watcher = watcher
        self.paths: dict[int, Path] = {}
        self._real = _Vfs.from_address(self.below)
        self._tables: dict[int, tuple[Any, _Calls]] = {}
        self.vfs = _Vfs.from_buffer_copy(self._real)
        self.vfs.name = _NAME
        self.vfs.open = _Open(self._open)
        self.vfs.delete = _Delete(self._delete)

    def _open(self, _: int, name: int | None, file: int, flags: int, given: Any) -> int:
        path = Path(os.fsdecode(ctypes.string_at(name))) if name else Path()
        existed = not name or path.exists()
        code = self.watcher.open(path, existed=existed)
        methods = c_void_p.from_address(file)
        if code != OK:
            methods.value = None
            return code
        code = self._real.open(self.below, name, file, flags, given)
        if methods.value and name:
            table, _ = self._tables.get(methods.value) or self._changed(methods.value)
            self.paths[file] = path
            methods.value = ctypes.addressof(table)
        return code

    def _delete(self, _: int, name: int, durably: int) -> int:
        path = Path(os.fsdecode(ctypes.string_at(name)))
        return self.watcher.delete(path, durably=bool(durably)) or self._real.delete(self.below, name, durably)

    def _changed(self, address: int) -> tuple[Any, _Calls]:
        table = _Table.from_buffer_copy(_Table.from_address(address))
        calls = _Calls(self, table)
        self._tables[address] = table, calls
        for number, function in calls.ours.items():
            table[number] = ctypes.cast(function, c_void_p).value
        return table, calls


class _Calls:
    """The functions of opened files that are ours."""

    def __init__(self, layer: _Layer, table: Any) -> None:
        paths, watcher = layer.paths, layer.watcher
        read, write = _Data(table[_READ]), _Data(table[_WRITE])
        truncate, sync, close = _Size(table[_TRUNCATE]), _Flags(table[_SYNC]), _Close(table[_CLOSE])

        def read_(file: int, buffer: int, size: int, offset: int) -> int:
            return watcher.read(paths[file], offset, size) or read(file, buffer, size, offset)

        def write_(file: int, buffer: int, size: int, offset: int) -> int:
            return watcher.write(paths[file], offset, ctypes.string_at(buffer, size)) or write(file, buffer, size, offset)

        def truncate_(file: int, size: int) -> int:
            return watcher.truncate(paths[file], size) or truncate(file, size)

        def sync_(file: int, flags: int) -> int:
            return watcher.sync(paths[file]) or (sync(file, flags) if watcher.real_sync else OK)

        def close_(file: int) -> int:
            paths.pop(file, None)
            return close(file)

        made: dict[int, Callable[..., Any]] = {
            _READ: _Data(read_),
            _WRITE: _Data(write_),
            _TRUNCATE: _Size(truncate_),
            _SYNC: _Flags(sync_),
            _CLOSE: _Close(close_),
        }
        self.ours = made
