"""The job type of a function: what its configuration asks for, by the library's own flow control."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.durable.driver import Driver
from aiojobs_lite.durable.limits import RunLimits
from aiojobs_lite.handlers.event import Event, Listening
from aiojobs_lite.handlers.flow import Flow
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.inngest.cancelling import EventCancels, cancels_of
from aiojobs_lite.inngest.events import from_memo, memo_text
from aiojobs_lite.inngest.expressions import Expression
from aiojobs_lite.inngest.functions import Concurrency, EventTrigger, FunctionConfig
from aiojobs_lite.inngest.ids import fresh
from aiojobs_lite.inngest.rules import is_batch, keyed_of, rule_options
from aiojobs_lite.inngest.run_events import EVENT, EVENTS, INVOKED, NO_EVENT, key_function, run_events
from aiojobs_lite.limits import Fixed, Limit, Rate
from aiojobs_lite.model.events import fits
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.runner.context import current_job
from aiojobs_lite.runner.driven import driven
from aiojobs_lite.sizes import LARGEST_DRIVEN_RESULT_BYTES

_MICROS: Final = 1_000  # in a millisecond
_MILLISECONDS: Final = 1_000
_MOST_PRIORITY_S: Final = 600

LARGEST_EVENT_BYTES: Final = 3 * 1024 * 1024
"""Of the data of one event."""

_LARGEST_BATCH_BYTES: Final = 10 * 1024 * 1024
_LONGEST_NAME_CHARS: Final = 200  # of a limit or a job type; a longer one is hashed
_ROUND_IT_BYTES: Final = 16 * 1024  # id, name and instant of an event beside its data


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """What the functions of all apps have alike.

    Attributes:
        backoff: The waits between the attempts of a step, or of the code between steps.
        ended: What is enqueued for a run that died.
        most: Calls of one app at once.
    """

    backoff: Backoff
    ended: JobType[..., Any]
    most: int


def job_type_of(config: FunctionConfig, driver: Driver, settings: FlowSettings, app: str) -> JobType[..., Any]:
    """The job type whose jobs are the runs of a function of an app.

    Raises:
        InvalidOption: If something cannot be honoured, with the reason.
    """
    has_several = is_batch(config)
    options: dict[str, Any] = {
        "name": config.id,
        "max_attempts": config.max_attempts,
        "backoff": settings.backoff,
        "largest_payload": (_LARGEST_BATCH_BYTES if has_several else LARGEST_EVENT_BYTES) + _ROUND_IT_BYTES,
        "largest_result": LARGEST_DRIVEN_RESULT_BYTES,
        "keep_result": True,
        "on_dead": settings.ended,
        "limits": [*_limits(config), Limit(settings.most, key=Fixed("app", ""), name=joined_name("app", app))],
        "expires": config.start_within,
        **rule_options(config),
    }
    if config.debounce is None and not has_several:  # which say themselves when a run begins
        options["delay"] = _delay_of(config)
    job_type: JobType[..., Any] = JobType(_handler(config, driver, settings.ended), **options)
    job_type.policy = replace(job_type.policy, outlives_crashes=True)
    keyed, cancels = keyed_of(config, job_type), cancels_of(config)
    if keyed is not None or cancels:
        flow = replace(job_type.how.flow or Flow(), keyed=keyed, cancels=EventCancels(cancels) if cancels else None)
        job_type.how = replace(job_type.how, flow=flow)
    if config.events:
        kind = BatchListening if has_several else Listening
        patterns = tuple(dict.fromkeys([trigger.event for trigger in config.events]))
        when = _condition(config.events)
        job_type.listening = kind(patterns, when, EVENTS if has_several else EVENT, Event[Any])
    return job_type


class BatchListening(Listening):
    """What starts a function that takes several events: each event is an item of its jobs."""

    __slots__ = ()

    def payload(self, memo: str) -> str:
        """See `Listening`."""
        return f'{{"{EVENTS}":[{memo}]}}'


def _handler(config: FunctionConfig, driver: Driver, ended: JobType[..., Any]) -> Callable[..., Any]:
    run = driven(driver, RunLimits(seconds=config.finish_within))

    async def run_of_event(event: Any = None) -> Any:  # noqa: ARG001  # the driver is given the payload as it came
        result = await run()
        context = current_job()
        if context is not None:
            context.enqueue_with_end(ended, context.id)
        return result

    async def run_of_events(events: list[Any]) -> Any:  # noqa: ARG001  # the same
        return await run_of_event()

    return run_of_events if is_batch(config) else run_of_event


def _delay_of(config: FunctionConfig) -> Callable[[Mapping[str, Any]], float | datetime]:
    """When a run may begin: at the instant of its event, if that is to come; and by which seconds before others."""

    def delay(arguments: Mapping[str, Any]) -> float | datetime:
        (event,) = run_events(arguments)
        memo: Mapping[str, Any] = arguments.get(EVENT) or NO_EVENT
        besides = memo["data"].get("_inngest")
        has_instant = isinstance(besides, Mapping) and "ts" in besides  # else that is when it was sent
        if has_instant and event["ts"] * _MICROS > memo["sent_at"]:
            return datetime.fromtimestamp(event["ts"] / _MILLISECONDS, UTC)
        if config.priority is None:
            return 0.0
        value = config.priority.value({EVENT: event})
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return -float(max(-_MOST_PRIORITY_S, min(_MOST_PRIORITY_S, value))) if is_number else 0.0

    return delay


def _condition(triggers: Sequence[EventTrigger]) -> Callable[[Event[Any]], bool] | None:
    """Whether an event of a fitting name starts the function; None: each does."""
    if all(trigger.expression is None for trigger in triggers):
        return None

    def starts(event: Event[Any]) -> bool:
        memo = {"id": event.id, "name": event.name, "data": event.data, "sent_at": to_micros(event.sent_at)}
        sent = {EVENT: from_memo(memo)}
        fitting = [trigger.expression for trigger in triggers if fits(trigger.event, event.name)]
        return any(expression is None or expression.matches(sent) for expression in fitting)

    return starts


def payload_of(config: FunctionConfig, memo: str) -> str:
    """The arguments of a run that is started with an event, as JSON; see `model.events.memo_of`."""
    return f'{{"{EVENTS}":[{memo}]}}' if is_batch(config) else f'{{"{EVENT}":{memo}}}'


def invoked(config: FunctionConfig, given: Mapping[str, Any], sent_at: int) -> dict[str, Any]:
    """The arguments of a run that is started without an event of its triggers.

    Args:
        config: The function.
        given: What it is given: `data`, `user`, `v`, `meta`, and perhaps the id of the event.
        sent_at: Now, in microseconds.
    """
    event = {"id": fresh(sent_at // _MICROS), **given, "name": INVOKED}
    memo = json.loads(memo_text(event, sent_at))
    return {EVENTS: [memo]} if is_batch(config) else {EVENT: memo}


def _limits(config: FunctionConfig) -> list[Limit | Rate]:
    given = sorted(config.concurrency, key=lambda one: one.limit, reverse=True)
    limits = [_limit(config.id, config.concurrency.index(one), one) for one in given]
    found: list[Limit | Rate] = [*{one.name: one for one in limits}.values()]  # of two by one key the smaller counts
    if config.throttle is not None:
        throttle = config.throttle
        most = throttle.limit + max(throttle.burst - 1, 0)
        found.append(Rate(most, per=throttle.period, key=_limit_key(throttle.key, "throttle"), counts="jobs"))
    return found


def _limit(function: str, place: int, one: Concurrency) -> Limit:
    name = joined_name(function, f"concurrency {place + 1}" if place else "concurrency")
    if one.scope != "fn":
        name = joined_name(one.scope, "" if one.key is None else one.key.text)
    return Limit(one.limit, key=_limit_key(one.key, "concurrency"), name=name)


def _limit_key(expression: Expression | None, name: str) -> Any:
    return Fixed(name, "") if expression is None else key_function(expression, name, "id")


def joined_name(first: str, second: str) -> str:
    """The name of a limit or of a job type, in as many characters as it may have."""
    name = f"{first}: {second}"
    return name if len(name) <= _LONGEST_NAME_CHARS else f"{name[:100]} {hashlib.sha256(name.encode()).hexdigest()}"
