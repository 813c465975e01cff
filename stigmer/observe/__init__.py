"""What an operator sees of a server: a log line, a span and a duration for each call. A built-in plugin, free when off."""

from stigmer.observe.logs import configure_logging
from stigmer.observe.plugin import Observe

__all__ = ["Observe", "configure_logging"]
