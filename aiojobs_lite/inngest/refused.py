"""Registrations that were refused: why, in the log, since apps often show nothing of the answer."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.logs import get_log
from aiojobs_lite.sizes import LONGEST_PROBLEM_SHOWN_CHARS
from aiojobs_lite.text import escape, shorten

_log = get_log("inngest")
MOST_REASONS_KNOWN: Final = 100
"""Reasons that are remembered to have been logged."""


class RefusedRegistrations:
    """Logs each reason once: an app repeats its registration.

    Attributes:
        count: How many registrations were refused so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._known = set[str]()

    def report(self, host: str | None, problem: str) -> None:
        """Logs why a registration was refused, if that is new.

        Args:
            host: From where it came, if that is known.
            problem: What is wrong with it.
        """
        self.count += 1
        if problem in self._known:
            return
        if len(self._known) >= MOST_REASONS_KNOWN:
            self._known.clear()
        self._known.add(problem)
        why = shorten(escape(problem), LONGEST_PROBLEM_SHOWN_CHARS)
        _log.warning("an app%s was not registered: %s", "" if host is None else f" at {host}", why)

    def forget(self) -> None:
        """Has every reason logged again: something was put right."""
        self._known.clear()
