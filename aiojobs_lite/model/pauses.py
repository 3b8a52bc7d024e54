"""What is known of a type that is paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause of a job type.

    Attributes:
        since: When it was paused, UTC; None if a release that did not store it paused the type.
        by: The person or program that paused it, as given to `runner.types.pause`; None in the same case.
    """

    since: datetime | None = None
    by: str | None = None
