"""Waits by expressions: what of an expression the database can look up, and what is looked at when an event has come.

The equalities of an expression go into the match of the wait. If they do not say all, the expression is kept beside the
wait, as a note of the run: an event that ended the wait, and for which the expression does not hold, ends no step. The
wait is opened again behind that event, under the next name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from aiojobs_lite.durable.operations import WaitForEvent
from aiojobs_lite.inngest import ids, raw_json
from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.expressions import Expression, compile_expression
from aiojobs_lite.model.event_match import EventMatch, json_values
from aiojobs_lite.model.steps import StepKind, StepRow

OTHER_EVENT: Final = "async"
"""The name of the event that is waited for, in an expression; that of the run is `event`."""

_EVENT: Final = "event"
_NOTE: Final = "if"
_DATA: Final = "data"
_BESIDES: Final = {"user": "_inngest.user", "v": "_inngest.v"}  # where the stored event has what is beside its data
_NULL: Final = "null"


class Condition(NamedTuple):
    """An expression of a wait that is looked at when an event has come.

    Attributes:
        text: The expression.
        match: What the wait is for.
        until: When the wait is over, in microseconds.
        is_raced: Whether the step is in race with others.
    """

    text: str
    match: EventMatch
    until: int | None
    is_raced: bool

    def memo(self) -> str:
        """The condition, as JSON."""
        return json.dumps([self.text, list(self.match), self.until, self.is_raced], ensure_ascii=False)

    @classmethod
    def read(cls, memo: str) -> Condition:
        """The condition of such a memo."""
        text, (event, fields, values), until, is_raced = json.loads(memo)
        return cls(text, EventMatch(event, tuple(fields), values), until, is_raced)


def note_name(hashed: str) -> str:
    """The name of the note that has the condition of a step."""
    return ids.own_name(_NOTE, hashed)


def find_matching(event: str, expression: Expression) -> tuple[EventMatch, Expression | None]:
    """What finds the events that can fit an expression, and the expression that decides among them; None: all fit.

    Args:
        event: The name of the events.
        expression: An expression of `async` alone: the values of the run are in it.
    """
    found: dict[str, str | bool | int] = {}
    rest = expression.residual(OTHER_EVENT)
    for one in expression.equalities(OTHER_EVENT):
        path = _path_in_stored(one.path)
        if path is None or path in found:
            rest = expression
        else:
            found[path] = one.value
    fields = tuple(sorted(found))
    return EventMatch(event, fields, json_values([found[path] for path in fields])), rest


def find_unfit(rows: Iterable[StepRow], notes: Mapping[str, str], event: str) -> dict[str, Condition]:
    """The waits that were ended by an event for which their expression does not hold, by their names.

    Args:
        rows: Operations that have ended.
        notes: The notes of the run.
        event: The event of the run, as an SDK sees it, as JSON.
    """
    found = {}
    for row in rows:
        note = notes.get(note_name(ids.step_hash_of(row.name))) if row.kind is StepKind.EVENT else None
        if note is not None and row.memo not in {None, _NULL}:
            condition = Condition.read(note)
            other = from_memo(json.loads(row.memo or _NULL))
            if not compile_expression(condition.text).matches({_EVENT: json.loads(event), OTHER_EVENT: other}):
                found[row.name] = condition
    return found


def open_again(
    rows: Iterable[StepRow], unfit: Mapping[str, Condition], waiting: Iterable[StepRow]
) -> tuple[list[WaitForEvent], list[str]]:
    """The waits that are opened again, and the names of those among them that are in race with others.

    Args:
        rows: Operations that have ended.
        unfit: Those that an event has ended which does not fit.
        waiting: Operations that have not ended: a wait may be open again already.
    """
    steps: dict[str, list[StepRow]] = {}
    for row in [*rows, *waiting]:
        if row.kind is StepKind.EVENT:
            steps.setdefault(ids.step_hash_of(row.name), []).append(row)
    opened, raced = [], []
    for several in steps.values():
        latest = several[-1]
        condition = unfit.get(latest.name)
        if condition is not None:
            name = ids.name_again(several[0].name, len(several) + 1)
            opened.append(WaitForEvent(name, condition.match, condition.until, latest.memo))
            raced += [name] if condition.is_raced else []
    return opened, raced


def latest_event(name: str, rows: Sequence[StepRow]) -> str | None:
    """The event of a name that ended a wait of the run at last, as JSON; None: there is none. The next wait for this
    name is behind it: it gets no event a second time.
    """
    named = f'"name":{json.dumps(name)},'  # as `memo_of` writes it
    memos = [row.memo for row in rows if row.kind is StepKind.EVENT and row.memo not in {None, _NULL}]
    return next((memo for memo in reversed(memos) if memo and named in memo and _name_of(memo) == name), None)


def _name_of(memo: str) -> object:
    return raw_json.load_value(raw_json.members(memo)["name"])


def _path_in_stored(path: Sequence[str]) -> str | None:
    """The dotted path into the data of a stored event; None: there is none that can be written so."""
    if not path or any("." in part or not part for part in path):
        return None
    first, *rest = path
    if first == _DATA:
        return ".".join(rest) or None
    return ".".join([_BESIDES[first], *rest]) if first in _BESIDES else None
