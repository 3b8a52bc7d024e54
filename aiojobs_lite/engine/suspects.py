"""What a look at the engine finds: a suspicion is a defect when several looks in a row agree.

A look is a turn of the event loop, so that neither a blocked loop nor a stopped process counts as several.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
SURE: Final = 3  # looks in a row: between them the event loop turns, and what is on its way arrives


class Defect(NamedTuple):
    """A state that no part of the engine should ever leave, with what is needed to report it.

    Attributes:
        what: The state, and what was done about it.
        job_id: The job, or 0.
        type: Its type, or `?`.
        attempt: The number of its attempt, or 0.
        age: For how many seconds the attempt has been there, or 0.
        parts: What is known of the parts around it.
    """

    what: str
    job_id: int = 0
    type: str = "?"
    attempt: int = 0
    age: float = 0.0
    parts: str = ""


class Suspects:
    """Counts in how many looks in a row each suspicion was there."""

    def __init__(self) -> None:
        self._looks: dict[Hashable, int] = {}

    def confirm(self, found: Mapping[K, int]) -> list[K]:
        """Takes what one look found, each with the looks that it needs; returns what as many in a row agree on."""
        self._looks = {key: self._looks.get(key, 0) + 1 for key in found}
        confirmed = [key for key, needed in found.items() if self._looks[key] >= needed]
        for key in confirmed:
            del self._looks[key]
        return confirmed
