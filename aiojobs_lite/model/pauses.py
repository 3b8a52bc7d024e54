"""What is known of a type, or of a limit by key, that is paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause of a job type, or of a limit by key.

    Attributes:
        since: When it was paused, UTC; None if a release that did not store it paused the type.
        by: The person or program that paused it, as given to `runner.types.pause`; None in the same case.
        until: When it ends by itself, UTC; None: it is resumed. That of a type has no end.
    """

    since: datetime | None = None
    by: str | None = None
    until: datetime | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether it has ended by itself at an instant."""
        return self.until is not None and self.until <= now

    def lasts_longer(self, other: Pause) -> bool:
        """Whether it ends after another one."""
        return other.until is not None and (self.until is None or self.until > other.until)


def in_force(own: Pause | None, of_all: Pause | None, now: datetime) -> Pause | None:
    """The pause of a limit for a key at an instant: that of the key or that of all, whichever lasts longer."""
    left = [pause for pause in (own, of_all) if pause is not None and not pause.has_ended(now)]
    return left[-1] if len(left) > 1 and left[-1].lasts_longer(left[0]) else next(iter(left), None)
