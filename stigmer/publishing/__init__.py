"""Publishing: every committed change goes out to others, at least once, in order for each resource. What plugins build on."""

from stigmer.publishing.cloud_event import CloudEvent
from stigmer.publishing.publish import Publish, publishing
from stigmer.publishing.relay import Relay
from stigmer.publishing.sink import Sink, TryAgain

__all__ = ["CloudEvent", "Publish", "Relay", "Sink", "TryAgain", "publishing"]
