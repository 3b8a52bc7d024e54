"""What the headers of a retry of a dead message change of it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.model.job import Job
from aiojobs_lite.qstash.destination import Destination
from aiojobs_lite.qstash.groups import GroupEndpoint
from aiojobs_lite.qstash.headers import MessageOptions
from aiojobs_lite.qstash.outgoing import Outgoing, publish_of_message
from aiojobs_lite.qstash.times import milliseconds
from aiojobs_lite.runner.redriving import RedriveOptions

TIMES: Final = ("delay", "not_before")
"""What the metadata of a message say of when it was due; of one that is published again they say it no more."""

_ARGUMENTS: Final = ("timeout", "retry_delay", "callback", "failure_callback")
_KEPT: Final = {
    "deduplication_id": "Upstash-Deduplication-Id", "cron": "Upstash-Cron",
    "schedule_id": "Upstash-Schedule-Id", "queue": "Upstash-Queue-Name",
}  # fmt: skip


def changes_of(job: Job, options: MessageOptions) -> RedriveOptions:
    """What is otherwise in the message that takes the place of a dead one; empty if nothing is.

    Args:
        job: The job of the dead one.
        options: What the headers of the request say. The limits of their flow control are left to the caller.

    Raises:
        ApiError: 400, if something of it cannot be changed.
        InvalidOption: If a callback has no URL.
    """
    for name, header in _KEPT.items():
        if getattr(options, name) is not None:
            raise ApiError(400, f"{header} of a dead message stays as it is: publish the message anew")
    if options.is_content_based or options.redaction != MessageOptions().redaction:
        raise ApiError(400, "how a dead message is known by its content, and what it hides, stays: publish it anew")
    changes: RedriveOptions = {}
    if arguments := _arguments(job, options):
        changes["arguments"] = arguments
    if options.not_before is not None:
        changes["at"] = options.not_before
    elif options.delay is not None:
        changes["delay"] = options.delay
    if options.retries is not None:
        changes["max_attempts"] = 1 + options.retries
    metadata = metadata_again(job) | _said(options)
    if metadata != job.metadata:
        changes["metadata"] = metadata
    if options.labels:
        changes["label"] = options.labels[0]
    return changes


def metadata_again(job: Job) -> dict[str, Any]:
    """The metadata of a message that is published again."""
    return {name: value for name, value in job.metadata.items() if name not in TIMES}


def _said(options: MessageOptions) -> dict[str, Any]:
    """What the metadata say besides."""
    found: dict[str, Any] = {"labels": list(options.labels)} if options.labels else {}
    if options.flow is not None:
        found |= {"flow_key": options.flow.key, "flow": options.flow_value or ""}
    if options.not_before is not None:
        found["not_before"] = milliseconds(options.not_before)
    elif options.delay is not None:
        found["delay"] = options.delay
    return found


def _arguments(job: Job, options: MessageOptions) -> dict[str, Any]:
    """The arguments of the delivery that are otherwise."""
    url = job.payload["url"]
    retries = job.max_attempts - 1 if options.retries is None else options.retries
    outgoing = Outgoing(Destination(url, is_url=True), replace(options, retries=retries))
    made = publish_of_message(outgoing, GroupEndpoint(url)).arguments
    found = {name: made[name] for name in _ARGUMENTS if name in made}
    if options.method is not None:
        found["method"] = options.method
    if options.headers:
        found["headers"] = _headers(job, options)
    return found


def _headers(job: Job, options: MessageOptions) -> list[list[str]]:
    """The headers of the delivery, with those that are forwarded in place of those of the same names."""
    hidden = {name.lower() for name, _ in (job.payload.get("shown") or {}).get("headers", ())}
    given = {name.lower() for name, _ in options.headers}
    if both := sorted(hidden & given):
        raise ApiError(400, f"the header {both[0]} of the message is hidden, and stays: publish the message anew")
    kept = [list(pair) for pair in job.payload.get("headers", ()) if pair[0].lower() not in given]
    return [*kept, *([name, value] for name, value in options.headers)]
