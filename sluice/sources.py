"""The operator's sources and channels at the front door: to hold plans against; a wrong source is refused early."""

from __future__ import annotations

from gates.sources.config import ConfigError
from gates.sources.opening import from_folder
from plans import channels
from plans.load import Known
from sluice.errors import UsageError
from sluice.settings import Settings


def known(settings: Settings, *, offline: bool = False) -> Known:
    """What plans may name here; raises UsageError with every problem of the file."""
    try:
        return channels.from_folder(settings.data).added(from_folder(settings.data).known(offline=offline))
    except ConfigError as error:
        raise UsageError(str(error)) from error
