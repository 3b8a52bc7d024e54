"""The events that cancel the runs of a function: `cancelOn`, and those of a singleton that is replaced.

What only compares fields with `==` is in the index of the database, and cancels in the transaction of the event. Of the
rest the index has the fields that are compared so, under a name that no event has: `cancellers` finds the runs by them,
and looks at the whole expression and at the time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.errors import ExpressionError
from aiojobs_lite.handlers.cancel_on import Cancels, On
from aiojobs_lite.inngest.conditions import OTHER_EVENT, find_matching
from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.expressions import LONGEST_BOUND_BYTES, Expression, compile_expression
from aiojobs_lite.inngest.functions import EventTrigger, FunctionConfig
from aiojobs_lite.inngest.run_events import EVENT
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.payloads import arguments_of

_PATH: Final = re.compile(r"event(\.[A-Za-z_]\w*)+", re.ASCII)
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class RunCancel:
    """Events that cancel a run: by their name, and by an expression of the event (`async`) and that of the run.

    Attributes:
        event: Their name, or the beginning of names with an asterisk.
        expression: What holds of both; None: each event cancels.
        within: Microseconds from the enqueue of a run within which an event cancels it; None: until it ends.
        watched: The name under which the index has the runs, if it alone does not decide; else None.
    """

    event: str
    expression: Expression | None = None
    within: int | None = None
    watched: str | None = None

    def match(self, run: Mapping[str, Any]) -> EventMatch | None:
        """What the index has of a run; None: no event cancels it.

        Args:
            run: The event of the run.
        """
        name = self.watched or self.event
        if self.expression is None:
            return EventMatch(name)
        try:
            found, rest = find_matching(name, self.expression.bind(event=dict(run)))
        except ExpressionError:  # what it compares is too large to be in it
            return None if self.watched is None else EventMatch(name)
        return found if self.watched is not None or (found.fields and rest is None) else None

    def is_met(self, run: Mapping[str, Any], other: Mapping[str, Any], waited: int) -> bool:
        """Whether an event cancels a run.

        Args:
            run: The event of the run.
            other: The event.
            waited: How long after the enqueue of the run it was sent, in microseconds.
        """
        if self.within is not None and waited > self.within:
            return False
        return self.expression is None or self.expression.matches({EVENT: run, OTHER_EVENT: other})


class EventCancels(Cancels):
    """Makes of each run what the index has of the events that cancel it.

    Args:
        cancels: What cancels the runs of the function.

    Attributes:
        given: The events, as the options of a job type show them.
    """

    def __init__(self, cancels: Iterable[RunCancel]) -> None:
        self._cancels = tuple(cancels)
        self.given = tuple([On(one.event) for one in self._cancels if not one.event.endswith(_ANY)])

    def of(self, payload: str) -> tuple[EventMatch, ...]:
        """See `Cancels`; none where the event of the run has not what the expression compares."""
        event = from_memo(from_json(arguments_of(payload))[EVENT])
        found = [one.match(event) for one in self._cancels]
        return tuple([one for one in found if one is not None])


def cancels_of(config: FunctionConfig) -> tuple[RunCancel, ...]:
    """What cancels the runs of a function."""
    return tuple(
        [
            one if _is_in_index(one) else RunCancel(one.event, one.expression, one.within, f"~{place} {config.id}")
            for place, one in enumerate(_cancels(config))
        ]
    )


def _cancels(config: FunctionConfig) -> Iterator[RunCancel]:
    for one in config.cancels:
        yield RunCancel(one.event, one.expression, None if one.timeout is None else round(one.timeout * MICROSECONDS))
    if config.singleton is not None and config.singleton.mode == "cancel":
        for trigger in config.events:
            yield RunCancel(trigger.event, _same_key(config.singleton.key, trigger))


def _same_key(key: Expression | None, trigger: EventTrigger) -> Expression | None:
    """Whether an event starts a run of the same key of a singleton; a key that is `false` is no run's."""
    parts = [] if trigger.expression is None else [f"({trigger.expression.renamed(EVENT, OTHER_EVENT).text})"]
    if key is not None:
        parts += [f"({key.renamed(EVENT, OTHER_EVENT).text}) == ({key.text})", f"({key.text}) != false"]
    return compile_expression(" && ".join(parts), longest=LONGEST_BOUND_BYTES) if parts else None


def _is_in_index(cancel: RunCancel) -> bool:
    """Whether an index alone finds the runs that an event cancels, whatever the events of the runs have."""
    if cancel.event.endswith(_ANY) or cancel.within is not None:
        return False
    if cancel.expression is None:
        return True
    sample: dict[str, Any] = {}
    paths = {found[0] for found in _PATH.finditer(cancel.expression.text)}
    for place, path in enumerate(sorted(paths, key=len, reverse=True)):
        _put(sample, path.split(".")[1:], f"value {place}")
    return cancel.match(sample) is not None


def _put(values: dict[str, Any], path: Sequence[str], value: str) -> None:
    """Sets a value at a path, unless a longer path is there."""
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values.setdefault(path[-1], value)
