"""Unique jobs: the rule on a job type, and how long a job has its key."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.keys import KeySpec, check_key, shown_key
from aiojobs_lite.text import show_duration
from aiojobs_lite.words import WORDS_OF_UNIQUE, answers

OnConflict = Literal["return", "raise", "replace"]
_CONFLICTS: Final = ("return", "raise", "replace")
_SHORTEST_WINDOW_S: Final = 0.001


class UniqueScope(StrEnum):
    """How long a job has its unique key: until an attempt begins, or until it is finished."""

    PENDING = "pending"
    UNFINISHED = "unfinished"


@answers(WORDS_OF_UNIQUE)
class Unique:
    """Of the jobs of a type with the same key there is one at a time.

    Args:
        *key: Fields of the payload (dotted: one within another), one by one or as a list; or one function of the
            payload. Without any the key is all of the payload.
        scope: `"pending"`: until its first attempt begins; `"unfinished"`: until it is completed, dead or cancelled; a
            duration: for so long after its enqueue, whatever becomes of it.
        on_conflict: What a further enqueue does. `"return"`: it returns the job that is there, with `is_new` False;
            `"raise"`: it raises `UniqueConflict`; `"replace"`: the pending job gets its payload and its time.

    Attributes:
        key: The fields as a tuple, or the function; None: all of the payload.
        scope: Until when a job has its key; None: for `window`.
        window: Seconds; None: as `scope` says.
        on_conflict: As given.

    Raises:
        InvalidOption: If one of them cannot work.
    """

    __slots__ = ("key", "on_conflict", "scope", "window")

    def __init__(self, *key: KeySpec, scope: Duration = "unfinished", on_conflict: OnConflict = "return") -> None:
        given = key[0] if len(key) == 1 and not isinstance(key[0], str) else key  # a function, or a list of fields
        self.key: KeySpec | None = check_key("key", given) if key else None
        self.scope: UniqueScope | None = None
        self.window: float | None = None
        if isinstance(scope, str) and scope in tuple(UniqueScope):
            self.scope = UniqueScope(scope)
        else:
            try:
                self.window = seconds(scope, "scope", least=_SHORTEST_WINDOW_S)
            except InvalidOption:
                raise InvalidOption("scope", scope, "'pending', 'unfinished' or a duration such as \"1h\"") from None
        if not isinstance(on_conflict, str) or on_conflict not in _CONFLICTS:
            raise InvalidOption("on_conflict", on_conflict, " or ".join(map(repr, _CONFLICTS)))
        self.on_conflict: OnConflict = on_conflict

    def __repr__(self) -> str:
        scope = self.scope.value if self.scope else show_duration(self.window or 0.0)
        return f"Unique({shown_key(self.key)}scope={scope!r}, on_conflict={self.on_conflict!r})"
