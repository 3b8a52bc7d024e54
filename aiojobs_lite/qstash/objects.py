"""A message as the API shows it: what its job has, by the names of QStash. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiojobs_lite.http.callbacks import by_name
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.payloads import REDACTED
from aiojobs_lite.qstash.flow_control import flow_control
from aiojobs_lite.qstash.times import milliseconds


def message_object(job: Job, key: str) -> dict[str, Any]:
    """A message.

    Args:
        job: Its job.
        key: The key of that, which is the id of the message.
    """
    metadata, created_at = job.metadata, milliseconds(job.created_at)
    due = created_at + 1000 * metadata.get("delay", 0)
    return {
        "messageId": key,
        **message_fields(job.payload, metadata, job.max_attempts),
        "notBefore": metadata.get("not_before", due),
        "createdAt": created_at,
    }


def message_fields(payload: Mapping[str, Any], metadata: Mapping[str, Any], max_attempts: int) -> dict[str, Any]:
    """What a message says of itself, and what a schedule says of its messages; absent values are None.

    Args:
        payload: The arguments of its job, as they are shown.
        metadata: The metadata of its job.
        max_attempts: All attempts of its job.
    """
    labels, callback, failed = metadata.get("labels") or [], payload.get("callback"), payload.get("failure_callback")
    return {
        "url": payload["url"],
        "topicName": metadata.get("topic"),
        "endpointName": metadata.get("endpoint"),
        "queueName": metadata.get("queue"),
        "scheduleId": metadata.get("schedule"),
        "method": payload.get("method", "POST"),
        "header": shown_headers(payload) or None,
        "callbackHeader": _headers_of(callback),
        "failureCallbackHeader": _headers_of(failed),
        **shown_body(payload),
        "maxRetries": max_attempts - 1,
        "retryDelayExpression": payload.get("retry_delay"),
        "callback": _url_of(callback),
        "failureCallback": _url_of(failed),
        "callerIP": metadata.get("caller_ip"),
        "label": labels[0] if labels else None,
        "labels": labels or None,
        **_flow_of(metadata),
    }


def shown_headers(payload: Mapping[str, Any]) -> dict[str, list[str]]:
    """The headers of a delivery; of those that are hidden the hash."""
    return by_name([*payload.get("headers", ()), *(payload.get("shown") or {}).get("headers", ())])


def shown_body(payload: Mapping[str, Any]) -> dict[str, str]:
    """The body of a delivery, as text or as base64; of one that is hidden the hash."""
    hidden = (payload.get("shown") or {}).get("body") or (REDACTED if payload.get("secret_body") else None)
    if hidden is not None:
        return {"body": hidden}
    body = payload.get("body", "")
    return {"bodyBase64": body} if payload.get("is_base64") else {"body": body}


def _headers_of(callback: Mapping[str, Any] | None) -> dict[str, list[str]] | None:
    return None if callback is None else by_name(callback["arguments"].get("headers", ())) or None


def _url_of(callback: Mapping[str, Any] | None) -> str | None:
    return None if callback is None else callback["arguments"]["url"]


def _flow_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The flow control that a message was given; one without a period has that of a second."""
    key = metadata.get("flow_key")
    if key is None:
        return {}
    flow = flow_control(key, metadata.get("flow", ""))
    return {"flowControlKey": key, "parallelism": flow.parallelism, "rate": flow.rate, "period": flow.period_s}
