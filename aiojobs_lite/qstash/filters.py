"""What the parameters of a list, or of a call for many messages, ask for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from aiojobs_lite.clock import LAST_INSTANT, to_datetime
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.urls import check_url

MOST_LISTED_EVENTS: Final = 1000
MOST_LISTED_DEAD: Final = 100
MOST_CANCELLED: Final = 500
MOST_IDS: Final = 1000

MARK: Final = "by"
"""The name in the metadata that messages of the API have, and other deliveries have not."""

OF_API: Final = "qstash"
"""The value there."""

_METADATA: Final = {
    "url": "url", "topicName": "topic", "queueName": "queue", "scheduleId": "schedule", "label": "labels",
    "flowControlKey": "flow_key", "callerIp": "caller_ip", "callerIP": "caller_ip",
}  # fmt: skip
_PLACE: Final = {"host": "host", "path": "path"}
_DATES: Final = frozenset({"fromDate", "toDate"})
_INTEGER: Final = re.compile(r"[0-9]{1,15}")
_STATUS: Final = re.compile(r"[0-9]{1,3}")
_LIST: Final = frozenset({"count", "cursor"})
_MICROSECONDS: Final = 1000  # of a millisecond
_IN_PROGRESS: Final = ("ACTIVE", "RETRY", "ERROR")
STATES: Final = (
    "CREATED", "ACTIVE", "RETRY", "ERROR", "DELIVERED", "FAILED", "CANCEL_REQUESTED", "CANCELED",
)  # fmt: skip
"""The states of a message, in the order in which they come."""

_ASKED_STATES: Final[Mapping[str, Sequence[str]]] = {
    **{state: (state,) for state in STATES},
    "CANCELLED": ("CANCELED",),
    "IN_PROGRESS": _IN_PROGRESS,
}


@dataclass(frozen=True, slots=True)
class FilterForm:
    """Which parameters a request may have.

    Attributes:
        metadata: Those that name something in the metadata of messages, and what.
        ids: Those that name messages. One of several in a list is given without others, but for `count` and `cursor`.
        others: All others.
        most: The greatest `count`.
    """

    metadata: Mapping[str, str]
    ids: Sequence[str]
    others: frozenset[str]
    most: int

    @property
    def names(self) -> list[str]:
        """All of them."""
        return sorted({*self.metadata, *self.ids, *self.others})


CANCEL_FORM: Final = FilterForm(_METADATA | _PLACE, ("messageIds",), _DATES | {"count"}, MOST_CANCELLED)
DLQ_FORM: Final = FilterForm(
    _METADATA | {"api": "api"}, ("dlqIds", "messageId"), _DATES | _LIST | {"responseStatus"}, MOST_LISTED_DEAD
)
EVENTS_FORM: Final = FilterForm(
    _METADATA | _PLACE | {"api": "api"}, ("messageIds", "messageId"), _DATES | _LIST | {"state"}, MOST_LISTED_EVENTS
)


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What is asked for: messages for which all holds that is given.

    Attributes:
        ids: The ids that they may have; None: any.
        metadata: What their metadata have, as `runner.jobs.list` takes it.
        since: The earliest instant.
        until: The latest.
        states: The states of events; None: all.
        statuses: The last answer of the receiver; None: any.
        count: At most so many; None: nothing is said.
        cursor: Where a list goes on, or None.
        is_given: Whether anything was given.
    """

    ids: tuple[str, ...] | None = None
    metadata: Mapping[str, Sequence[str]] = field(default_factory=lambda: {MARK: [OF_API]})
    since: datetime | None = None
    until: datetime | None = None
    states: frozenset[str] | None = None
    statuses: frozenset[int] | None = None
    count: int | None = None
    cursor: str | None = None
    is_given: bool = True


