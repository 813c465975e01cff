"""Watching resources: one reader of the change feed for each kind and process, and any number of watchers who share it."""

from stigmer.watching.hub import Hub, Hubs
from stigmer.watching.selection import Happening, Selection
from stigmer.watching.watch import Begin, Happened, LookAgain, Watch, sees_others

__all__ = ["Begin", "Happened", "Happening", "Hub", "Hubs", "LookAgain", "Selection", "Watch", "sees_others"]
