"""The public test kit: what a plugin's or a store's own tests are made with."""

from stigmer.testing.context import SteppingClock, make_context, make_services, run_steps
from stigmer.testing.server import serving
from stigmer.testing.settings import make_settings
from stigmer.testing.step import StepConformance

__all__ = ["StepConformance", "SteppingClock", "make_context", "make_services", "make_settings", "run_steps", "serving"]
