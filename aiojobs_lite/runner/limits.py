"""`runner.limits`: changes, pins and pauses limits by key while jobs wait for them."""

from __future__ import annotations

import builtins
import json
from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any

from aiojobs_lite.clock import MICROSECONDS, to_datetime
from aiojobs_lite.durations import Duration
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import InvalidOption, UnknownLimit
from aiojobs_lite.handlers.checks import check_each, check_flag, check_instant
from aiojobs_lite.handlers.limits import find_problem
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.limit_values import check_most, is_name_of_ordered, period_of
from aiojobs_lite.limits import EVERY_KEY, EveryKey, Limit, LimitKey, LimitState, LimitUse, Rate
from aiojobs_lite.model.limits import (
    ChangeLimit,
    LimitRow,
    ListLimits,
    LookAtMeters,
    MeterUse,
    PauseLimit,
    RestartRate,
    SetLimits,
    StoredLimit,
    key_text,
    stored_limit,
)
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.types import check_by
from aiojobs_lite.telemetry.facts import Fact, LimitChanged, LimitPaused, LimitResumed, RateRestarted


class JobLimits:
    """The limits and rates by key of a runner's database: `runner.limits`.

    What it sets counts at once, in every runner of the database, and for the jobs that wait. Each method raises
    `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
        registry: Has the limits that the code of this runner declares.
    """

    def __init__(self, access: EngineAccess, registry: Registry) -> None:
        self._access = access
        self._registry = registry

    async def list(self) -> builtins.list[LimitState]:
        """All limits that are stored, by name: that for all keys first, then those of single keys."""
        engine = self._access.engine
        rows = await engine.ask(ListLimits())
        now = to_datetime(engine.now())
        states = [_state(row, None if row.pause is None or row.pause.has_ended(now) else row.pause) for row in rows]
        return [state for state in states if state.most is not None or state.is_paused]

    async def declare(self, *limits: Limit | Rate) -> None:
        """Stores limits and rates that no job type declares, as jobs bring them with `using(limits=...)`: so they can
        be changed and paused before the first such job. A pinned one stays as it is.

        Args:
            *limits: Each with a name; what it allows counts for all keys that have no value of their own.

        Raises:
            InvalidOption: If one has no name, or is of the other kind than the one of its name that is stored.
        """
        engine, wanted = self._access.engine, tuple([_check_named(limit) for limit in limits])
        known = await _of_all_keys(engine)
        for limit, stored in zip(limits, wanted, strict=True):
            before = known.get(stored.name)
            if before is not None and (before.per is None) != (stored.per is None):
                kind = "Limit" if before.per is None else "Rate"
                raise InvalidOption("limits", limit, f"a {kind}, as the database has it by the name {stored.name!r}")
        await engine.order(engine.write(SetLimits(wanted)))

    async def change(
        self, limit: str, most: int, *, per: Duration | None = None, key: LimitKey | EveryKey = EVERY_KEY,
        pin: bool = True,
    ) -> None:  # fmt: skip
        """Sets how many a limit or a rate allows.

        Args:
            limit: Its name, as `list` has it.
            most: How many.
            per: The period of a rate; None: as it is. A limit has none.
            key: The only key that it counts for; default: all that have no value of their own.
            pin: Whether it stays until `reset`; if not, the start of a runner that declares the limit, or a job that
                is enqueued with `using(limits=...)`, sets it anew.

        Raises:
            UnknownLimit: If the database has none of this name.
            InvalidOption: If a value cannot work, or is over 1 for a limit with `ordered=True`.
        """
        engine, wanted_key, wanted = self._access.engine, _check_key(key), check_most(most)
        if wanted > 1 and is_name_of_ordered(_check_name(limit)):
            raise InvalidOption("most", most, f"1: {limit!r} runs the jobs of a key one after the other")
        period = None if per is None else period_of(per)
        is_pinned = check_flag("pin", pin)
        if period is not None:
            rows = await engine.ask(ListLimits())
            if any(row.name == limit and row.key is None and row.per is None for row in rows):
                raise InvalidOption("per", per, "none: this limit is no rate")
        write = ChangeLimit(_check_name(limit), wanted_key, wanted, period, is_pinned)
        changed = LimitChanged(limit, wanted_key, wanted, None if period is None else period / MICROSECONDS)
        await _carry_out(engine, limit, engine.write(write), changed)

    async def reset(self, limit: str, *, key: LimitKey | EveryKey = EVERY_KEY) -> None:
        """Takes a change back: a key has no value of its own any more; for all keys what this runner declares counts,
        or what the next one does that starts. A pause stays.

        Raises:
            UnknownLimit: If the database has none of this name.
            InvalidOption: If the key cannot be one.
        """
        engine, wanted_key = self._access.engine, _check_key(key)
        declared = tuple(one for one in self._registry.limits_by_key if one.name == limit and wanted_key is None)
        write = ChangeLimit(_check_name(limit), wanted_key, None, None, is_pinned=False)
        reset = LimitChanged(limit, wanted_key, None)
        await _carry_out(engine, limit, engine.write_all(write, SetLimits(declared)), reset)

    async def pause(
        self, limit: str, *, key: LimitKey | EveryKey = EVERY_KEY, by: str | None = None,
        until: datetime | Duration | None = None,
    ) -> None:  # fmt: skip
        """Starts no job that a limit counts, in every runner of the database, until `resume`; what runs goes on.

        Args:
            limit: Its name, as `list` has it. One that is paused already stays as it is, if that lasts longer.
            key: The only key to pause; default: all.
            by: The person or program that pauses it, shortened to 200 characters; None: the user, the host and the
                process id.
            until: When it ends by itself, in every runner: an aware datetime, or a duration from now; default: never.

        Raises:
            UnknownLimit: If the database has none of this name.
            InvalidOption: If the key or the end cannot be one, or `by` is no text.
        """
        engine, wanted_key, wanted_by = self._access.engine, _check_key(key), check_by(by)
        ends_at = None if until is None else check_instant("until", until, engine.now())
        write = PauseLimit(_check_name(limit), wanted_key, paused=True, by=wanted_by, until=ends_at)
        shown = None if ends_at is None else to_datetime(ends_at)
        await _carry_out(engine, limit, engine.write(write), LimitPaused(limit, wanted_key, wanted_by, shown))

    async def resume(self, limit: str, *, key: LimitKey | EveryKey = EVERY_KEY) -> None:
        """Lets the jobs start again that a paused limit counts. A pause of all keys and that of one key are two.

        Raises:
            UnknownLimit: If the database has none of this name.
            InvalidOption: If the key cannot be one.
        """
        engine, wanted_key = self._access.engine, _check_key(key)
        write = PauseLimit(_check_name(limit), wanted_key, paused=False)
        await _carry_out(engine, limit, engine.write(write), LimitResumed(limit, wanted_key))

    async def get(self, limit: str, *, key: LimitKey) -> LimitUse:
        """Where a limit stands for one key. Costs the pending jobs of the types that it counts.

        Raises:
            UnknownLimit: If the database has none of this name.
            InvalidOption: If the key cannot be one.
        """
        (found,) = await self.get_many(limit, [key])
        return found

    async def get_many(self, limit: str, keys: Iterable[LimitKey]) -> builtins.list[LimitUse]:
        """Where a limit stands for each of some keys; costs no more than for one.

        Raises:
            UnknownLimit: If the database has none of this name.
            InvalidOption: If one of the keys cannot be one.
        """
        engine, wanted = self._access.engine, tuple([_check_one_key(key) for key in check_each("keys", keys, "keys")])
        found = await engine.ask(LookAtMeters(_check_name(limit), wanted, engine.now()))
        if found is None:
            raise await _unknown(engine, limit)
        return [_use(one) for one in found]

    async def restart(self, limit: str, *, key: LimitKey) -> None:
        """Begins the count of a rate anew for one key: what has started in its period counts no more.

        Raises:
            UnknownLimit: If the database has none of this name.
            InvalidOption: If the key cannot be one, or the limit is no rate.
        """
        engine, wanted_key, name = self._access.engine, _check_one_key(key), _check_name(limit)
        stored = (await _of_all_keys(engine)).get(name)
        if stored is not None and stored.per is None:
            raise InvalidOption("limit", limit, "the name of a rate: a limit counts what runs")
        await _carry_out(engine, limit, engine.write(RestartRate(name, wanted_key)), RateRestarted(name, wanted_key))


