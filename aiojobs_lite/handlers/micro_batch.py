"""Micro-batches of a job type: its only argument is a list, and the keys of its options are fields of the items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from inspect import formatannotation
from typing import Annotated, Any, Final, get_args, get_origin

from aiojobs_lite.clock import after
from aiojobs_lite.errors import InvalidJobType, InvalidOption, InvalidPayload
from aiojobs_lite.handlers.keys import KeyReader
from aiojobs_lite.handlers.limits import Lanes, fields_of
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.keys import Scalar, canonical
from aiojobs_lite.model.micro_batch import Batch, Capacity
from aiojobs_lite.model.payloads import version_of
from aiojobs_lite.model.unique import UniqueScope

_LISTS: Final = (list, Sequence)
_WANTED: Final = (
    "batch= gives a handler the items of several enqueues: besides what is injected it takes one argument, a list "
    "without a default, such as `mails: list[Mail]`"
)


class ItemKeyReader(KeyReader):
    """Takes the key from payloads whose only argument is a list: its fields are those of the items.

    Args:
        batch: The option.
        signature: The parameters of the handler.
        handler: The handler.

    Attributes:
        argument: The name of the argument.

    Raises:
        InvalidJobType: If the handler takes something else.
        InvalidOption: If it takes fewer items than the batch has.
    """

    owner = "an item"

    def __init__(self, batch: Batch, signature: Signature, handler: Callable[..., Any]) -> None:
        self.argument = list_argument(signature)
        self._size = batch.size
        longest = longest_list(signature.hints[self.argument])
        if longest is not None and longest < batch.size:
            problem = f"a size of at most {longest:,}: the handler takes no more items in `{self.argument}`"
            raise InvalidOption("batch", batch, problem)
        super().__init__("batch", batch.key, signature, handler)

    def check_fields(self, option: str, fields: Sequence[str], signature: Signature) -> None:
        """See `KeyReader`; the fields of items are looked for in each of them."""

    def values(self, decoded: Mapping[str, Any]) -> tuple[Scalar, ...]:
        """See `KeyReader`.

        Raises:
            InvalidPayload: If there are no items, too many, or items with several keys.
        """
        items = decoded[self.argument]
        if not items:
            raise no_items(self.job_type, self.argument)
        if len(items) > self._size:
            most = f"enqueue at most {self._size:,} items in one call; enqueue_many takes several calls"
            raise self._refused(f"has {len(items):,} items: {most}")
        if self.fields is None:
            return super().values(decoded)
        first, *others = [self.values_in(item) for item in items]
        for place, other in enumerate(others, 1):
            if canonical(other) != canonical(first):
                raise self._refused(f"has items of several keys, such as 0 and {place}: enqueue them apart")
        return first

    def _refused(self, problem: str) -> InvalidPayload:
        return InvalidPayload(self.job_type, [(self.argument, problem)])


@dataclass(frozen=True, slots=True)
class Gathering:
    """The rule that one job has the items of several enqueues.

    Attributes:
        rule: The value of the option.
        key: Takes the key of the items from a payload.
        largest: Most bytes of a payload.
        option: The name of the option.
    """

    rule: Batch
    key: ItemKeyReader
    largest: int
    option: str = "batch"

    def candidate(self, row: NewJob, max_pending: int | None, expires: int | None) -> Candidate:
        """A new job that gathers items. Its unique key has the key of the items, and whatever else they share."""
        key, capacity = self.key.read(row.payload), Capacity(self.rule.size, self.largest)
        shared = (self.key.argument, version_of(row.payload), row.priority, row.label, expires, row.lane)
        unique_key = f"{key[:-1]}{',' * (len(key) > len('[]'))}{canonical(shared)[1:]}"
        due = after(row.created_at, self.rule.max_wait)
        row = row._replace(unique_key=unique_key, unique_scope=UniqueScope.PENDING.value, scheduled_at=due)
        return Candidate(row, "append", None, None, 0, max_pending, expires, capacity)


class ItemLanes(Lanes):
    """Makes the lane of each job of a type with `batch=`: its limits count by fields of the items.

    Args:
        job_type: See `Lanes`.
        limits: See `Lanes`.
        signature: See `Lanes`.
        batch: The option.
        declared: See `Lanes`.

    Raises:
        InvalidOption: If a limit counts the items of one job apart.
    """

    def __init__(
        self, job_type: str, limits: object, signature: Signature, batch: Batch, declared: Sequence[Limit | Rate] | None
    ) -> None:
        self._argument = list_argument(signature)
        super().__init__(job_type, limits, signature, declared)
        check_limit_keys(batch, self.limits)

    def check_fields(self, fields: Collection[str], signature: Signature) -> None:
        """See `Lanes`; the fields are those of the batch."""

    def key(self, limit: Limit | Rate, arguments: Mapping[str, Any]) -> Any:
        """See `Lanes`; the items of one job have one key."""
        items = arguments[self._argument]
        if not callable(limit.key) and not items:
            raise no_items(self.job_type, self._argument)
        return super().key(limit, arguments if callable(limit.key) else items[0])


def make_lanes(
    job_type: str,
    limits: object,
    signature: Signature,
    batch: Batch | None,
    declared: Sequence[Limit | Rate] | None = None,
) -> Lanes:
    """What makes the lane of each job of a type, by its limits; see `Lanes`."""
    if batch is None:
        return Lanes(job_type, limits, signature, declared)
    return ItemLanes(job_type, limits, signature, batch, declared)


def check_limit_keys(batch: Batch, limits: Sequence[Limit | Rate]) -> None:
    """Checks that all items of one job have one key of each limit; what a function makes of a payload is one.

    Raises:
        InvalidOption: If a limit counts by a field that is no part of the key of the batch.
    """
    known = set() if callable(batch.key) else fields_of(batch.key)
    for limit in limits:
        if not callable(limit.key) and not fields_of(limit.key) <= known:
            wanted = f"the key of batch=, or a part of it ({', '.join(sorted(known)) or 'it has no fields'})"
            raise InvalidOption("key", limit.key, f"{wanted}: one call of the handler counts once")


def no_items(job_type: str, argument: str) -> InvalidPayload:
    """The error of an enqueue that brings nothing."""
    return InvalidPayload(job_type, [(argument, "has no items: enqueue one or more")])


def list_argument(signature: Signature) -> str:
    """The name of the only argument of a handler, if that is a list.

    Raises:
        InvalidJobType: If it takes something else.
    """
    if len(signature.arguments) != 1 or signature.defaults:
        raise InvalidJobType(signature.job_type, f"{_WANTED}; it takes {', '.join(signature.arguments) or 'none'}")
    (name,) = signature.arguments
    hint = signature.hints[name]
    while get_origin(hint) is Annotated:
        hint, *_ = get_args(hint)
    if (get_origin(hint) or hint) not in _LISTS:
        raise InvalidJobType(signature.job_type, f"{_WANTED}; it takes `{name}: {formatannotation(hint)}`")
    return name


def longest_list(hint: Any) -> int | None:
    """Most items that the annotation of a list allows, as `Field(max_length=...)` does; None: it does not say."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    each = [part for mark in marks for part in (mark, *getattr(mark, "metadata", ()))]
    found = [getattr(part, "max_length", None) for part in each]
    return min((most for most in found if isinstance(most, int)), default=None)
