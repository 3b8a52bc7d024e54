"""Which options hold the jobs of a type back or refuse them, checked together, and what they make of a new job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiojobs_lite.clock import after
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.keys import KeyReader
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.unique import Unique


@dataclass(frozen=True, slots=True)
class Flow:
    """The checked options of a type or of one enqueue.

    Attributes:
        unique: Of the jobs with the same key there is one.
        key: Takes the key from a payload.
    """

    unique: Unique
    key: KeyReader

    @property
    def replaces(self) -> bool:
        """Whether it gives the arguments of one enqueue to the job of another."""
        return self.unique.on_conflict == "replace"

    def candidate(self, row: NewJob) -> Candidate:
        """A new job with its conditions.

        Raises:
            InvalidKey: If the payload gives no key.
        """
        key, unique = self.key.read(row.payload), self.unique
        if unique.scope is None:
            return Candidate(row, unique.on_conflict, window_key=key, until=after(row.created_at, unique.window or 0.0))
        return Candidate(row._replace(unique_key=key, unique_scope=unique.scope.value), unique.on_conflict)


def make_flow(
    given: Mapping[str, Any], before: Flow | None, signature: Signature, handler: Callable[..., Any]
) -> Flow | None:
    """The options of a type, or of a type with those of one enqueue; None without any.

    Args:
        given: The options by name; None is the same as to leave one out.
        before: What these change.
        signature: The parameters of the handler.
        handler: The handler.

    Raises:
        InvalidOption: If one of them cannot work, or not with another.
    """
    unique = given.get("unique")
    if unique is None:
        return before
    if not isinstance(unique, Unique):
        raise InvalidOption("unique", unique, 'a Unique, such as Unique("user_id")')
    return Flow(unique, KeyReader("unique", unique.key, signature, handler))
