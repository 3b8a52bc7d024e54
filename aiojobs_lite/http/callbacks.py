"""What a callback says of the delivery that it is about. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.payloads import REDACTED

_OF_METADATA: Final[Mapping[str, str]] = {
    "topic": "topicName", "endpoint": "endpointName", "schedule": "scheduleId", "caller_ip": "callerIP",
}  # fmt: skip
"""What a callback says of the metadata of a message of QStash."""


class Source(NamedTuple):
    """The delivery that a callback is about, at one of its attempts.

    Attributes:
        key: Its key.
        arguments: The arguments of its job, in which secret ones are not shown.
        metadata: What its publisher has kept with it.
        attempt: The attempt.
        max_attempts: All that it may have.
        created_at: When it was published, in milliseconds.
        scheduled_at: When the attempt was due, in milliseconds.
    """

    key: str
    arguments: Mapping[str, Any]
    metadata: Mapping[str, Any]
    attempt: int
    max_attempts: int
    created_at: int
    scheduled_at: int


def callback_body(source: Source, answer: Mapping[str, Any], *, dead_id: str | None = None) -> str:
    """The body of a callback, as JSON.

    Args:
        source: The delivery.
        answer: What came back, as `Attempt.details` has it.
        dead_id: Of a delivery that is dead its id in the list of dead jobs.
    """
    arguments = source.arguments
    hashes = arguments.get("shown") or {}
    secret = arguments.get("secret_headers", ())
    hidden = [(name, REDACTED) for name, _ in secret] if isinstance(secret, list | tuple) else []
    shown = [*arguments.get("headers", ()), *(hashes.get("headers") or hidden)]
    said = {
        "status": answer.get("status", 0),
        "header": by_name(answer.get("headers", ())),
        "body": _base64(answer.get("body", ""), is_base64=answer.get("is_base64", False)),
        "error": answer.get("error"),
        "retried": source.attempt - 1,
        "maxRetries": source.max_attempts - 1,
        "sourceMessageId": source.key,
        "url": arguments["url"],
        "method": arguments.get("method", "POST"),
        "sourceHeader": by_name(shown),
        "sourceBody": _base64(arguments.get("body", ""), is_base64=arguments.get("is_base64", False)),
        "notBefore": source.scheduled_at,
        "createdAt": source.created_at,
        "dlqId": dead_id,
        **{shown_as: source.metadata.get(name) for name, shown_as in _OF_METADATA.items()},
    }
    if arguments.get("secret_body"):
        said["sourceBody"] = _base64(hashes.get("body", REDACTED), is_base64=False)
    return json.dumps({name: value for name, value in said.items() if value is not None}, separators=(",", ":"))


def by_name(headers: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """Headers as a dict of lists: a name may come several times."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def _base64(text: str, *, is_base64: bool) -> str:
    return text if is_base64 else base64.b64encode(text.encode()).decode()
