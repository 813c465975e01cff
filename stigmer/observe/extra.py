"""Says what to install when a package of the extra ``observe`` is asked for and missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stigmer.errors import ConfigurationError


@contextmanager
def needed_by(setting: str) -> Iterator[None]:
    """Imports of the extra's packages go in here.

    Raises:
        ConfigurationError: one is missing; the text names ``setting``, the package and the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        text = (
            f"{setting} is on, but the package {error.name} is missing: install the extra with pip install 'stigmer[observe]'"
        )
        raise ConfigurationError(text) from error
