"""The shapes of what the API answers and takes, as schemas of JSON Schema: nothing beside them is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_HEADERS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}}
_METHOD: Final[Schema] = {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]}
_STATE: Final[Schema] = {
    "enum": ["CREATED", "ACTIVE", "RETRY", "ERROR", "DELIVERED", "FAILED", "CANCEL_REQUESTED", "CANCELED"]
}  # fmt: skip


def listed(items: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """A shape of `SHAPES`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _shape(needed: Mapping[str, Schema], more: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these, and perhaps more."""
    properties = {**needed, **(more or {})}
    return {"type": "object", "properties": properties, "required": [*needed], "additionalProperties": False}


def _texts(names: str) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), TEXT)


def _counts(names: str) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), COUNT)


_FLOW: Final = {**_texts("flowControlKey"), **_counts("parallelism rate period")}
_SENT: Final = {
    **_texts("topicName endpointName queueName scheduleId body bodyBase64 retryDelayExpression callback"),
    **_texts("failureCallback callerIP label"), "labels": listed(TEXT), "header": _HEADERS,
    "callbackHeader": _HEADERS, "failureCallbackHeader": _HEADERS, "timeout": COUNT, **_FLOW,
}  # fmt: skip
_MESSAGE_NEEDS: Final = {
    **_texts("messageId url"), "method": _METHOD, **_counts("maxRetries notBefore createdAt"),
}  # fmt: skip
_DEAD_NEEDS: Final = {**_MESSAGE_NEEDS, **_texts("dlqId"), "responseStatus": COUNT}
_ANSWERED: Final = {"responseHeader": _HEADERS, **_texts("responseBody responseBodyBase64")}

SHAPES: Final[Mapping[str, Schema]] = {
    "Error": _shape(_texts("error")),
    "Made": _shape(_texts("messageId"), {**_texts("url"), "deduplicated": FLAG}),
    "Message": _shape(_MESSAGE_NEEDS, _SENT),
    "DeadMessage": _shape(_DEAD_NEEDS, {**_SENT, **_ANSWERED}),
    "Event": _shape(
        {"time": COUNT, **_texts("messageId url"), "state": _STATE},
        {
            **_SENT,
            **_ANSWERED,
            **_texts("error retryDelayExpr"),
            **_counts("nextDeliveryTime responseStatus"),
            "method": _METHOD,
            **_counts("maxRetries notBefore createdAt"),
            "responseHeaders": _HEADERS,
            "callbackHeaders": _HEADERS,
            "failureCallbackHeaders": _HEADERS,
        },
    ),
    "Schedule": _shape(
        {**_texts("scheduleId cron destination"), "createdAt": COUNT, "method": _METHOD, "retries": COUNT},
        {
            **_SENT,
            **_texts("callerIp error"),
            **_counts("delay lastScheduleTime nextScheduleTime"),
            "isPaused": FLAG,
            "timeout": TEXT,
            "lastScheduleStates": {
                "type": "object",
                "additionalProperties": {"enum": ["IN_PROGRESS", "SUCCESS", "FAIL"]},
            },
        },
    ),
    "Queue": _shape({"name": TEXT, **_counts("parallelism createdAt updatedAt lag"), "paused": FLAG}),
    "Group": _shape(
        {"name": TEXT, **_counts("createdAt updatedAt"), "endpoints": listed(_shape(_texts("url"), _texts("name")))}
    ),
    "FlowControl": _shape(
        {"flowControlKey": TEXT},
        {
            **_counts("waitListSize parallelismMax parallelismCount rateMax rateCount ratePeriod ratePeriodStart"),
            **dict.fromkeys(("isPaused", "isPinnedParallelism", "isPinnedRate"), FLAG),
        },
    ),
    "GlobalParallelism": _shape(_counts("parallelismMax parallelismCount")),
    "Keys": _shape(_texts("current next")),
}
"""The objects of the API, by name."""
