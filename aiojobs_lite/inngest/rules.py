"""What becomes of the events of one key: `rateLimit`, `idempotency`, `debounce`, `singleton` and `batchEvents`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import from_json

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.flow import Keyed
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.keys import KeyReader
from aiojobs_lite.handlers.micro_batch import Gathering
from aiojobs_lite.inngest.expressions import Expression
from aiojobs_lite.inngest.functions import FunctionConfig, PerPeriod
from aiojobs_lite.inngest.run_events import EVENT, key_function, run_events
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.debounce import Debounce
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.micro_batch import Batch
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.model.throttle import Throttle
from aiojobs_lite.model.unique import Unique

_FEWEST_GATHERED: Final = 2
_OF_A_BURST: Final = 10  # the service lets a tenth of a limit start at once, above one
_ONE_KEY: Final = "one of these: both say what becomes of events of one key, and a run has one"


@dataclass(frozen=True, slots=True)
class RateLimited(Keyed):
    """A rate of the runs that start; an event over it starts none. Beside it there may be another rule.

    Attributes:
        rate_key: Takes the key of the rate from a payload.
        window: How long a run takes of the rate of its key, in microseconds.
        slack: How much of it may be taken before a further run is over it.
    """

    rate_key: KeyReader
    window: int
    slack: int

    def candidate(self, row: NewJob, max_pending: int | None, expires: int | None) -> Candidate:
        """See `Keyed`."""
        made = Keyed.candidate(self, row, max_pending, expires)
        key = self.rate_key.read(row.payload)
        return made._replace(window_key=key, window=self.window, window_slack=self.slack)


@dataclass(frozen=True, slots=True)
class Picked(Gathering):
    """A batch of the events for which a condition holds; each other one has a run of its own, at once.

    Attributes:
        condition: The condition, of one event.
    """

    condition: Expression = field(kw_only=True)

    def candidate(self, row: NewJob, max_pending: int | None, expires: int | None) -> Candidate:
        """See `Gathering`."""
        events = run_events(from_json(arguments_of(row.payload)))
        if all(self.condition.matches({EVENT: event}) for event in events):
            return Gathering.candidate(self, row, max_pending, expires)
        return Candidate(row, max_pending=max_pending, expires=expires)


def is_batch(config: FunctionConfig) -> bool:
    """Whether a run of a function takes several events."""
    return config.batch is not None and config.batch.size >= _FEWEST_GATHERED


def rule_options(config: FunctionConfig) -> dict[str, Any]:
    """The rule about runs of the same key, as an option of a job type; `keyed_of` adds what no option says.

    Raises:
        InvalidOption: If there are several that exclude each other.
    """
    rules: dict[str, dict[str, Any]] = {}
    if is_batch(config) and config.batch is not None:
        key = key_function(config.batch.key, "batch", "id") if config.batch.key is not None else None
        try:
            batch = Batch(config.batch.size, max_wait=config.batch.timeout, key=key)
        except InvalidOption as error:
            raise InvalidOption(f"{config.id}.batchEvents.{error.option}", error.value, error.expected) from None
        rules["batchEvents"] = {"batch": batch}
    if config.debounce is not None:
        one = config.debounce
        key = key_function(one.key, "debounce", "id")
        rules["debounce"] = {"debounce": Debounce(one.period, max_wait=one.timeout, key=key)}
    if config.singleton is not None and config.singleton.mode == "skip":
        rules["singleton"] = {"unique": Unique(key_function(config.singleton.key, "singleton", "id"))}
    if len(rules) > 1:
        raise InvalidOption(config.id, " and ".join(rules), _ONE_KEY)
    if not rules and config.rate_limit is not None:
        return {
            "throttle": Throttle(config.rate_limit.period, key=key_function(config.rate_limit.key, "rateLimit", "id"))
        }
    return next(iter(rules.values()), {})


def keyed_of(config: FunctionConfig, job_type: JobType[..., Any]) -> Keyed | Gathering | None:
    """The rule of a job type that has the options of `rule_options`, with what no option says."""
    keyed = None if job_type.how.flow is None else job_type.how.flow.keyed
    if isinstance(keyed, Gathering) and config.batch is not None and config.batch.condition is not None:
        return Picked(keyed.rule, keyed.key, keyed.largest, keyed.option, condition=config.batch.condition)
    if isinstance(keyed, Keyed) and config.rate_limit is not None:
        return _rate_limited(keyed, config.rate_limit, job_type)
    return keyed


def _rate_limited(keyed: Keyed, rate: PerPeriod, job_type: JobType[..., Any]) -> RateLimited:
    """The rule with a rate, by GCRA as the service has it: one run each period/limit, and a tenth of the limit more at
    once.
    """
    window = max(round(rate.period * MICROSECONDS) // rate.limit, 1)
    key = KeyReader("throttle", key_function(rate.key, "rateLimit", "id"), job_type.signature, job_type.handler)
    return RateLimited(keyed.option, keyed.rule, keyed.key, key, window, window * (rate.limit // _OF_A_BURST))
