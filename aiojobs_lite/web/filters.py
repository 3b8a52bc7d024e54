"""The filters of the list of jobs: parameters of the URL, and what of the library each is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import Status
from aiojobs_lite.runner.filters import REASONS

LONGEST_FILTER_CHARS: Final = 500
"""Of one field of the search."""

_MOST_DIGITS: Final = 19


class SearchField(NamedTuple):
    """A filter.

    Attributes:
        name: Its parameter in the URL, and its field.
        label: What stands at the field.
        option: What it is called by `runner.jobs.list`.
        read: Makes the value of the option of the text; `ValueError` says what was expected.
        hint: What stands in an empty field.
    """

    name: str
    label: str
    option: str
    read: Callable[[str], Any] = str
    hint: str = ""


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) <= LARGEST_INTEGER):
        raise ValueError("a whole number")
    return int(text)


def _short(text: str) -> str:
    if len(text) > LONGEST_FILTER_CHARS:
        raise ValueError(f"at most {LONGEST_FILTER_CHARS} characters")
    return text


def _pair(text: str) -> dict[str, Any]:
    """`name=value`: of a whole number or a boolean that, of anything else the text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError("name=value")
    return {name.strip(): _plain(value.strip())}


def _plain(text: str) -> str | int | bool:
    if text in {"true", "false"}:
        return text == "true"
    digits = text.removeprefix("-")
    is_number = digits.isascii() and digits.isdecimal() and len(digits) < _MOST_DIGITS and str(int(text)) == text
    return int(text) if is_number else text


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a date and a time in UTC, such as 2026-03-01T12:30") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


SEARCH_FIELDS: Final = (
    SearchField("type", "Type", "type", hint="email.welcome"),
    SearchField("error", "Text in the error", "error", hint="ConnectionError"),
    SearchField("label", "Label", "label", hint="eu"),
    SearchField("payload", "Payload", "payload", _pair, hint="user_id=7"),
    SearchField("key", "Key of a limit", "key", _pair, hint="tenant=acme"),
    SearchField("held", "Held because of", "held", _one_of(*REASONS)),
    SearchField("batch", "Batch", "batch", _number, hint="12"),
    SearchField("metadata", "Metadata", "metadata", _pair, hint="tenant=acme"),
    SearchField("from", "Enqueued from (UTC)", "created_from", _instant, hint="2026-03-01T12:30"),
    SearchField("until", "Enqueued until (UTC)", "created_to", _instant, hint="2026-03-01T12:30"),
    SearchField("ended_from", "Ended from (UTC)", "completed_from", _instant, hint="2026-03-01T12:30"),
    SearchField("ended_until", "Ended until (UTC)", "completed_to", _instant, hint="2026-03-01T12:30"),
    SearchField("reason", "Text in the reason", "reason", hint="expired"),
    SearchField("order", "Order", "order", _one_of("newest", "oldest"), hint="oldest"),
)
"""All but the status, which the tabs choose."""

LISTED_STATUSES: Final = tuple(str(status) for status in Status)


@dataclass(frozen=True, slots=True)
class JobSearch:
    """Which jobs a page is about.

    Attributes:
        given: The parameters that are given, as text: the filters and the status.
        options: What they are for `runner.jobs.list` and its likes.
        problems: What is wrong with a parameter, by its name; then nothing is listed.
    """

    given: Mapping[str, str]
    options: Mapping[str, Any]
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The status that is listed; empty: every one."""
        return self.given.get("status", "")

    @property
    def filters(self) -> dict[str, str]:
        """The parameters but for the status."""
        return {name: value for name, value in self.given.items() if name != "status"}

    def without(self, name: str) -> dict[str, str]:
        """The parameters but for one."""
        return {known: value for known, value in self.given.items() if known != name}


def search_of(parameters: Mapping[str, str]) -> JobSearch:
    """Reads the parameters of a URL, or the fields of a form; those of other names are left alone."""
    given, options, problems = dict[str, str](), dict[str, Any](), dict[str, str]()
    status = parameters.get("status", "")
    if status in LISTED_STATUSES:
        given["status"] = options["status"] = status
    elif status:
        problems["status"] = f"expected one of {', '.join(LISTED_STATUSES)}"
    for one in SEARCH_FIELDS:
        text = parameters.get(one.name, "").strip()
        if not text:
            continue
        given[one.name] = text
        try:
            options[one.option] = one.read(_short(text))
        except ValueError as error:
            problems[one.name] = f"expected {error}"
    return JobSearch(given, options, problems)
