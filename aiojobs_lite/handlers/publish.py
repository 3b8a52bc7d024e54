"""What is published to a URL: `Publish` checks it, and a job type of deliveries makes a job of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal, TypedDict, cast, get_args

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_attempts, check_choice, check_flag
from aiojobs_lite.handlers.habits import HABITS_OF_PUBLISHES, refuse_unknown
from aiojobs_lite.handlers.options import EnqueueOptions
from aiojobs_lite.handlers.request_parts import (
    NO_BODY,
    GivenHeaders,
    body_of,
    check_headers,
    check_size,
    has_type,
    hash_of,
    sent_headers,
    text_of,
)
from aiojobs_lite.handlers.urls import check_url, host_of
from aiojobs_lite.model.job import Priority
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.retry_delay import RetryDelay
from aiojobs_lite.text import show

Rules = Literal["default", "qstash"]
"""What an answer means; see `aiojobs_lite.http.answers`."""

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
MOST_WAITS: Final = 100  # of a delivery, as a list
_SHORTEST_TIMEOUT_S: Final = 0.001
_OF_ENQUEUE: Final = ("delay", "at", "max_attempts", "idempotency_key", "label", "priority")
_OF_CALLBACKS: Final = ("delay", "max_attempts", "label", "priority", "metadata")
_NOT_OF_CALLBACKS: Final = (
    "json", "content", "form", "secret_headers", "secret_body", "hashes", "at", "callback", "failure_callback",
    "await_callbacks", "idempotency_key",
)  # fmt: skip


class PublishOptions(TypedDict, total=False):
    """What `runner.publish` takes besides the URL, all of it optional.

    Attributes:
        json: The body: any value that is stored as JSON; a model or a dataclass as well.
        content: The body as text or bytes.
        form: The body as the fields of a form.
        method: `GET`, `POST` (default), `PUT`, `PATCH`, `DELETE`, `HEAD` or `OPTIONS`.
        headers: Headers by name, or as a list of pairs. `Content-Type` goes before that of the body; an empty one: none
            is sent.
        secret_headers: The same, for values that no list, log or history may show.
        secret_body: Whether the body is one of these; default False.
        hashes: Whether the SHA-256 of each secret value is shown in its place, with the names of secret headers;
            default False: nothing of them is.
        delay: How long from now until its first attempt.
        at: The earliest time of that, an aware datetime; not together with `delay`.
        max_attempts: All attempts that it may have; default: as `Http` says.
        backoff: The waits between attempts: a `Backoff`, or a list of durations, of which the last one counts for all
            that follow; or a `RetryDelay`. Default: as `Http` says.
        timeout: How long an attempt may take, from the name of the host to the end of the answer; default: as `Http`
            says.
        callback: A URL that is sent what came back, or a `Publish` without a body, for its headers and options: once
            when the delivery is completed. With `rules="qstash"` after each attempt.
        failure_callback: The same, once when the delivery is dead.
        await_callbacks: Whether the delivery ends when the callbacks of its last attempt have ended; default False. So
            the next one of an ordered key waits for them.
        idempotency_key: As of `using`: the same key again publishes nothing.
        label: For people and for lists.
        priority: `high`, `medium` or `low`.
        metadata: A small object that is kept with the job. The name of the host is added, as `host`.
        rules: What an answer means: `default` or `qstash`; default: as `Http` says.
    """

    json: Any
    content: str | bytes | None
    form: GivenHeaders | None
    method: str
    headers: GivenHeaders | None
    secret_headers: GivenHeaders | None
    secret_body: bool
    hashes: bool
    delay: Duration | None
    at: datetime | None
    max_attempts: int | None
    backoff: Backoff | RetryDelay | Sequence[Duration] | None
    timeout: Duration | None
    callback: str | Publish | None
    failure_callback: str | Publish | None
    await_callbacks: bool
    idempotency_key: str | None
    label: str | None
    priority: Priority | None
    metadata: Mapping[str, Any] | None
    rules: Rules | None


@dataclass(frozen=True, slots=True, repr=False)
class Publish:
    """One request that is to be delivered; takes what `PublishOptions` describes.

    Attributes:
        url: The URL in the form that is stored, signed and sent.
        arguments: Those of the job, by name.
        options: Those of its enqueue.

    Raises:
        InvalidOption: If something of it cannot work; its `option` names what.
    """

    url: str
    _: KW_ONLY
    json: Any = NO_BODY
    content: str | bytes | None = None
    form: GivenHeaders | None = None
    method: str = "POST"
    headers: GivenHeaders | None = None
    secret_headers: GivenHeaders | None = None
    secret_body: bool = False
    hashes: bool = False
    delay: Duration | None = None
    at: datetime | None = None
    max_attempts: int | None = None
    backoff: Backoff | RetryDelay | Sequence[Duration] | None = None
    timeout: Duration | None = None
    callback: str | Publish | None = None
    failure_callback: str | Publish | None = None
    await_callbacks: bool = False
    idempotency_key: str | None = None
    label: str | None = None
    priority: Priority | None = None
    metadata: Mapping[str, Any] | None = None
    rules: Rules | None = None
    arguments: Mapping[str, Any] = field(init=False, compare=False)
    options: EnqueueOptions = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", check_url("url", self.url))
        object.__setattr__(self, "arguments", _arguments(self))
        object.__setattr__(self, "options", _options(self))

    def __repr__(self) -> str:
        return f"<Publish {self.method} {show(self.url)[1:-1]}>"


def publish_of(url: str, options: Mapping[str, Any]) -> Publish:
    """What `publish(url, ...)` was called with.

    Raises:
        InvalidOption: If there is no such option, or one cannot work.
    """
    refuse_unknown(options, PublishOptions.__optional_keys__, HABITS_OF_PUBLISHES)
    return Publish(url, **options)


def _arguments(publish: Publish) -> dict[str, Any]:
    """The arguments of its job; what is as by default is left out."""
    made: dict[str, Any] = {"url": publish.url}
    if check_choice("method", publish.method, METHODS) != "POST":
        made["method"] = publish.method
    headers = check_headers("headers", publish.headers)
    secret = check_headers("secret_headers", publish.secret_headers, is_secret=True)
    check_size([*headers, *secret])
    is_secret = check_flag("secret_body", publish.secret_body)
    given = {"json": publish.json, "content": publish.content, "form": publish.form}
    body, kind = body_of(given, is_secret=is_secret)
    if kind is not None and not has_type([*headers, *secret]):
        headers.append(("Content-Type", kind))
    headers, secret = sent_headers(headers), sent_headers(secret)
    made |= {"headers": headers} if headers else {}
    made |= {"secret_headers": secret} if secret else {}
    if body:
        text = text_of(body)
        made["secret_body" if is_secret else "body"] = base64.b64encode(body).decode() if text is None else text
        made |= {"is_base64": True} if text is None else {}
    if check_flag("hashes", publish.hashes) and (secret or is_secret):
        made["shown"] = {"headers": [[name, hash_of(value.encode())] for name, value in secret]}
        made["shown"] |= {"body": hash_of(body)} if is_secret else {}
    if publish.timeout is not None:
        made["timeout"] = seconds(publish.timeout, "timeout", least=_SHORTEST_TIMEOUT_S)
    if publish.backoff is not None:
        made |= _backoff(publish.backoff)
    if check_flag("await_callbacks", publish.await_callbacks):
        made["await_callbacks"] = True
    if publish.rules is not None:
        made["rules"] = check_choice("rules", publish.rules, get_args(Rules))
    for option in ("callback", "failure_callback"):
        if (given := getattr(publish, option)) is not None:
            made[option] = _callback(option, given, publish)
    return made


def _options(publish: Publish) -> EnqueueOptions:
    metadata = {} if publish.metadata is None else publish.metadata
    if not isinstance(metadata, Mapping):
        raise InvalidOption("metadata", metadata, "a dict of text to plain JSON values")
    made: dict[str, Any] = {name: getattr(publish, name) for name in _OF_ENQUEUE}
    if publish.max_attempts is not None:
        check_attempts("max_attempts", publish.max_attempts)
    return cast("EnqueueOptions", {**made, "metadata": {"host": host_of(publish.url), **metadata}})


def _backoff(value: object) -> dict[str, Any]:
    if isinstance(value, RetryDelay):
        return {"retry_delay": value.expression}
    if isinstance(value, Backoff):
        return {"backoff": [value.base, value.cap]}
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_WAITS:
        one = 'a Backoff, such as Backoff(base="12s", cap="1d"), a RetryDelay'
        expected = f"{one}, or a list of 1 to {MOST_WAITS} durations"
        raise InvalidOption("backoff", value, expected)
    return {"waits": [seconds(wait, "backoff") for wait in value]}


def _callback(option: str, value: object, source: Publish) -> dict[str, Any]:
    """The arguments and the options of a callback, as its source keeps them."""
    if isinstance(value, str):
        value = Publish(check_url(option, value))
    if not isinstance(value, Publish):
        raise InvalidOption(option, value, "a URL, or a Publish(...) with its headers and options")
    for one in fields(value):
        if one.name in _NOT_OF_CALLBACKS and getattr(value, one.name) != one.default:
            raise InvalidOption(option, value, f"a Publish without {one.name}=, which no callback has")
    given = {name: found for name, found in value.options.items() if name in _OF_CALLBACKS and found is not None}
    of_source = {name: getattr(source, name) for name in ("max_attempts", "label", "priority")}
    options = {**{name: found for name, found in of_source.items() if found is not None}, **given}
    if value.delay is not None:
        options["delay"] = seconds(value.delay, "delay")
    arguments = dict(value.arguments)
    if "headers" in arguments:
        arguments["headers"] = [list(pair) for pair in arguments["headers"]]  # as JSON has it
    return {"arguments": arguments, "options": options}
