"""What a client publishes becomes deliveries: one for a URL, one for each endpoint of a group."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from aiojobs_lite.handlers.publish import Publish
from aiojobs_lite.handlers.request_parts import has_type
from aiojobs_lite.handlers.requests import Request
from aiojobs_lite.handlers.urls import check_url
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.http.signing.bodies import TOO_LARGE
from aiojobs_lite.model.unique import Unique
from aiojobs_lite.policy.retry_delay import RetryDelay
from aiojobs_lite.qstash.api import Api
from aiojobs_lite.qstash.destination import Destination
from aiojobs_lite.qstash.filters import MARK, OF_API
from aiojobs_lite.qstash.groups import GroupEndpoint, endpoints_of
from aiojobs_lite.qstash.headers import DEFAULT_RETRIES, CallbackOptions, MessageOptions
from aiojobs_lite.qstash.limits import GivenLimits
from aiojobs_lite.qstash.names import given_name
from aiojobs_lite.qstash.queues import parallelism_of
from aiojobs_lite.qstash.times import milliseconds

_NO_TYPE: Final = ("Content-Type", "")  # then none is delivered


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a client publishes.

    Attributes:
        destination: Where it goes.
        options: What its headers say.
        body: Its body.
        caller_ip: The address of the client, or None.
        queue: The queue in whose path it came; None: that of its headers, or none.
        schedule: The schedule that publishes it, or None.
    """

    destination: Destination
    options: MessageOptions
    body: bytes = b""
    caller_ip: str | None = None
    queue: str | None = None
    schedule: str | None = None


class Delivery(NamedTuple):
    """A delivery that is about to be enqueued.

    Attributes:
        url: Where it goes.
        request: It.
    """

    url: str
    request: Request


async def deliveries_of(
    api: Api, outgoing: Outgoing, endpoints: Sequence[GroupEndpoint] | None = None
) -> list[Delivery]:  # fmt: skip
    """The deliveries of what a client publishes.

    Args:
        api: What publishes.
        outgoing: What is published.
        endpoints: Where it goes; None: to its destination.

    Raises:
        ApiError: 404, if there is no such URL group; 413, if the body is too large.
        InvalidOption: If something of it cannot work.
    """
    if len(outgoing.body) > api.http.largest_body:
        raise ApiError(413, f"{TOO_LARGE}: at most {api.http.largest_body:,} bytes are taken")
    destination = outgoing.destination
    if endpoints is None:
        is_url = destination.is_url
        endpoints = [GroupEndpoint(destination.text)] if is_url else await endpoints_of(api, destination.text)
    publishes = [publish_of_message(outgoing, endpoint) for endpoint in endpoints]
    requests = [api.http.delivery.request(publish) for publish in publishes]
    await api.signer.refresh(api.runner.documents)  # another program may deliver it: the keys are stored before
    limits = await _limits(api, outgoing)  # when all is checked: it makes the queue
    return [
        Delivery(publish.url, request.using(limits=limits, unique=_unique(api, outgoing, publish.url)))
        for publish, request in zip(publishes, requests, strict=True)
    ]


async def _limits(api: Api, outgoing: Outgoing) -> GivenLimits | None:
    queue = outgoing.queue or outgoing.options.queue
    counted = None if queue is None else (queue, await parallelism_of(api, queue))
    return await api.limits.of(outgoing.options.flow, counted)


def _unique(api: Api, outgoing: Outgoing, url: str) -> Unique | None:
    """What lets no repeat of a message in."""
    key = _repeat_key(outgoing, url)
    if key is None:
        return None
    return Unique(lambda _: key, scope=api.settings.deduplicate_for, on_conflict="return")


def publish_of_message(outgoing: Outgoing, endpoint: GroupEndpoint) -> Publish:
    """A message to one URL.

    Raises:
        InvalidOption: If something of it cannot work.
    """
    options, url = outgoing.options, check_url("destination", endpoint.url)
    plain = [pair for pair in options.headers if not options.redaction.hides(pair[0])]
    secret = [pair for pair in options.headers if options.redaction.hides(pair[0])]
    attempts = 1 + (DEFAULT_RETRIES if options.retries is None else options.retries)
    return Publish(
        url,
        content=outgoing.body or None,
        method=options.method or "POST",
        headers=plain if has_type(options.headers) else [*plain, _NO_TYPE],
        secret_headers=secret,
        secret_body=options.redaction.body,
        hashes=True,
        delay=options.delay if options.not_before is None else None,
        at=options.not_before,
        max_attempts=attempts,
        backoff=None if options.retry_delay is None else RetryDelay(options.retry_delay),
        timeout=options.timeout,
        callback=_callback("Upstash-Callback", options.callback, attempts),
        failure_callback=_callback("Upstash-Failure-Callback", options.failure_callback, attempts),
        await_callbacks=(outgoing.queue or options.queue) is not None,  # the next message of the queue waits for them
        label=options.labels[0] if options.labels else None,
        metadata=_metadata(outgoing, endpoint, url),
        rules="qstash",
    )


def _callback(header: str, options: CallbackOptions | None, attempts: int) -> Publish | None:
    if options is None:
        return None
    url = check_url(header, options.url)
    return Publish(
        url,
        method=options.method or "POST",
        headers=list(options.headers),
        delay=options.delay,
        max_attempts=attempts if options.retries is None else 1 + options.retries,
        backoff=None if options.retry_delay is None else RetryDelay(options.retry_delay),
        timeout=options.timeout,
        metadata=_place(url),
        rules="qstash",
    )


def _metadata(outgoing: Outgoing, endpoint: GroupEndpoint, url: str) -> dict[str, Any]:
    """What lists and filters know of a message; what is absent is left out."""
    options, is_url = outgoing.options, outgoing.destination.is_url
    queue = outgoing.queue or options.queue
    found = {
        **_place(url),
        "topic": None if is_url else outgoing.destination.text,
        "endpoint": endpoint.name,
        "queue": None if queue is None else given_name("queue", queue),
        "schedule": outgoing.schedule,
        "labels": list(options.labels) or None,
        "flow_key": None if options.flow is None else options.flow.key,
        "flow": options.flow_value,
        "caller_ip": outgoing.caller_ip,
        "delay": options.delay if options.not_before is None else None,
        "not_before": None if options.not_before is None else milliseconds(options.not_before),
    }
    return {name: value for name, value in found.items() if value is not None}


def _place(url: str) -> Mapping[str, str]:
    return {MARK: OF_API, "url": url, "path": urlsplit(url).path or "/"}


def _repeat_key(outgoing: Outgoing, url: str) -> str | None:
    """By what a repeat of a message is known; None: by nothing. Each endpoint of a group has its own."""
    options = outgoing.options
    if options.deduplication_id is not None:
        said: list[Any] = ["id", options.deduplication_id, None if outgoing.destination.is_url else url]
    elif options.is_content_based:
        said = ["content", url, hashlib.sha256(outgoing.body).hexdigest(), sorted(options.headers)]
    else:
        return None
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
