"""Micro-batches: the items of many enqueues become the payload of one job, until there are enough of them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.keys import KeySpec, check_key, shown_key
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.sizes import MOST_ITEMS
from aiojobs_lite.text import show_duration
from aiojobs_lite.words import WORDS_OF_BATCHES, answers

_SHORTEST_S: Final = 0.001
_FEWEST_ITEMS: Final = 2  # of one item there is nothing to gather


@answers(WORDS_OF_BATCHES)
class Batch:
    """A job gathers the items of several enqueues with the same key, and runs once for all of them.

    Args:
        size: The job runs as soon as it has so many items.
        max_wait: It runs at the latest so long after the enqueue that made it.
        key: A field of the items (dotted: one within another), a tuple or list of fields, or a function of the payload;
            None: all items of the type are gathered together.

    Attributes:
        size: As given.
        max_wait: Seconds.
        key: The field, a tuple of fields, or the function; an empty tuple if it was None.

    Raises:
        InvalidOption: If one of them cannot work.
    """

    __slots__ = ("key", "max_wait", "size")

    def __init__(self, size: int, *, max_wait: Duration, key: KeySpec | None = None) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or not _FEWEST_ITEMS <= size <= MOST_ITEMS:
            raise InvalidOption("size", size, f"a whole number from {_FEWEST_ITEMS} to {MOST_ITEMS:,}")
        self.size = size
        self.max_wait = seconds(max_wait, "max_wait", least=_SHORTEST_S)
        self.key: KeySpec = () if key is None else check_key("key", key)

    def __repr__(self) -> str:
        key = shown_key(self.key).removesuffix(", ")
        return f"Batch({self.size}, max_wait='{show_duration(self.max_wait)}'{key and f', key=({key})'})"


class Capacity(NamedTuple):
    """How much one job takes: so many items, and so many bytes of arguments as JSON."""

    items: int
    bytes: int


def items_of(payload: str) -> list[Any] | None:
    """The items in a payload, whose only argument is a list; None: it is another payload."""
    try:
        decoded = from_json(arguments_of(payload))
    except ValueError:
        return None
    values = list(decoded.values()) if isinstance(decoded, dict) else []
    return values[0] if len(values) == 1 and isinstance(values[0], list) else None


class Appended(NamedTuple):
    """A payload with the items of another one behind its own, and whether one job takes no more."""

    payload: str
    is_full: bool


def is_full(payload: str, capacity: Capacity) -> bool:
    """Whether a payload has as many items as one job takes; one without items gets none, either."""
    items = items_of(payload)
    return items is None or len(items) >= capacity.items


def append_items(payload: str, more: str, capacity: Capacity) -> Appended | None:
    """Appends the items of another payload; None: they are too many, or too many bytes, or are no items."""
    before, added = items_of(payload), items_of(more)
    if before is None or added is None or len(before) + len(added) > capacity.items:
        return None
    # The texts are kept as they are: no item is written anew.
    first, last = _start_of(payload), payload.rindex("]")
    texts = [text for text in (payload[first:last], more[_start_of(more) : more.rindex("]")]) if text.strip()]
    payload = f"{payload[:first]}{','.join(texts)}{payload[last:]}"
    if len(arguments_of(payload).encode()) > capacity.bytes:
        return None
    return Appended(payload, len(before) + len(added) >= capacity.items)


def _start_of(payload: str) -> int:
    """Where the first item of a payload begins."""
    return payload.index("[", len(payload) - len(arguments_of(payload))) + 1  # behind its marks


def without_more(job: NewJob, now: int) -> NewJob:
    """A job that gathers no more items: it is due at once, and has no unique key any more."""
    return job._replace(scheduled_at=min(job.scheduled_at, now), unique_key=None, unique_scope=None)