def read_filter(form: FilterForm, given: Iterable[tuple[str, str]]) -> MessageFilter:
    """Reads the parameters of a request.

    - Many values are given by repeating a parameter, or with commas between; one of them is to hold.
    - A value with commas counts as a whole as well: a URL or a key may have some.

    Raises:
        InvalidOption: If there is no such parameter, or one cannot work; it names it.
    """
    values: dict[str, list[str]] = {}
    for name, value in given:
        if name not in form.names:
            raise InvalidOption(name, value, f"no such parameter: there are {', '.join(form.names)}")
        values.setdefault(name, []).append(value)
    ids = _ids(form, values)
    metadata: dict[str, list[str]] = {}
    for name in form.metadata.keys() & values.keys():
        found = metadata.setdefault(form.metadata[name], [])
        found += [one for value in values[name] for one in _parts(name, value) if one not in found]
    return MessageFilter(
        ids,
        {MARK: [OF_API], **metadata},
        _date("fromDate", values),
        _date("toDate", values, is_last=True),
        _states(values.get("state")),
        _statuses(values.get("responseStatus")),
        _count(form, values.get("count")),
        (values.get("cursor") or [""])[-1] or None,
        bool(values),
    )


def read_ids(name: str, body: Any) -> list[tuple[str, str]]:
    """The ids in the body of a request, as parameters; none if it has no body.

    Raises:
        InvalidOption: If it is no object with this one list of texts.
    """
    ids = body.get(name) if isinstance(body, dict) and body.keys() == {name} else None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise InvalidOption("body", body, f'{{"{name}": ["...", ...]}}')
    return [(name, one) for one in ids]


def _ids(form: FilterForm, values: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    given = [name for name in form.ids if name in values]
    if not given:
        return None
    if form.ids[0] in given and values.keys() - {form.ids[0]} - _LIST:
        others = ", ".join(sorted(values.keys() - {form.ids[0]} - _LIST))
        raise InvalidOption(form.ids[0], values[form.ids[0]], f"no other filter beside it, without {others}")
    ids = tuple(dict.fromkeys(one for name in given for value in values[name] for one in value.split(",") if one))
    if len(ids) > MOST_IDS:
        raise InvalidOption(given[0], f"{len(ids):,} ids", f"at most {MOST_IDS:,}")
    return ids


def _parts(name: str, value: str) -> list[str]:
    """The values that a parameter may mean."""
    parts = [part for part in value.split(",") if part]
    begins = {"url": ("http://", "https://"), "path": ("/",)}.get(name)
    if begins is not None and not all(part.lower().startswith(begins) for part in parts):
        parts = []  # the comma belongs to the URL
    return [_form(name, one) for one in dict.fromkeys([value, *parts])]


def _form(name: str, value: str) -> str:
    """A value as the metadata have it."""
    if name == "host":
        return value.lower()
    if name != "url":
        return value
    try:
        return check_url(name, value)
    except InvalidOption:
        return value  # no message has it


def _date(name: str, values: Mapping[str, list[str]], *, is_last: bool = False) -> datetime | None:
    """An instant of milliseconds; as the last one it has all of its millisecond."""
    if name not in values:
        return None
    text = values[name][-1]
    if not _INTEGER.fullmatch(text):
        raise InvalidOption(name, text, "milliseconds since 1970")
    micros = int(text) * _MICROSECONDS + (_MICROSECONDS - 1 if is_last else 0)
    return to_datetime(min(micros, LAST_INSTANT))


def _states(values: Sequence[str] | None) -> frozenset[str] | None:
    if values is None:
        return None
    asked = [one for value in values for one in value.split(",")]
    for one in asked:
        if one not in _ASKED_STATES:
            raise InvalidOption("state", one, f"one of {', '.join(_ASKED_STATES)}")
    return frozenset(state for one in asked for state in _ASKED_STATES[one])


def _statuses(values: Sequence[str] | None) -> frozenset[int] | None:
    if values is None:
        return None
    asked = [one for value in values for one in value.split(",")]
    for one in asked:
        if not _STATUS.fullmatch(one):
            raise InvalidOption("responseStatus", one, "the status of an answer, such as 404; 0: there was none")
    return frozenset(map(int, asked))


def _count(form: FilterForm, values: Sequence[str] | None) -> int | None:
    if values is None:
        return None
    text = values[-1]
    if not _INTEGER.fullmatch(text) or int(text) < 1:
        raise InvalidOption("count", text, f"a whole number from 1 to {form.most}")
    return min(int(text), form.most)
