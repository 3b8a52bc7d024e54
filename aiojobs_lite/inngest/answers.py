"""An answer of an app: what it says of the run. Pure; status, headers and body come as they were received."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from aiojobs_lite.clock import to_micros
from aiojobs_lite.inngest import ids, json_steps, raw_json
from aiojobs_lite.inngest.durations import date
from aiojobs_lite.inngest.slices import Steps
from aiojobs_lite.model.job import Failure
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.sizes import (
    LARGEST_DETAILS_BYTES,
    LONGEST_ERROR_TYPE_CHARS,
    LONGEST_MESSAGE_CHARS,
    LONGEST_PROBLEM_SHOWN_CHARS,
    LONGEST_TRACEBACK_CHARS,
)
from aiojobs_lite.text import escape, make_storable, shorten

LEAST_APP_WAIT_S: Final = 1.0
LONGEST_APP_WAIT_S: Final = 86_400.0
"""What the header `retry-after` of an app is clipped to."""

MOST_OPERATIONS: Final = 2_000
"""Operations of one answer, and of one checkpoint."""

_LARGEST_HEADERS_CHARS: Final = 64 * 1024  # of the end of a stream
_LONGEST_TIMING_NS: Final = 10**17  # three years
_SDK: Final = "x-inngest-sdk"
_VERSION: Final = "x-inngest-req-version"
_NO_RETRY: Final = "x-inngest-no-retry"
_RETRY_AFTER: Final = "retry-after"
_OF_NO_CHECKPOINTS: Final = re.compile(r"inngest-(py:v0\.[0-5]|js:v[0-3])\.")  # others may make them, or will
_SECONDS: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_WHOLE: Final = re.compile(r"[0-9]{1,4}")
_ERROR_FIELDS: Final = ("name", "message", "stack", "cause")
_ERROR: Final = "Error"
_INVALID: Final = "InvalidAnswer"
_RUN_OPS: Final = frozenset({"RunComplete", "DiscoveryRequest", "None", "DeferAdd", "DeferAbort", "SyncRunComplete"})
_NANOSECONDS: Final = 1e9
_READ: Final = frozenset({"op", "id", "name", "displayName", "opts", "userland", "timing"})


class SdkOperation(NamedTuple):
    """One operation of an answer.

    Attributes:
        op: What it is.
        id: The id that the SDK gives the step.
        name: Its name; of some operations what they are about.
        shown: Its name for people.
        opts: Its options.
        data: What it gave, as JSON word for word, or None.
        error: What it raised, as a JSON object of `name`, `message`, `stack` and `cause`, or None.
        seconds: How long it took, or None.
    """

    op: str
    id: str
    name: str = ""
    shown: str = ""
    opts: Mapping[str, Any] = {}  # a default that is never changed
    data: str | None = None
    error: str | None = None
    seconds: float | None = None


class NextOperations(NamedTuple):
    """The run goes on: these are its next operations.

    Attributes:
        found: The operations.
        version: How the SDK says that it and the server talk, or None.
        verdict: What is said of a step that failed.
        may_have_stored: Whether the SDK may have stored steps while it answered, by checkpoints.
    """

    found: tuple[SdkOperation, ...]
    version: int | None
    verdict: Verdict
    may_have_stored: bool


class Returned(NamedTuple):
    """The function returned.

    Attributes:
        result: What, as JSON word for word.
    """

    result: str


class Failed(NamedTuple):
    """The function failed, or the app did.

    Attributes:
        failure: How.
        verdict: Whether it may be tried again, and when.
    """

    failure: Failure
    verdict: Verdict


Answered = NextOperations | Returned | Failed


def read_answer(status: int, headers: Iterable[tuple[str, str]], body: str, now: int) -> Steps[Answered]:
    """What an answer says; step by step, of a large one.

    Args:
        status: Its status.
        headers: Its headers.
        body: Its body.
        now: The present instant in microseconds, for a `retry-after` that is a date.
    """
    by_name: dict[str, str] = {}
    body = yield from json_steps.whole_in_steps(body)
    for name, value in headers:
        by_name.setdefault(name.lower(), value.strip())
    if status == 201:
        try:
            status, body = yield from _unwrap(body, by_name)
        except (ValueError, KeyError, TypeError) as error:
            return invalid(f"its stream does not end with status, headers and body: {error}")
    is_good = 200 <= status < 300
    if is_good and not by_name.get(_SDK):
        return invalid(f"an answer {status} without the header {_SDK} is not from an SDK, but perhaps from a proxy")
    if not is_good:
        return (yield from _failed(status, by_name, body, now))
    try:
        if status == 206:
            may_have_stored = _OF_NO_CHECKPOINTS.match(by_name[_SDK]) is None
            said = verdict_of(by_name, now, _ERROR)
            found = yield from operations_in(body)
            return NextOperations(found, _version(by_name), said, may_have_stored)
        if status == 200:
            return Returned((yield from json_steps.check_in_steps(body)) if body.strip() else "null")
    except ValueError as error:
        return invalid(f"the body of an answer {status} is not what it has to be: {error}")
    return invalid(f"an answer {status} is none of an SDK: it answers 200, 201 or 206")


def invalid(problem: str) -> Failed:
    """What an answer says that cannot be understood: the call is made again."""
    return Failed(failure_of(_INVALID, shorten(escape(problem), LONGEST_PROBLEM_SHOWN_CHARS)), Verdict(Wish.AGAIN))


def verdict_of(headers: Mapping[str, str], now: int, name: str) -> Verdict:
    """What the headers of an answer say of a failure.

    Args:
        headers: The headers, their names in small letters.
        now: The present instant in microseconds.
        name: The name of the error.
    """
    if headers.get(_NO_RETRY, "").lower() == "true":
        return Verdict(Wish.NEVER, f"its app says that {name}")
    delay = _retry_after(headers.get(_RETRY_AFTER, ""), now)
    return Verdict(Wish.AGAIN) if delay is None else Verdict(Wish.RETRY, name, delay)


def failure_of(name: str, message: str, stack: str | None = None, details: str | None = None) -> Failure:
    """The record of an error."""
    return Failure(
        make_storable(name, LONGEST_ERROR_TYPE_CHARS) or _ERROR,
        make_storable(message, LONGEST_MESSAGE_CHARS),
        None if stack is None else make_storable(stack, LONGEST_TRACEBACK_CHARS, keep_end=True),
        details if details is None or len(details.encode()) <= LARGEST_DETAILS_BYTES else None,
    )


def failure_of_error(error: str) -> Failure:
    """The record of an error that is a JSON object of `name`, `message`, `stack` and `cause`."""
    found = json.loads(error)
    stack = found.get("stack")
    shown = None if stack is None else _text(stack)
    return failure_of(_text(found.get("name")) or _ERROR, _text(found.get("message")), shown)


def _unwrap(body: str, headers: dict[str, str]) -> Steps[tuple[int, str]]:
    """The status and the body of an answer that came as a stream; its headers are added to the outer ones."""
    inner = yield from json_steps.members_in_steps(body)
    of_status, of_headers = inner["status"], inner.get("headers", "{}")
    if max(len(of_status), len(of_headers)) > _LARGEST_HEADERS_CHARS:
        raise ValueError(f"its status and headers have more than {_LARGEST_HEADERS_CHARS:,} characters")
    status, given = raw_json.load_value(of_status), raw_json.load_value(of_headers)
    if type(status) is not int or status == 201 or not isinstance(given, dict | None):
        raise ValueError("its status is a number other than 201, and its headers are an object")
    headers |= {name.lower(): _text(value).strip() for name, value in (given or {}).items()}
    text = inner.get("body", "null")
    if text.startswith('"'):
        text = yield from json_steps.whole_in_steps(raw_json.load_value(text))
    return status, text


def _failed(status: int, headers: Mapping[str, str], body: str, now: int) -> Steps[Failed]:
    what = f"invalid status code: {status}"
    given = yield from _error_in(body)
    if given is None:
        excerpt = escape(" ".join(body[:LONGEST_PROBLEM_SHOWN_CHARS].split()))
        where = f", a redirect to {headers['location']!r}, which is not followed" if "location" in headers else ""
        problem = f"{what}{where}: {excerpt}" if excerpt else f"{what}{where}"
        given = {"message": json.dumps(shorten(problem, LONGEST_PROBLEM_SHOWN_CHARS))}
    error = error_object(given)
    found = failure_of_error(error)
    details = raw_json.object_of({**given, **raw_json.members(error), "error": json.dumps(what)})
    kept = failure_of(found.error_type, found.message, found.traceback, details)
    return Failed(kept, verdict_of(headers, now, found.error_type))


def _error_in(body: str) -> Steps[dict[str, str] | None]:
    """The members of the error that the body of an answer is, as texts; None: it is none."""
    try:
        is_text = body.lstrip(raw_json.BLANKS).startswith('"')  # some stacks encode it twice
        inner = yield from json_steps.members_in_steps(raw_json.load_value(body) if is_text else body)
    except ValueError:
        return None
    if "message" not in inner and "name" not in inner and "error" in inner:
        inner["message"] = inner["error"]  # such as of a step that the app does not have
    return inner if "message" in inner or "name" in inner else None


def error_object(inner: Mapping[str, str]) -> str:
    """The error of these members as a JSON object: those that a function is given; `name` and `message` are texts. A
    very large cause is left out.
    """
    kept = {field: inner[field] for field in _ERROR_FIELDS if inner.get(field, "null") != "null"}
    if len(kept.get("cause", "")) > LARGEST_DETAILS_BYTES:
        del kept["cause"]
    for field, other in (("name", _ERROR), ("message", "")):
        if not kept.get(field, "").startswith('"'):
            kept[field] = json.dumps(kept.get(field, other))
    return raw_json.object_of({field: kept[field] for field in _ERROR_FIELDS if field in kept})


def operations_in(body: str) -> Steps[tuple[SdkOperation, ...]]:
    """The operations of a list, as an answer or a checkpoint has it; of old SDKs, a single one.

    Raises:
        ValueError: If it is none, or has too many.
    """
    if body.lstrip(raw_json.BLANKS).startswith("{"):
        given = [(yield from json_steps.parts_in_steps(body, _READ))]
    else:
        given = yield from json_steps.objects_in_steps(body, MOST_OPERATIONS, _READ)
    found = []
    for one in given:
        found.append((yield from operation_of(one)))
        yield
    return tuple(found)


def operation_of(found: Mapping[str, raw_json.JsonPart]) -> Steps[SdkOperation]:
    """An operation of an answer, or of a checkpoint.

    Args:
        found: The parts of the JSON object that it is.

    Raises:
        ValueError: If it is none.
    """
    op, hashed = _value(found, "op"), _value(found, "id")
    if not isinstance(op, str) or not (op in _RUN_OPS or ids.is_hash(hashed)):
        raise ValueError("an operation has an op, and that of a step an id")
    name, opts, data = _value(found, "name"), _value(found, "opts"), found.get("data")
    error = yield from _members_of(found.get("error"))
    return SdkOperation(
        op, _text(hashed), _text(name), _text(_value(found, "displayName")) or _text(name) or _userland(found),
        opts if isinstance(opts, dict) else {}, None if data is None else data.text,
        None if error is None else error_object(error),
        _seconds(_value(found, "timing")),
    )  # fmt: skip


def _value(found: Mapping[str, raw_json.JsonPart], name: str) -> Any:
    part = found.get(name)
    return None if part is None else part.value


def _members_of(part: raw_json.JsonPart | None) -> Steps[dict[str, str] | None]:
    """The members of a value; none, if it is no object; None: there is no value."""
    if part is None or part.text == "null":
        return None
    return (yield from json_steps.members_in_steps(part.text)) if part.text.startswith("{") else {}


def _userland(found: Mapping[str, raw_json.JsonPart]) -> str:
    """The id of a step in the code, as its name for people."""
    given = _value(found, "userland")
    return _text(given.get("id")) if isinstance(given, dict) else ""


def _seconds(timing: object) -> float | None:
    length = timing.get("b") if isinstance(timing, dict) else None
    if not isinstance(length, int | float) or not 0 <= length <= _LONGEST_TIMING_NS:
        return None
    return length / _NANOSECONDS


def _version(headers: Mapping[str, str]) -> int | None:
    given = headers.get(_VERSION, "")
    return int(given) if _WHOLE.fullmatch(given) else None


def _retry_after(value: str, now: int) -> float | None:
    """The wait that a header asks for: seconds, a date of ISO 8601, or one of HTTP; clipped."""
    if _SECONDS.fullmatch(value):
        return min(max(float(value), LEAST_APP_WAIT_S), LONGEST_APP_WAIT_S)
    at = date(value)
    if at is None:
        try:
            parsed: datetime = parsedate_to_datetime(value)
            at = to_micros(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            return None
    return min(max((at - now) / 1_000_000, LEAST_APP_WAIT_S), LONGEST_APP_WAIT_S)


def _text(value: object) -> str:
    """A value as text: an SDK of another language may give something else in its place."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
