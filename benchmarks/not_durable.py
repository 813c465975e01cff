"""``stigmer`` with ``synchronous=NORMAL``: to see what it costs that acknowledged means on disk. Not for anything else."""

from stigmer.cli import main
from stigmer.store.sqlite import connection

connection._ALWAYS = ("PRAGMA synchronous = NORMAL", *connection._ALWAYS[1:])  # noqa: SLF001 - there is no such setting

if __name__ == "__main__":
    main()
