"""Watching resources: one reader of the change feed for each kind and process, and any number of watchers who share it."""

from stigmer.watching.happened import Happened
from stigmer.watching.hub import Hub, Hubs
from stigmer.watching.selection import Happening, Selection
from stigmer.watching.sight import Sight, sees_others
from stigmer.watching.watch import Begin, Watch

__all__ = ["Begin", "Happened", "Happening", "Hub", "Hubs", "Selection", "Sight", "Watch", "sees_others"]
