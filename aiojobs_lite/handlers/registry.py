"""The job types of one runner."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from aiojobs_lite.dead import OnDead
from aiojobs_lite.errors import DuplicateJobType, InvalidOption, JobTypeRefused, UnknownJobType
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable, JobType, qualified_name
from aiojobs_lite.handlers.limits import Lanes
from aiojobs_lite.model.limits import StoredLimit
from aiojobs_lite.text import show_duration

_NEEDED: Final = "a death of another type enqueues it (on_dead=). Change that type first, or remove both together"


class Registry:
    """The job types of one runner, by name.

    Args:
        advice: How a job type joins it, for errors.

    Attributes:
        limits: The concurrency of every job type, or None, by name.
        is_partial: Whether more join soon after the start.
    """

    def __init__(self, advice: str | None = None) -> None:
        self._advice = advice
        self.is_partial = False
        self._types: dict[str, JobType[..., Any]] = {}
        self._limits: dict[str, int | None] = {}
        self._by_key: dict[str, StoredLimit] = {}
        self._reactions: list[OnDead | Enqueueable[..., Any]] = []  # to the death of a job of any type
        self._reacting: set[str] = set()  # the job types that a death enqueues
        self.limits: Mapping[str, int | None] = MappingProxyType(self._limits)

    def copy(self) -> Registry:
        """One of the same job types and reactions, which changes by itself."""
        made = Registry(self._advice)
        made._types, made._by_key = self._types.copy(), self._by_key.copy()
        made._limits.update(self._limits)
        made._reactions, made._reacting = self._reactions, self._reacting.copy()
        return made

    def become(self, other: Registry) -> None:
        """Takes the job types of another one, which is not changed any more."""
        self._types, self._by_key, self._reacting = other._types, other._by_key, other._reacting
        self._limits, self.limits = other._limits, other.limits

    def add(self, job_type: JobType[..., Any]) -> None:
        """Adds a job type; the same one twice is fine.

        Raises:
            DuplicateJobType: If another one has its name.
        """
        known = self._types.get(job_type.name, job_type)
        if known is not job_type:
            first, second = known.handler, job_type.handler
            is_same = first is not second and _place(first) == _place(second)
            raise DuplicateJobType(job_type.name, qualified_name(first), qualified_name(second), is_same_code=is_same)
        self._take(job_type)
        if isinstance(job_type.on_dead, Enqueueable):
            self._add_reacting(job_type.on_dead)

    def replace(self, *job_types: JobType[..., Any]) -> None:
        """Puts job types in the places of those of their names.

        Raises:
            UnknownJobType: If there is none of a name.
            DuplicateJobType: If two of them have one name, or the job type of an `on_dead` has that of another one.
            InvalidOption: If one shares a limit with another job type, with other values.
        """
        for job_type in job_types:
            self.get(job_type.name)
        given = {job_type.name: job_type for job_type in reversed(job_types)}
        self._remake([given.get(name, known) for name, known in self._types.items()])
        for job_type in job_types:
            self.add(job_type)

    def remove(self, *names: str) -> None:
        """Takes job types off.

        Raises:
            UnknownJobType: If there is none of a name.
            JobTypeRefused: If the death of a job of another type enqueues one of them.
        """
        for name in names:
            self.get(name)
        left = [job_type for name, job_type in self._types.items() if name not in names]
        for needed in sorted(_reacting([*(one.on_dead for one in left), *self._reactions]).intersection(names)):
            raise JobTypeRefused(needed, _NEEDED)
        self._remake(left)

    @property
    def limits_by_key(self) -> tuple[StoredLimit, ...]:
        """What a store is to keep of all limits by key."""
        return tuple(self._by_key.values())

    def react(self, reaction: OnDead | Enqueueable[..., Any]) -> None:
        """Adds what is done when a job of any type dies; a job type joins the runner."""
        if isinstance(reaction, Enqueueable):
            self._add_reacting(reaction)
        self._reactions.append(reaction)

    def reactions(self, name: str, on_dead: Any) -> list[OnDead | Enqueueable[..., Any]]:
        """What is done when a job of a type dies.

        The death of a job that a death has enqueued enqueues no more, unless its own type says so: it would not end.

        Args:
            name: The name of the type.
            on_dead: What its own type says, as the attempt began with it; None: nothing.
        """
        own = [] if on_dead is None else [on_dead]
        if name not in self._reacting:
            return own + self._reactions
        return own + [found for found in self._reactions if not isinstance(found, Enqueueable)]

    def get(self, name: str) -> JobType[..., Any]:
        """The job type of a name.

        Raises:
            UnknownJobType: If there is none.
        """
        try:
            return self._types[name]
        except (KeyError, TypeError):
            raise UnknownJobType(name, self._types, self._advice) from None

    def find(self, name: str) -> JobType[..., Any] | None:
        """The job type of a name, or None."""
        return self._types.get(name)

    def check(self, job: Enqueueable[..., Any] | BoundJob[Any]) -> None:
        """Checks that the very job type of a job is registered, and the limits of its own against those of all types.

        Raises:
            UnknownJobType: If it is not.
            InvalidOption: If it has a rate by the name of a limit, or a limit by that of a rate.
        """
        job_type = job.job_type
        if self._types.get(job_type.name) is not job_type:
            raise UnknownJobType(job_type.name, self._types, self._advice)
        if job.how.lanes is not None:
            self._check_lanes(job.how.lanes)

    def _check_lanes(self, lanes: Lanes) -> None:
        for given, stored in zip(lanes.limits, lanes.stored, strict=True):
            known = self._by_key.get(stored.name, stored)
            if (known.per is None) != (stored.per is None):
                kind = "Limit" if known.per is None else "Rate"
                raise InvalidOption("limits", given, f"a {kind}, as what job types declare by the name {known.name!r}")

    def __iter__(self) -> Iterator[JobType[..., Any]]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def _take(self, job_type: JobType[..., Any]) -> None:
        self._add_limits(job_type)
        self._types[job_type.name] = job_type
        self._limits[job_type.name] = job_type.concurrency

    def _remake(self, job_types: Sequence[JobType[..., Any]]) -> None:
        """Has these job types and no others."""
        made = Registry()
        for job_type in job_types:
            made._take(job_type)
        made._reacting = _reacting([*(one.on_dead for one in job_types), *self._reactions])
        self.become(made)

    def _add_reacting(self, reaction: Enqueueable[..., Any]) -> None:
        self.add(reaction.job_type)
        self.check(reaction)
        self._reacting.add(reaction.job_type.name)

    def _add_limits(self, job_type: JobType[..., Any]) -> None:
        """Adds the limits by key of a job type.

        Raises:
            InvalidOption: If another job type shares one by its name, with other values.
        """
        lanes = job_type.lanes
        for given, stored in zip(lanes.limits, lanes.stored, strict=True) if lanes else ():
            known = self._by_key.setdefault(stored.name, stored)
            if known != stored:
                wanted = f"what other job types share by this name: {known.most}" + (
                    "" if known.per is None else f" per {show_duration(known.per / 1_000_000)}"
                )
                raise InvalidOption("limits", given, wanted)

    def names(self) -> tuple[str, ...]:
        """All names, in the order of registration."""
        return tuple(self._types)


def _reacting(reactions: Iterable[OnDead | Enqueueable[..., Any] | None]) -> set[str]:
    """The job types that deaths enqueue."""
    return {found.job_type.name for found in reactions if isinstance(found, Enqueueable)}


def _place(handler: Callable[..., Any]) -> object:
    """Where a handler is written: what ran twice made two functions of one place."""
    function: Any = inspect.unwrap(handler)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", "")
    if (
        getattr(function, "__module__", "") == "__main__" and "<" not in name
    ):  # a cell of a notebook may have been edited
        return name
    return handler if code is None else (code.co_filename, code.co_firstlineno, name)
