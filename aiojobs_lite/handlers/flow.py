"""Which options put the jobs of a type together or refuse them, checked together, and what they make of a new job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from aiojobs_lite.clock import MICROSECONDS, after
from aiojobs_lite.durations import seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.cancel_on import Cancels
from aiojobs_lite.handlers.checks import check_choice, check_whole
from aiojobs_lite.handlers.keys import KeyReader
from aiojobs_lite.handlers.micro_batch import Gathering, ItemKeyReader
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.debounce import Debounce
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.micro_batch import Batch
from aiojobs_lite.model.throttle import Throttle
from aiojobs_lite.model.unique import Unique, UniqueScope
from aiojobs_lite.text import show_duration

Rule = Unique | Debounce | Throttle
"""What is done about jobs with the same key."""

_RULES: Final[Mapping[str, tuple[type[Rule | Batch], str]]] = {
    "unique": (Unique, 'a Unique, such as Unique("user_id")'),
    "debounce": (Debounce, 'a Debounce, such as Debounce("5s", max_wait="1m", key="user_id")'),
    "throttle": (Throttle, 'a Throttle, such as Throttle("1m", key="user_id")'),
    "batch": (Batch, 'a Batch, such as Batch(100, max_wait="5s", key="org_id")'),
}

OnFull = Literal["raise", "wait"]
_ON_FULL: Final = ("raise", "wait")
_MOST_PENDING: Final = 1_000_000_000
_SHORTEST_EXPIRY_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Keyed:
    """A rule about jobs with the same key.

    Attributes:
        option: The name of the option.
        rule: Its value.
        key: Takes the key from a payload.
    """

    option: str
    rule: Rule
    key: KeyReader

    def candidate(self, row: NewJob, max_pending: int | None, expires: int | None) -> Candidate:
        """A new job with the conditions of the rule, and others."""
        key, rule = self.key.read(row.payload), self.rule
        if isinstance(rule, Throttle):
            return Candidate(row, "return", None, key, _micros(rule.period), max_pending, expires)
        if isinstance(rule, Debounce):
            due = after(row.created_at, rule.period)
            row = row._replace(unique_key=key, unique_scope=UniqueScope.PENDING.value, scheduled_at=due)
            max_wait = None if rule.max_wait is None else _micros(rule.max_wait)
            return Candidate(row, "replace", max_wait, None, 0, max_pending, expires)
        if rule.scope is None:
            return Candidate(row, rule.on_conflict, None, key, _micros(rule.window or 0.0), max_pending, expires)
        row = row._replace(unique_key=key, unique_scope=rule.scope.value)
        return Candidate(row, rule.on_conflict, None, None, 0, max_pending, expires)


@dataclass(frozen=True, slots=True)
class Flow:
    """The checked options of a type or of one enqueue.

    Attributes:
        keyed: The rule about jobs with the same key, or None.
        max_pending: Most pending jobs of the type, or None.
        on_full: What an enqueue does if there are as many.
        expires: Seconds after it is due within which a job must begin, or None.
        cancels: The events that cancel a job, or None.
    """

    keyed: Keyed | Gathering | None = None
    max_pending: int | None = None
    on_full: OnFull = "raise"
    expires: float | None = None
    cancels: Cancels | None = None

    @property
    def batch(self) -> Batch | None:
        """How the items of several enqueues become one job, or None."""
        return self.keyed.rule if self.keyed is not None and isinstance(self.keyed.rule, Batch) else None

    @property
    def changing(self) -> str | None:
        """The option that gives the arguments of one enqueue to the job of another, or None."""
        if self.keyed is None:
            return None
        rule = self.keyed.rule
        changes = isinstance(rule, Debounce | Batch) or (isinstance(rule, Unique) and rule.on_conflict == "replace")
        return self.keyed.option if changes else None

    @property
    def timing(self) -> str | None:
        """The option that says itself when a job is due, or None."""
        return self.keyed.option if self.keyed is not None and isinstance(self.keyed.rule, Debounce | Batch) else None

    @property
    def drops(self) -> bool:
        """Whether an enqueue that makes no job was dropped."""
        return self.keyed is not None and isinstance(self.keyed.rule, Throttle)

    def candidate(self, row: NewJob) -> Candidate:
        """A new job with its conditions.

        Raises:
            InvalidKey: If the payload gives no key.
        """
        expires = None if self.expires is None else _micros(self.expires)
        if self.keyed is None:
            candidate = Candidate(row, max_pending=self.max_pending, expires=expires)
        else:
            candidate = self.keyed.candidate(row, self.max_pending, expires)
        return candidate if self.cancels is None else candidate._replace(cancel_on=self.cancels.of(row.payload))

    def shown(self) -> dict[str, Any]:
        """The options that are set, by name."""
        found: dict[str, Any] = {} if self.keyed is None else {self.keyed.option: self.keyed.rule}
        if self.max_pending is not None:
            found |= {"max_pending": self.max_pending, "on_full": self.on_full}
        if self.cancels is not None:
            found |= {"cancel_on": list(self.cancels.given)}
        return found if self.expires is None else found | {"expires": show_duration(self.expires)}


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
    flow = before or _NOTHING
    for option, (kind, expected) in _RULES.items():
        rule = given.get(option)
        if rule is None:
            continue
        if not isinstance(rule, kind):
            raise InvalidOption(option, rule, expected)
        if flow.keyed is not None and flow.keyed.option != option:
            problem = f"none together with {flow.keyed.option}=: both say what becomes of one key"
            raise InvalidOption(option, rule, problem)
        flow = replace(flow, keyed=_keyed(option, rule, signature, handler))
    if (most := given.get("max_pending")) is not None:
        flow = replace(flow, max_pending=check_whole("max_pending", most, _MOST_PENDING))
    if (on_full := given.get("on_full")) is not None:
        check_choice("on_full", on_full, _ON_FULL)
        if flow.max_pending is None:
            raise InvalidOption("on_full", on_full, "max_pending= as well: without it a type is never full")
        flow = replace(flow, on_full=on_full)
    if (expires := given.get("expires")) is not None:
        flow = replace(flow, expires=seconds(expires, "expires", least=_SHORTEST_EXPIRY_S))
    if (cancel_on := given.get("cancel_on")) is not None:
        flow = replace(flow, cancels=Cancels(cancel_on, signature, handler))
    if flow.batch is not None and flow.cancels is not None:
        problem = "none together with batch=: an event would cancel the items of other enqueues as well"
        raise InvalidOption("cancel_on", list(flow.cancels.given), problem)
    return None if flow == _NOTHING else flow


def _keyed(option: str, rule: Rule | Batch, signature: Signature, handler: Callable[..., Any]) -> Keyed | Gathering:
    if isinstance(rule, Batch):
        return Gathering(rule, ItemKeyReader(rule, signature, handler), signature.largest)
    return Keyed(option, rule, KeyReader(option, rule.key, signature, handler))


def _micros(length: float) -> int:
    return round(length * MICROSECONDS)


_NOTHING: Final = Flow()
