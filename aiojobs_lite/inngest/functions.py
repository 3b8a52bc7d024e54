"""Functions as an app registers them: read whatever the case of names is, checked, and refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import AiojobsError, InvalidOption
from aiojobs_lite.handlers.cancel_on import MOST_CANCELS
from aiojobs_lite.handlers.urls import check_url
from aiojobs_lite.inngest.durations import micros
from aiojobs_lite.inngest.expressions import Expression, ExpressionError, compile_expression
from aiojobs_lite.inngest.given import Given
from aiojobs_lite.sizes import LONGEST_TYPE_NAME_CHARS
from aiojobs_lite.text import show

ConcurrencyScope = Literal["fn", "env", "account"]

MOST_FUNCTIONS: Final = 1_000
"""Functions that one app registers."""

MOST_TRIGGERS: Final = 10
MOST_CONCURRENCIES: Final = 2

MOST_FUNCTION_RETRIES: Final = 20
"""Retries of each step of a function, and of its code between the steps."""

_RETRIES: Final = 4  # where nothing is said
_LARGEST_LIMIT: Final = 1_000_000_000
_LONGEST_NAME_CHARS: Final = 200
_DAY_S: Final = 86_400.0
_WEEK_S: Final = 7 * _DAY_S
_LONGEST_JITTER_S: Final = 300.0
_TIMEZONE: Final = "TZ="
_VARIABLES: Final = frozenset({"event", "async", "vars"})  # the last one is null: the service knows it as well
_ALONE: Final = ("cancels", "debounce", "singleton", "priority", "rate_limit")  # what is not together with batchEvents


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """An event that starts the function, by its name, or `app/*`, if its expression, where it has one, says so."""

    event: str
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """The function runs by the clock.

    Attributes:
        expression: As the app has it, with its `TZ=`.
        fields: The same without.
        tz: The time zone.
        jitter: Seconds by which each run is later at most.
    """

    expression: str
    fields: str
    tz: str
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Most calls of one key at once.

    Attributes:
        limit: How many.
        key: The expression of the key, or None.
        scope: Whose calls are counted: of this function, or of all that have the same expression.
    """

    limit: int
    key: Expression | None = None
    scope: ConcurrencyScope = "fn"


@dataclass(frozen=True, slots=True)
class PerPeriod:
    """Most runs of one key that start within a period.

    Attributes:
        limit: How many.
        period: Seconds.
        key: The expression of the key, or None.
        burst: How many more may start together.
    """

    limit: int
    period: float
    key: Expression | None = None
    burst: int = 0


@dataclass(frozen=True, slots=True)
class Debounced:
    """A run with the last of the events that come within a period; seconds."""

    period: float
    key: Expression | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Batched:
    """A run for several events; seconds. An event for which the condition does not hold has a run of its own."""

    size: int
    timeout: float
    key: Expression | None = None
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class Singleton:
    """One unfinished run of a key: another event starts none, or replaces it."""

    mode: Literal["skip", "cancel"]
    key: Expression | None = None


@dataclass(frozen=True, slots=True)
class Cancelling:
    """An event that cancels a run, if the expression says so, within some seconds of its start."""

    event: str
    expression: Expression | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """One function of an app.

    Attributes:
        id: Its composite id: the name of its job type.
        name: What people call it.
        url: Where it is called.
        events: The events that start it.
        crons: When it runs by the clock.
        max_attempts: Of each step, and of the code between.
        concurrency: Its limits.
        throttle: Runs over it wait.
        rate_limit: Events over it start nothing.
        debounce: Or None.
        batch: Or None.
        priority: The expression of the seconds by which a run comes earlier, or None.
        singleton: Or None.
        cancels: The events that cancel its runs.
        start_within: Seconds within which a run begins, or it is cancelled; or None.
        finish_within: Seconds within which a run ends, or it is cancelled; or None.
    """

    id: str
    name: str
    url: str
    events: tuple[EventTrigger, ...] = ()
    crons: tuple[CronTrigger, ...] = ()
    max_attempts: int = _RETRIES + 1
    concurrency: tuple[Concurrency, ...] = ()
    throttle: PerPeriod | None = None
    rate_limit: PerPeriod | None = None
    debounce: Debounced | None = None
    batch: Batched | None = None
    priority: Expression | None = None
    singleton: Singleton | None = None
    cancels: tuple[Cancelling, ...] = ()
    start_within: float | None = None
    finish_within: float | None = None
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


