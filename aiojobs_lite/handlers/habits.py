"""What users of other libraries write by habit, and the word of this library for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from inspect import getattr_static
from typing import Any, Final, NoReturn, TypeVar

from aiojobs_lite.words import JOB_WORD, by_word, refuse_other_words

M = TypeVar("M", bound=Callable[..., Any])

# Our option -> the words for it, its own name first: each may stand where that option is not taken.

_OF_AN_ENQUEUE: Final[Mapping[str, str]] = {
    "{job}.using(delay=...)": "delay countdown defer_by _defer_by run_in delay_seconds",
    "{job}.using(at=...)": (
        "at eta defer_until _defer_until run_at run_date next_run_time schedule_at scheduled_at scheduled"
    ),
    "{job}.using(idempotency_key=...)": "idempotency_key _job_id job_id task_id key unique_key dedup_key",
    "{job}.using(label=...)": "label tags description",
    "{job}.using(metadata=...)": "metadata meta headers extra",
    "{job}.using(after=...)": "after depends_on run_after link",
    "{job}.using(after_failed=...)": "after_failed allow_failure",
    "{job}.using(priority=...)": "priority _priority at_front",
    "{job}.using(max_attempts=...)": "max_attempts",
    "{job}.using(unique=...)": "unique",
    "{job}.using(debounce=...)": "debounce",
    "{job}.using(throttle=...)": "throttle",
    "{job}.using(batch=...)": "batch",
    "{job}.using(max_pending=...)": "max_pending",
    "{job}.using(on_full=...)": "on_full",
    "{job}.using(expires=...)": "expires expires_in _expires deadline max_age",
}
_OF_A_JOB_TYPE: Final[Mapping[str, str]] = {
    "@job(name=...)": "name task_name actor_name id fn_id",
    "@job(max_attempts=...), which counts the first attempt too": (
        "max_attempts retries max_retries max_tries tries attempts retry _job_try"
    ),
    '@job(backoff=Backoff(base="2s", cap="1h"))': (
        "backoff retry_delay retry_backoff retry_backoff_max retry_jitter jitter default_retry_delay min_backoff "
        "max_backoff"
    ),
    "@job(timeout=...)": "timeout time_limit soft_time_limit job_timeout task_time_limit max_runtime",
    "@job(concurrency=...)": "concurrency max_instances max_concurrency concurrency_limit limit",
    "@job(limits=...)": "limits rate_limits throttle",
    "@job(priority=...)": "priority",
    "@job(priority=...) or @job(concurrency=...): there is one queue": (
        "queue queue_name _queue_name queues routing_key exchange default_queue_name"
    ),
    "@job(retry_on=...)": "retry_on autoretry_for retry_for retry_when",
    "nothing: an attempt is given back by a drain, and spent by a crash": "acks_late reject_on_worker_lost heartbeat",
    "nothing: a payload is JSON": "serializer compression",
    "@job(secret=[...])": "secret redact argsrepr kwargsrepr",
    "@job(abandon_on=...)": "abandon_on dont_autoretry_for throws",
    '@job(unique=Unique("user_id", scope="24h"))': "idempotency",
    '@job(throttle=Throttle("1m")), which drops, or @job(limits=[Rate(100, per="1m")]), which waits': (
        "rate_limit rateLimit"
    ),
    "@job(expires=...) for its start, @job(timeout=...) for an attempt": "timeouts",
    '@job(unique=Unique("user_id"))': "unique unique_for unique_by lock singleton once deduplicate dedupe",
    '@job(debounce=Debounce("5s"))': "debounce debounce_seconds coalesce_for",
    '@job(throttle=Throttle("1m"))': "throttle throttle_for",
    '@job(batch=Batch(100, max_wait="5s"))': "batch batch_events batch_size chunk chunk_size",
    "@job(max_pending=...)": "max_pending maxsize max_queue_size max_size queue_size",
    "@job(on_full=...)": "on_full",
    "@job(expires=...)": "expires expires_in deadline max_age",
    "@job(on_dead=...)": "on_dead on_failure on_error link_error failure_handler errback on_retry_exhausted",
    '@job(cancel_on=On("user/deleted"))': "cancel_on cancelOn cancel",
    "@job(version=...)": "version schema_version payload_version",
    "@job(upgrade={1: from_1_to_2})": "upgrade upgrades upgraders upcast upcasters migrate migrations",
    "@job(keep_result=...)": "keep_result ignore_result store_result store_results",
    "@job(process=...)": "process executor",
    "@job(largest_payload=...)": "largest_payload",
    "@job(largest_result=...)": "largest_result",
    "a parameter `ctx: JobContext = injected` of the handler": "bind context pass_context include_task",
    "the handler's own arguments, as in a call of it": "args kwargs",
}
AN_EXPRESSION: Final = "0 9 * * *"
BY_THE_CLOCK: Final = f'@runner.cron("{AN_EXPRESSION}")'
_OF_A_SCHEDULE: Final[Mapping[str, str]] = {
    BY_THE_CLOCK: (
        "expression trigger crontab cron interval run_every every schedule hour minute second day month weekday "
        "day_of_week day_of_month month_of_year hours minutes seconds days"
    ),
    "@runner.cron(tz=...)": "tz timezone",
    "@runner.cron(catch_up=...)": "catch_up misfire_grace_time coalesce run_at_startup",
    "@runner.cron(overlap=...)": "overlap unique",
}
_RESOURCES: Final = "JobRunner(deps=...), or code before and after `async with runner:`"
_OF_A_RUNNER: Final[Mapping[str, str]] = {
    "JobRunner(database=...)": (
        "database broker broker_url redis_settings redis_pool redis_url url dsn db path file filename database_url "
        "store storage backend result_backend data_store jobstores connection"
    ),
    "JobRunner(jobs=...)": "jobs functions tasks job_types include imports cron_jobs",
    "JobRunner(deps=...)": "deps dependencies state ctx",
    _RESOURCES: "on_startup on_shutdown startup shutdown lifespan",
    "JobRunner(max_running=...)": "max_running max_jobs workers max_workers num_workers worker_concurrency",
    "JobRunner(drain_timeout=...)": (
        "drain_timeout job_completion_wait shutdown_timeout shutdown_grace_period shutdown_grace_period_s grace_period"
    ),
    "JobRunner(cancel_grace=...)": "cancel_grace",
    "JobRunner(durability=...)": "durability fsync",
    "JobRunner(keep_completed=...)": (
        "keep_completed result_ttl ttl result_expires expires keep_result_forever retention cleanup_interval"
    ),
    "JobRunner(keep_dead=...)": "keep_dead failure_ttl",
    "JobRunner(keep_events=...)": "keep_events event_retention",
    "JobRunner(ageing=...)": "ageing aging",
    "JobRunner(middleware=...)": "middleware middlewares before_process after_process on_job_start on_job_end",
    "JobRunner(clock=...)": "clock",
}


def _by_word(*tables: Mapping[str, str]) -> dict[str, str]:
    return {word: ours for table in tables for word, ours in by_word(table).items()}


_OF_ONE_JOB: Final[Mapping[str, str]] = _by_word(_OF_A_JOB_TYPE, _OF_AN_ENQUEUE)

HABITS: Final[Mapping[str, str]] = _by_word(_OF_A_RUNNER, _OF_A_SCHEDULE, _OF_AN_ENQUEUE, _OF_A_JOB_TYPE)
"""A word for an option -> how it is said in this library; `{job}` stands for the job type."""

_OF_A_PUBLISH: Final = ("delay", "at", "idempotency_key", "label", "metadata", "priority")
_OF_A_REQUEST: Final = ("unique", "debounce", "throttle", "expires", "after")
_ATTEMPTS: Final = "max_attempts=, which counts the first attempt too"

HABITS_OF_PUBLISHES: Final[Mapping[str, str]] = _by_word(
    {f"the option {one}": _OF_AN_ENQUEUE[f"{{job}}.using({one}=...)"] for one in _OF_A_PUBLISH},
    {
        f"runner.enqueue(http.request(url, ...).using({one}=...))": _OF_AN_ENQUEUE[f"{{job}}.using({one}=...)"]
        for one in _OF_A_REQUEST
    },
    {
        "runner.enqueue(http.request(url, ...).using(limits=[...]))": "limits flow_control queue queue_name rate_limit",
        "the option idempotency_key": "deduplication_id",
        "the option at": "not_before",
        "the option failure_callback": "on_failure on_error failure_url",
        "the option callback": "on_success callback_url success_callback",
        'headers={"Content-Type": ...}': "content_type mimetype media_type",
        "Http(ssl_context=...)": "verify verify_ssl ssl cert",
        "runner.publish_cron(name, expression, url, tz=...)": "timezone time_zone tz cron",
        "json=, form= or content=": "data body payload",
        "secret_headers=": "auth token authorization",
        "a URL with it": "params query",
        _ATTEMPTS: "retries max_retries max_tries tries attempts retry",
        "the option backoff": "retry_delay retry_backoff",
    },
)
"""The same among the options of what is published to a URL."""

HABITS_OF_HTTP: Final[Mapping[str, str]] = by_word(
    {
        "signer=Signer(SigningKeys(...))": "key keys signing_key signing_keys secret webhook_secret sign",
        "the option per_host": "concurrency max_concurrency limit limit_per_host connections",
        _ATTEMPTS: "retries max_retries max_tries tries attempts retry",
        "the option backoff": "retry_delay retry_backoff",
        "the option ssl_context": "verify verify_ssl ssl cert",
        "headers= of each publish": "headers default_headers",
        "nothing: no proxy is used": "proxy proxies trust_env",
        "JobRunner(deps=...)": "deps",
    }
)
"""The same among the options of `Http`."""

HABITS_OF_LISTENERS: Final[Mapping[str, str]] = {
    **HABITS,
    **dict.fromkeys(("event", "events", "names", "trigger", "triggers"), "the names first, without a word before them"),
    **dict.fromkeys(("if", "if_", "if_exp", "expression", "filter", "match"), "when=, a function of the event"),
}
"""The same among the options of a handler that events start."""

HABITS_OF_A_RUNNER: Final[Mapping[str, str]] = {
    **HABITS,
    **dict.fromkeys(("concurrency", "limit", "max_concurrency", "executor"), "JobRunner(max_running=...)"),
    **dict.fromkeys(("keep_result", "ignore_result", "store_results"), "JobRunner(keep_completed=...)"),
}
"""The same among the options of a runner, where some words mean another thing."""

_OF_A_CLIENT: Final = ("database", "jobs", "durability", "clock")

HABITS_OF_A_CLIENT: Final[Mapping[str, str]] = {
    **HABITS_OF_A_RUNNER,
    **_by_word({f"JobClient({one}=...)": _OF_A_RUNNER[f"JobRunner({one}=...)"] for one in _OF_A_CLIENT}),
}
"""The same among the options of a client."""

_ENQUEUED: Final = "await runner.enqueue(job_type, ...)"
_LATER: Final = "await runner.enqueue(job_type.using(delay=...), ...)"
_LIFE: Final = "`async with runner:`, await runner.start() and runner.stop(), or await runner.run_forever()"
HABITS_OF_METHODS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("delay", "send", "kiq", "enqueue", "submit", "push", "defer", "defer_async", "queue"), _ENQUEUED),
    **dict.fromkeys(("enqueue_job", "add_job", "send_task", "add_task", "schedule_job", "apply"), _ENQUEUED),
    **dict.fromkeys(("apply_async", "send_with_options", "schedule", "enqueue_at", "configure"), _LATER),
    **dict.fromkeys(("s", "si", "message", "kicker", "options"), "job_type.using(...) or job_type.bind(...)"),
    **dict.fromkeys(("map", "starmap", "group", "chunks"), "await runner.enqueue_many([job_type.bind(...), ...])"),
    **dict.fromkeys(("call_local", "fn", "original_func", "run_sync"), "a plain call, job_type(...)"),
    **dict.fromkeys(("shutdown", "run", "close", "async_run", "main", "work", "connect"), _LIFE),
    **dict.fromkeys(("task", "actor", "background_task", "add_function"), "@runner.job"),
    **dict.fromkeys(("periodic_task", "scheduled_job", "cron_job", "add_periodic_task", "add_schedule"), BY_THE_CLOCK),
    **dict.fromkeys(("include", "autodiscover_tasks", "include_router"), "runner.register(...)"),
    **dict.fromkeys(("get_job", "get_jobs", "remove_job", "abort", "revoke", "info"), "runner.jobs"),
    **dict.fromkeys(("on_startup", "on_shutdown", "on_event", "startup"), _RESOURCES),
    **dict.fromkeys(
        ("on_failure", "on_error", "error_handler", "add_listener"), "runner.on_dead(...) or runner.watch()"
    ),
}
"""A word for a method of a job type or of a runner -> how it is said in this library."""

_READ: Final = "client.get(job_id)"
HABITS_OF_METHODS_OF_CLIENTS: Final[Mapping[str, str]] = {
    **{word: ours.replace("await runner.", "client.") for word, ours in HABITS_OF_METHODS.items() if ours != _LIFE},
    **dict.fromkeys(("get_job", "get_jobs", "info"), _READ),
    **dict.fromkeys(("connect", "open"), "`with client:`; it opens the database at its first call"),
    **dict.fromkeys(("shutdown", "disconnect", "stop"), "client.close()"),
}
"""A word for a method of a client -> how it is said in this library."""

HABITS_OF_HANDLES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("get", "wait", "join", "wait_result", "get_result", "fetch"), "await handle.result(timeout=...)"),
    **dict.fromkeys(
        ("status", "state", "ready", "successful", "failed", "info", "refresh"), "(await handle.job()).status"
    ),
    **dict.fromkeys(("revoke", "abort", "stop", "remove"), "await handle.cancel()"),
    **dict.fromkeys(("retry", "requeue", "reschedule"), "await runner.jobs.redrive(handle.id)"),
    **dict.fromkeys(("task_id", "job_id", "uuid"), "handle.id"),
    **dict.fromkeys(("traceback", "error", "exception"), "(await handle.job()).history"),
}
"""A word for a method of a handle -> how it is said in this library."""

_STEP: Final = "await ctx.step(name, function, ...)"
HABITS_OF_CONTEXTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("run", "run_step", "do", "ai", "fetch", "infer"), _STEP),
    **dict.fromkeys(("parallel", "group", "all"), "asyncio.gather(ctx.step(...), ...)"),
    **dict.fromkeys(("wait_for", "waitForEvent"), "await ctx.wait_for_event(name, event, match=..., timeout=...)"),
    "retry": "raise Retry(...)",
    "sleepUntil": "await ctx.sleep_until(name, at)",
    **dict.fromkeys(("send_event", "sendEvent"), "await ctx.send(name, event, data)"),
    **dict.fromkeys(("event", "events"), "the argument of a handler that runner.on(...) declares"),
    **dict.fromkeys(("run_id", "job_id"), "ctx.id"),
}
"""A word for an attribute of a context -> how it is said in this library."""

HABITS_OF_STEPS: Final[Mapping[str, str]] = {
    **{word: HABITS_OF_CONTEXTS[word] for word in ("run", "ai", "fetch", "parallel", "sleepUntil", "waitForEvent")},
    **{word: HABITS_OF_CONTEXTS[word] for word in ("send_event", "sendEvent")},
    "sleep": "await ctx.sleep(name, duration)",
    "sleep_until": "await ctx.sleep_until(name, at)",
    "wait_for_event": HABITS_OF_CONTEXTS["waitForEvent"],
    "invoke": "await ctx.invoke(name, job_type, ...)",
}
"""A word for an attribute of `ctx.step`, which is a method -> how it is said in this library."""

_OF_A_BATCH: Final = ("id", "enqueue", "enqueue_many", "open", "stats", "cancel", "close", "abandon")
HABITS_OF_BLOCKS: Final[Mapping[str, str]] = dict.fromkeys(
    _OF_A_BATCH, "an attribute of the batch of `async with runner.batches.open(...) as batch:`"
)
"""A name of a batch, missed on a block that is not entered -> where it is."""

HABITS_OF_BLOCKS_OF_CLIENTS: Final[Mapping[str, str]] = dict.fromkeys(
    _OF_A_BATCH, "an attribute of the batch of `with client.batches.open(...) as batch:`"
)
"""The same of a client."""


def refuse_unknown(given: Mapping[str, Any], taken: Collection[str], habits: Mapping[str, str] = HABITS) -> None:
    """Checks that every option of a call is one that there is.

    Args:
        given: The options of the call.
        taken: Those that there are.
        habits: What another word means at this place.

    Raises:
        InvalidOption: If one of them is not; it names the option that was meant.
    """
    refuse_other_words(given, taken, habits)


def explain_argument(word: str, job: str) -> str | None:
    """Says which option of a job is meant by an argument that its handler does not have; None: none.

    Args:
        word: The name of the argument.
        job: The name of the handler.
    """
    ours = _OF_ONE_JOB.get(word)
    return (
        None if ours is None else f"the handler has no such argument; as an option it is {ours.replace(JOB_WORD, job)}"
    )


class _Missing:
    """An attribute that there is not: a method of another library."""

    def __init__(self, word: str, ours: str) -> None:
        self._word = word
        self._ours = ours

    def __get__(self, owner: object, kind: type) -> NoReturn:
        said = f"{kind.__name__!r} object has no attribute {self._word!r}; in aiojobs_lite it is"
        raise AttributeError(f"{said} {self._ours}", name=self._word, obj=owner)


class _Refused:
    """What is called, or asked for more, in place of an attribute that a function does not have.

    A function cannot refuse to have an attribute, so what it has refuses to be used; a `ctx.step` of another kind would
    make every step slower.
    """

    def __init__(self, word: str, ours: str) -> None:
        self._problem = f"ctx.step has no attribute {word!r}; in aiojobs_lite it is {ours}"

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise AttributeError(self._problem)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(self._problem, name=name, obj=self)


def answers_words_of_steps(step: M) -> M:
    """Gives `ctx.step` the words of Inngest, such as `ctx.step.run(...)`: each is refused with ours."""
    vars(step).update({word: _Refused(word, ours) for word, ours in HABITS_OF_STEPS.items()})
    return step


def _existing(cls: type, names: Iterable[str]) -> list[str]:
    return [name for name in names if not isinstance(getattr_static(cls, name, None), _Missing)]


class _HidesMissing(type):
    """Leaves what is missing out of `dir` and `help`, for classes and their instances."""

    def __dir__(cls) -> list[str]:
        return _existing(cls, super().__dir__())


class AnswersHabits(metaclass=_HidesMissing):
    """Mixin: a word of another library, such as `delay`, is missed with an error that says ours.

    An attribute for each word and no `__getattr__`, which would make every use of any attribute slower.
    """

    def __dir__(self) -> list[str]:
        return _existing(type(self), super().__dir__())


class AnswersHabitsOfClients(metaclass=_HidesMissing):
    """The same for a client."""

    def __dir__(self) -> list[str]:
        return _existing(type(self), super().__dir__())


class AnswersHabitsOfHandles(metaclass=_HidesMissing):
    """The same for a handle."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return _existing(type(self), super().__dir__())


class AnswersHabitsOfContexts(metaclass=_HidesMissing):
    """The same for the context of a handler."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return _existing(type(self), super().__dir__())


class AnswersHabitsOfBlocks(metaclass=_HidesMissing):
    """The same for the block of a batch: a batch is what `as` gives."""

    def __dir__(self) -> list[str]:
        return _existing(type(self), super().__dir__())


class AnswersHabitsOfBlocksOfClients(metaclass=_HidesMissing):
    """The same for the block of a client's batch."""

    def __dir__(self) -> list[str]:
        return _existing(type(self), super().__dir__())


for _kind, _habits in (
    (AnswersHabitsOfBlocks, HABITS_OF_BLOCKS),
    (AnswersHabitsOfBlocksOfClients, HABITS_OF_BLOCKS_OF_CLIENTS),
    (AnswersHabits, HABITS_OF_METHODS),
    (AnswersHabitsOfClients, HABITS_OF_METHODS_OF_CLIENTS),
    (AnswersHabitsOfHandles, HABITS_OF_HANDLES),
    (AnswersHabitsOfContexts, HABITS_OF_CONTEXTS),
):
    for _word, _ours in _habits.items():
        setattr(_kind, _word, _Missing(_word, _ours))
