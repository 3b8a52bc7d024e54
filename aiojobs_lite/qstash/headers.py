"""What the headers of a publish say of its message. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from aiojobs_lite.clock import LAST_INSTANT, MICROSECONDS, to_datetime
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_text
from aiojobs_lite.policy.retry_delay import RetryDelay
from aiojobs_lite.qstash.durations import whole_seconds
from aiojobs_lite.qstash.flow_control import FlowControl, flow_control
from aiojobs_lite.qstash.redaction import Redaction, redaction
from aiojobs_lite.sizes import LONGEST_LABEL_CHARS

DEFAULT_RETRIES: Final = 3
MOST_RETRIES: Final = 10_000
MOST_LABELS: Final = 20  # of a message

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_OURS: Final = "upstash-"
_FORWARD: Final = "upstash-forward-"
_CALLBACKS: Final = ("upstash-callback", "upstash-failure-callback")
_NOT_FORWARDED: Final = frozenset({
    "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "keep-alive",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_WHOLE: Final = re.compile(r"[0-9]{1,15}")

HeaderPairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CallbackOptions:
    """A callback of a message.

    Attributes:
        url: Where it goes.
        method: Its method; None: POST.
        headers: Its headers.
        timeout: Seconds that an attempt may take, or None.
        retries: Its retries; None: as many as the message has.
        delay: Seconds before its first attempt, or None.
        retry_delay: The expression of the wait before a retry, or None.
    """

    url: str
    method: str | None = None
    headers: HeaderPairs = ()
    timeout: int | None = None
    retries: int | None = None
    delay: int | None = None
    retry_delay: str | None = None


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """What the headers of a publish say; None: they say nothing of it.

    Attributes:
        method: The method of the delivery; None: POST.
        headers: What is delivered: the type of the body, and what is forwarded, by canonical names.
        delay: Seconds before the first attempt.
        not_before: When that is due; it goes before the delay.
        retries: Attempts after the first.
        retry_delay: The expression of the wait before a retry.
        timeout: Seconds that an attempt may take.
        callback: The callback.
        failure_callback: That of a message that is dead.
        deduplication_id: The id by which a repeat is known.
        is_content_based: Whether a repeat is known by its content.
        flow: The flow control.
        flow_value: The value of its header, as given.
        labels: The labels.
        redaction: What nothing shows.
        cron: The expression of a schedule.
        schedule_id: The id of the schedule.
        queue: The name of a queue.
    """

    method: str | None = None
    headers: HeaderPairs = ()
    delay: int | None = None
    not_before: datetime | None = None
    retries: int | None = None
    retry_delay: str | None = None
    timeout: int | None = None
    callback: CallbackOptions | None = None
    failure_callback: CallbackOptions | None = None
    deduplication_id: str | None = None
    is_content_based: bool = False
    flow: FlowControl | None = None
    flow_value: str | None = None
    labels: tuple[str, ...] = ()
    redaction: Redaction = field(default_factory=Redaction)
    cron: str | None = None
    schedule_id: str | None = None
    queue: str | None = None


def message_options(headers: Iterable[tuple[str, str]], settings: Iterable[tuple[str, str]] = ()) -> MessageOptions:
    """Reads the headers of a publish. Unknown ones count for nothing, as those of telemetry.

    Args:
        headers: The headers of the request, or those of an item of a batch.
        settings: Parameters of the query that stand for headers; a header of the same name goes before them.

    Raises:
        InvalidOption: If one has a value that cannot work; it names the header.
    """
    given = [(name.lower(), value.strip()) for name, value in headers]
    known = {name for name, _ in given}
    given += [(name.lower(), value.strip()) for name, value in settings if name.lower() not in known]
    read = _Reader({name: value for name, value in reversed(given) if name.startswith(_OURS) and value})
    key, value = read.text("upstash-flow-control-key"), read.text("upstash-flow-control-value")
    return MessageOptions(
        read.method("upstash-method"),
        _delivered(given, is_all=read.flag("upstash-header-forward")),
        read.duration("upstash-delay"),
        read.instant("upstash-not-before"),
        read.whole("upstash-retries", MOST_RETRIES),
        read.expression("upstash-retry-delay"),
        read.duration("upstash-timeout", least=1),
        _callback(read, _CALLBACKS[0], given),
        _callback(read, _CALLBACKS[1], given),
        read.text("upstash-deduplication-id"),
        read.flag("upstash-content-based-deduplication"),
        None if key is None and value is None else flow_control(key or "", value or ""),
        None if key is None else value,
        read.labels("upstash-label"),
        redaction(read.text("upstash-redact-fields") or ""),
        read.text("upstash-cron"),
        read.text("upstash-schedule-id"),
        read.text("upstash-queue-name"),
    )


def canonical_name(name: str) -> str:
    """The name of a header as it is stored: `test-header` is `Test-Header`."""
    return "-".join(part.capitalize() for part in name.split("-"))


class _Reader:
    """Reads single headers. Of several by one name the first counts; an empty one is none."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def text(self, name: str) -> str | None:
        return self._given.get(name)

    def method(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and value.upper() not in _METHODS:
            raise _refusal(name, value, " or ".join(_METHODS))
        return None if value is None else value.upper()

    def whole(self, name: str, most: int, what: str = "a whole number") -> int | None:
        value = self.text(name)
        if value is not None and (not _WHOLE.fullmatch(value) or int(value) > most):
            raise _refusal(name, value, f"{what} from 0 to {most:,}")
        return None if value is None else int(value)

    def duration(self, name: str, *, least: int = 0) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        found = whole_seconds(value, canonical_name(name))
        if found < least:
            raise _refusal(name, value, f"{least} s or more")
        return found

    def instant(self, name: str) -> datetime | None:
        value = self.whole(name, LAST_INSTANT // MICROSECONDS, "whole seconds since 1970,")
        return None if value is None else to_datetime(value * MICROSECONDS)

    def expression(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None:
            try:
                RetryDelay(value)
            except InvalidOption as error:
                raise _refusal(name, value, error.expected) from None
        return value

    def flag(self, name: str) -> bool:
        value = self.text(name) or "false"
        if value.lower() not in _FLAGS:
            raise _refusal(name, value, "true or false")
        return _FLAGS[value.lower()]

    def labels(self, name: str) -> tuple[str, ...]:
        value = self.text(name) or ""
        labels = [label for part in value.split(",") if (label := part.strip())]
        if len(labels) > MOST_LABELS:
            raise _refusal(name, value, f"at most {MOST_LABELS} labels, comma-separated")
        return tuple([check_text(canonical_name(name), label, LONGEST_LABEL_CHARS) for label in labels])


def _callback(read: _Reader, prefix: str, given: Sequence[tuple[str, str]]) -> CallbackOptions | None:
    """The callback whose headers begin so, if there is one."""
    url = read.text(prefix)
    if url is None:
        return None
    return CallbackOptions(
        url,
        read.method(f"{prefix}-method"),
        _forwarded(given, f"{prefix}-forward-"),
        read.duration(f"{prefix}-timeout", least=1),
        read.whole(f"{prefix}-retries", MOST_RETRIES),
        read.duration(f"{prefix}-delay"),
        read.expression(f"{prefix}-retry-delay"),
    )


def _delivered(given: Sequence[tuple[str, str]], *, is_all: bool) -> HeaderPairs:
    """The headers of the delivery: the type of the body first; an own one in `Upstash-Forward-` goes before it."""
    kept = list(_forwarded(given, _FORWARD))
    names = {name.lower() for name, _ in kept}
    if is_all:
        kept += [(canonical_name(name), value) for name, value in given if name not in names and _is_free(name, value)]
    kinds = [("Content-Type", value) for name, value in given if name == "content-type"]
    return (*([] if "content-type" in names else kinds[:1]), *kept)


def _forwarded(given: Sequence[tuple[str, str]], prefix: str) -> HeaderPairs:
    return tuple([(canonical_name(name[len(prefix) :]), value) for name, value in given if name.startswith(prefix)])


def _is_free(name: str, value: str) -> bool:
    """Whether a header of the request itself may be forwarded: no option, no token, and none of the connection."""
    is_token = name == "authorization" and value.lower().startswith("bearer")
    return not name.startswith(_OURS) and name not in _NOT_FORWARDED and not is_token


def _refusal(name: str, value: Any, expected: str) -> InvalidOption:
    return InvalidOption(canonical_name(name), value, expected)
