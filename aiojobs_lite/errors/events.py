"""About events."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError


class EventError(AiojobsError):
    """The base class of the errors about events."""


class InvalidEvent(EventError):
    """An event cannot be sent, and nothing was.

    Attributes:
        name: The name of the event.
    """

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"event {name!r} was not sent: {problem.rstrip('.')}.")


class EventNotFound(EventError, LookupError):
    """No event has this number: it was never sent, or it was pruned.

    Attributes:
        number: The number.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"there is no event {number}: never sent, or pruned. See `await runner.events.list()`.")
