"""Words of other libraries among the arguments of value objects, such as `Unique(period="1h")`, and ours for them."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar, cast

from aiojobs_lite.errors import InvalidOption

K = TypeVar("K", bound=type)
JOB_WORD: Final = "{job}"
"""Stands for a job type in what our word is."""

_SECRET: Final = re.compile("auth|token|secret|passw|credential|cookie|header|sign|current_key|next_key")
_KEYS_OF_SIGNATURES: Final = ("whsec_", "sig_")
_HIDDEN: Final = "***"

_KEYS: Final = "keys field fields by on group_by group partition partition_key"
_EVERYWHERE: Final = "nothing: it holds over all runners of the database"
_COUNTS: Final = "limit max count number amount n value max_count"
_PERIODS: Final = "interval window seconds duration timeframe within ttl"


def by_word(table: Mapping[str, str]) -> dict[str, str]:
    """A table from our option to the words for it, the other way around."""
    return {word: ours for ours, words in table.items() for word in words.split()}


WORDS_OF_STEPS: Final = by_word(
    {
        "Step(name)": "id step_id step key",
        "Step(name, max_attempts=...), which counts the first attempt too": (
            "retries max_retries max_tries tries attempts retry stop_after"
        ),
        'Step(name, backoff=Backoff(base="2s", cap="1h"))': (
            "retry_delay delay interval interval_seconds backoff_rate retry_backoff min_backoff max_backoff wait"
        ),
        "Step(name, timeout=...)": "time_limit start_to_close_timeout schedule_to_close_timeout deadline",
    }
)
WORDS_OF_BACKOFFS: Final = by_word(
    {
        "Backoff(base=...)": (
            "delay initial initial_delay initial_interval start min min_delay min_backoff minimum wait"
        ),
        "Backoff(cap=...)": "max max_delay max_interval max_backoff maximum maximum_interval limit",
        "nothing: each wait is twice the one before": "factor multiplier exponent rate exp_base backoff_coefficient",
        "nothing: each wait is shortened by up to a half, at random": "jitter randomize random",
    }
)
WORDS_OF_LIMITS: Final = by_word(
    {
        "Limit(most, key=...)": f"{_COUNTS} concurrency max_concurrency capacity slots",
        'Limit(most, key="user_id")': _KEYS,
        _EVERYWHERE: "scope",
        "Limit(1, key=..., ordered=True)": "fifo order strict in_order",
        "Rate(most, per=..., key=...)": f"per period {_PERIODS}",
    }
)
WORDS_OF_RATES: Final = by_word(
    {
        "Rate(most, per=..., key=...)": f"{_COUNTS} rate times",
        "Rate(most, per=...)": f"period every {_PERIODS}",
        'Rate(most, per=..., key="user_id")': _KEYS,
        _EVERYWHERE: "scope",
        "nothing: never more than `most` start within any period": "burst",
    }
)
WORDS_OF_UNIQUE: Final = by_word(
    {
        'Unique("user_id"), the fields first': f"key args arguments params {_KEYS}",
        'Unique(..., scope="1h")': f"period for_ until expires timeout lock_ttl {_PERIODS}",
        "Unique(..., on_conflict=...)": "mode conflict action if_exists on_duplicate existing policy replace",
    }
)
WORDS_OF_DEBOUNCES: Final = by_word(
    {
        "Debounce(period)": f"delay wait quiet {_PERIODS}",
        "Debounce(period, max_wait=...)": "timeout max max_delay max_period limit",
        'Debounce(period, key="user_id")': _KEYS,
    }
)
WORDS_OF_THROTTLES: Final = by_word(
    {
        "Throttle(period)": f"delay per every {_PERIODS}",
        'one job in each period; for more @job(limits=[Rate(100, per="1m")])': f"burst rate times {_COUNTS}",
        'Throttle(period, key="user_id")': _KEYS,
    }
)
WORDS_OF_BATCHES: Final = by_word(
    {
        "Batch(size, max_wait=...)": "max_size maxSize batch_size items timeout flush_interval linger_ms "
        f"max_delay wait interval {_COUNTS}",
        'Batch(size, max_wait=..., key="org_id")': _KEYS,
    }
)
WORDS_OF_CANCELS: Final = by_word(
    {
        "On(event)": "name event_name trigger",
        'On(event, match="user_id")': (
            f"if_ if_exp expression when where filter condition match_on correlation {_KEYS} key"
        ),
        "nothing: an event cancels a job until that has ended": "timeout within",
    }
)


def refuse_other_words(given: Mapping[str, Any], taken: Collection[str], words: Mapping[str, str]) -> None:
    """Checks that every argument by name is one that there is.

    Args:
        given: The arguments.
        taken: The names of those that there are.
        words: What another word means at this place; `JOB_WORD` stands for a job type.

    Raises:
        InvalidOption: If one of them is not; it names the one that was meant, and shows nothing that may be secret.
    """
    for word, value in given.items():
        if word in taken:
            continue
        ours = words.get(word)
        if ours is None:
            close = difflib.get_close_matches(word, taken, n=1)
            ours = f"the option {close[0]}" if close else f"one of {', '.join(sorted(taken))}"
        is_key = isinstance(value, str) and value.startswith(_KEYS_OF_SIGNATURES)
        shown = _HIDDEN if is_key or _SECRET.search(word) else value  # which would be in the log with the error
        raise InvalidOption(word, shown, ours.replace(JOB_WORD, "job_type"))


def answers(words: Mapping[str, str]) -> Callable[[K], K]:
    """Has a class answer another word among its arguments with ours, in place of a bare `TypeError`."""

    def answering(kind: K) -> K:
        init = cast("Any", kind).__init__
        _, *parameters = inspect.signature(init).parameters.values()
        taken = {one.name for one in parameters if one.kind is not one.VAR_POSITIONAL}

        @functools.wraps(init)
        def checked(self: object, *args: Any, **kwargs: Any) -> None:
            refuse_other_words(kwargs, taken, words)
            init(self, *args, **kwargs)

        cast("Any", kind).__init__ = checked
        return kind

    return answering