async def _carry_out(
    engine: Engine, limit: str, writing: Coroutine[Any, Any, bool | tuple[bool, Any]], fact: Fact
) -> None:  # fmt: skip
    """Carries out what was ordered, and publishes it."""
    if await engine.order(writing) in (False, (False, ())):
        raise await _unknown(engine, limit)
    engine.bus.publish(fact)


def _check_named(limit: object) -> StoredLimit:
    if not isinstance(limit, Limit | Rate) or limit.name is None:
        raise InvalidOption("limits", limit, "a Limit or Rate with a name=, which job types share")
    return stored_limit(limit, "")


async def _of_all_keys(engine: Engine) -> dict[str, LimitRow]:
    """What is stored of each limit for all keys, by its name."""
    return {row.name: row for row in await engine.ask(ListLimits()) if row.key is None}


async def _unknown(engine: Engine, limit: str) -> UnknownLimit:
    return UnknownLimit(limit, sorted({row.name for row in await engine.ask(ListLimits())}))


def _check_name(limit: object) -> str:
    if not isinstance(limit, str):
        raise InvalidOption("limit", limit, "the name of a limit, as runner.limits.list() has it")
    return limit


def _check_key(key: object) -> str | None:
    if isinstance(key, EveryKey):
        return None
    problem = find_problem(key)
    if problem is not None:
        raise InvalidOption("key", key, f"the key of a limit, as its jobs have it; this one {problem}")
    return key_text(key)


def _check_one_key(key: object) -> str:
    found = _check_key(key)
    if found is None:
        raise InvalidOption("key", key, "one key: each counts for itself")
    return found


def _state(row: LimitRow, pause: Pause | None) -> LimitState:
    key = EVERY_KEY if row.key is None else json.loads(row.key)
    per = None if row.per is None else row.per / MICROSECONDS
    since, by, until = (None, None, None) if pause is None else (pause.since, pause.by, pause.until)
    return LimitState(row.name, key, row.most, per, row.is_pinned, pause is not None, since, by, until)


def _use(use: MeterUse) -> LimitUse:
    limit, taken, free_at = use.state
    began = None if use.began_at is None else to_datetime(use.began_at)
    free = None if free_at is None else to_datetime(free_at)
    return LimitUse(_state(limit, limit.pause), taken, use.waiting, use.pending, began, free)
