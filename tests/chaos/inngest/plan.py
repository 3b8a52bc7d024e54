"""What the parts of a run have to agree on: names, and which function is to come to which end."""

from __future__ import annotations

import hashlib
from typing import Final

APP: Final = "chaos"
PATH: Final = "/api/inngest"
CHECKED: Final = "chaos-v4-total"
"""The function of the app that stores its steps by checkpoints."""

CHECKED_STEPS: Final = ("first", "second", "third", "last")
BROKEN: Final = "print"
"""The step that always fails."""

BROKEN_BY: Final = "RuntimeError"
"""What it raises."""

STARTED_BY: Final = {
    "order/placed": "chaos-order", "report/asked": "chaos-report", "notice/asked": "chaos-notice",
    "echo/asked": "chaos-echo", "total/asked": CHECKED,
}  # fmt: skip
"""The function that an event starts."""

FOLLOWED_BY: Final = {"order/placed": ("order/paid", "order/shipped")}
"""The events that a run waits for."""

RESULTS: Final = {
    "chaos-order": [
        "reserve", "pick-1", "pick-2", "pick-3", "order/paid", "weigh", {}, "order/shipped", None, "track",
        "close",
    ],
    "chaos-packer": ["fold", "fill"],
    "chaos-notice": ["file"],
    "chaos-echo": ["note"],
    "chaos-report-failure": "apologize",
    CHECKED: list(CHECKED_STEPS),
}  # fmt: skip
"""What a function returns: of a step its token, of a wait the event, of another function what that returned."""


def id_of(name: str, n: int) -> str:
    """The id that the sender gives an event."""
    return f"{name} {n}"


def hash_of(step: str) -> str:
    """The id that an SDK gives a step."""
    return hashlib.sha1(step.encode()).hexdigest()