def read_function(value: object, where: str = "function") -> FunctionConfig:
    """One function of a registration.

    Raises:
        InvalidOption: If something of it cannot be, or cannot be honoured; it names that, and why.
    """
    given = Given(value, where)
    identity = given.needs("id", _name)
    try:
        return _read(Given(value, identity), identity, cast("Mapping[str, Any]", value))
    except ExpressionError as error:
        raise InvalidOption(identity, error.text, f"an expression: {error}") from error


def read_functions(value: object) -> Iterator[FunctionConfig]:
    """The functions of a registration, one by one: each may take some milliseconds.

    Raises:
        InvalidOption: As of `read_function`; or if two have the same id, or there are too many.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST_FUNCTIONS:
        raise InvalidOption("functions", value, f"a list of at most {MOST_FUNCTIONS:,} functions")
    ids = set[str]()
    for place, one in enumerate(value):
        found = read_function(one, f"functions[{place}]")
        if found.id in ids:
            raise InvalidOption("functions", found.id, "each id once")
        ids.add(found.id)
        yield found


def _read(given: Given, identity: str, value: Mapping[str, Any]) -> FunctionConfig:
    events, crons = _triggers(given)
    timeouts = given.of("timeouts", Given) or Given({}, f"{identity}.timeouts")
    limits = given.of("concurrency", _concurrency) or ()
    config = FunctionConfig(
        identity, given.of("name", _text) or identity, _endpoint(given), events, crons, _max_attempts(given), limits,
        throttle=given.of("throttle", _per_period), rate_limit=_rate_limit(given),
        debounce=given.of("debounce", _debounce), batch=given.of("batchEvents", _batch),
        priority=given.of("priority", _priority), singleton=given.of("singleton", _singleton),
        cancels=given.of("cancel", _cancels) or (),
        start_within=timeouts.of("start", _duration), finish_within=timeouts.of("finish", _duration), given=value,
    )  # fmt: skip
    for name in _ALONE if config.batch is not None else ():
        if getattr(config, name):
            raise InvalidOption(f"{identity}.batchEvents", given.get("batchEvents"), f"none together with {name}")
    return config


def _endpoint(given: Given) -> str:
    """Where the function is called: its one step says so."""
    steps = given.needs("steps", Given)
    step = steps.of("step", Given) or next((Given(one, steps.where) for one in steps.values()), steps)
    runtime = step.needs("runtime", Given)
    return check_url(f"{runtime.where}.url", runtime.needs("url", _text))


def _max_attempts(given: Given) -> int:
    steps = given.of("steps", Given)
    step = None if steps is None else steps.of("step", Given)
    retries = None if step is None else step.of("retries", Given)
    attempts = None if retries is None else retries.get("attempts")
    return 1 + (
        _RETRIES if attempts is None else _whole(attempts, f"{given.where}.retries", most=MOST_FUNCTION_RETRIES)
    )


def _triggers(given: Given) -> tuple[tuple[EventTrigger, ...], tuple[CronTrigger, ...]]:
    events, crons = list[EventTrigger](), list[CronTrigger]()
    for one in given.of("triggers", lambda value, where: _listed(value, where, MOST_TRIGGERS)) or ():
        trigger = Given(one, f"{given.where}.triggers")
        if trigger.get("cron") is None:
            events.append(EventTrigger(trigger.needs("event", _pattern), trigger.of("expression", _expression)))
        else:
            jitter = trigger.of("jitter", _duration) or 0.0
            if jitter > _LONGEST_JITTER_S:
                raise InvalidOption(f"{trigger.where}.jitter", trigger.get("jitter"), "at most 5m")
            crons.append(replace(trigger.needs("cron", _cron), jitter=jitter))
    return tuple(events), tuple(crons)


def _cron(value: object, where: str) -> CronTrigger:
    text = _text(value, where)
    tz, fields = "UTC", text
    if text.startswith(_TIMEZONE):
        tz, _, fields = text.removeprefix(_TIMEZONE).partition(" ")
    try:
        CronSchedule(fields.strip(), tz, hash_id=where)
    except AiojobsError as error:
        raise InvalidOption(where, text, f"a cron expression: {error}") from error
    return CronTrigger(text, fields.strip(), tz)


def _concurrency(value: object, where: str) -> tuple[Concurrency, ...]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = {"limit": value}
    found = []
    for one in _listed(value, where, MOST_CONCURRENCIES):
        given = Given({"limit": one} if isinstance(one, int) else one, where)
        scope = given.of("scope", lambda text, _: str(text).lower()) or "fn"
        key = given.of("key", _expression)
        if scope not in {"fn", "env", "account"}:
            raise InvalidOption(f"{where}.scope", scope, "'fn', 'env' or 'account'")
        if key is None and scope != "fn":
            raise InvalidOption(f"{where}.key", None, f"an expression: the scope {scope!r} counts by a key")
        limit = _whole(given.get("limit") or 0, f"{where}.limit", least=0)
        if limit:  # none: as many as there are
            found.append(Concurrency(limit, key, cast("ConcurrencyScope", scope)))
    return tuple(found)


def _per_period(value: object, where: str) -> PerPeriod:
    given = Given(value, where)
    limit = given.needs("limit", lambda one, at: _whole(one, at, least=1))
    burst = given.of("burst", lambda one, at: _whole(one, at, least=0)) or 0
    return PerPeriod(limit, given.needs("period", _duration), given.of("key", _expression), burst)


def _rate_limit(given: Given) -> PerPeriod | None:
    """That of `rateLimit`, or of `idempotency`, which overrides it."""
    key = given.of("idempotency", _expression)
    if key is not None:
        return PerPeriod(1, _DAY_S, key)
    found = given.of("rateLimit", _per_period)
    if found is not None and found.period > _DAY_S:
        raise InvalidOption(f"{given.where}.rateLimit.period", given.get("rateLimit"), "at most 24h")
    return found


def _debounce(value: object, where: str) -> Debounced:
    given = Given(value, where)
    period = given.needs("period", _duration)
    if not 1 <= period <= _WEEK_S:
        raise InvalidOption(f"{where}.period", given.get("period"), "1s to 7d")
    return Debounced(period, given.of("key", _expression), given.of("timeout", _duration))


def _batch(value: object, where: str) -> Batched:
    given = Given(value, where)
    size = given.needs("maxSize", lambda one, at: _whole(one, at, least=1, most=_LARGEST_LIMIT))
    key, condition = given.of("key", _expression), given.of("if", _expression)
    return Batched(size, given.needs("timeout", _duration), key, condition)


def _priority(value: object, where: str) -> Expression | None:
    return Given(value, where).of("run", _expression)


def _singleton(value: object, where: str) -> Singleton:
    given = Given(value, where)
    mode = given.of("mode", _text)
    if mode not in {"skip", "cancel"}:
        raise InvalidOption(f"{where}.mode", mode, "'skip' or 'cancel'")
    return Singleton(cast("Literal['skip', 'cancel']", mode), given.of("key", _expression))


def _cancels(value: object, where: str) -> tuple[Cancelling, ...]:
    found = []
    for one in _listed(value, where, MOST_CANCELS):
        given = Given(one, where)
        event, condition = given.needs("event", _pattern), given.of("if", _expression)
        found.append(Cancelling(event, condition, given.of("timeout", _duration)))
    return tuple(found)


def _listed(value: object, where: str, most: int) -> list[Any]:
    found = list(value) if isinstance(value, list | tuple) else [value]
    if len(found) > most:
        raise InvalidOption(where, value, f"at most {most}")
    return found


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidOption(where, value, "text")
    return value


def _name(value: object, where: str) -> str:
    text = _text(value, where)
    if len(text) > LONGEST_TYPE_NAME_CHARS or not text.isprintable():
        raise InvalidOption(where, value, f"1 to {LONGEST_TYPE_NAME_CHARS} printable characters")
    return text


def _pattern(value: object, where: str) -> str:
    """The name of an event, or the beginning of names: `app/*`, `app/user.*`."""
    text = _text(value, where)
    if len(text) > _LONGEST_NAME_CHARS or "*" in text[:-1]:
        raise InvalidOption(where, value, f"the name of an event, of at most {_LONGEST_NAME_CHARS} characters")
    return text


def _expression(value: object, where: str) -> Expression:
    found = compile_expression(_text(value, where))
    unknown = sorted(found.names - _VARIABLES)
    if unknown:
        raise InvalidOption(where, found.text, f"an expression of event and async: there is no {unknown[0]!r}")
    return found


def _duration(value: object, where: str) -> float:
    return micros(value, where) / MICROSECONDS


def _whole(value: object, where: str, *, least: int = 0, most: int = _LARGEST_LIMIT) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidOption(where, value, f"a whole number from {least} to {most:,}, not {show(value)}")
    return value
