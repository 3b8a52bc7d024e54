"""One message to many URLs: a job that reads the URLs when it runs, and enqueues a delivery to each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.job_type import BoundJob, JobType
from aiojobs_lite.handlers.requests import DeliveryType, Request
from aiojobs_lite.handlers.schedules import options_of, read_options
from aiojobs_lite.handlers.urls import check_url, host_of
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.runner import JobRunner

FAN_OUT: Final = "http.fan_out"
"""The name of the job type."""

_SECRET: Final = ("secret_headers", "secret_body")


class FanOut:
    """Enqueues deliveries to the URLs of a group, as it is when the job runs.

    Args:
        delivery: The job type of deliveries.
        largest_payload: As that of deliveries.

    Attributes:
        job_type: The job type.
    """

    def __init__(self, delivery: DeliveryType, largest_payload: int) -> None:
        self._delivery = delivery
        self.job_type: JobType[..., list[str]] = JobType(
            self.enqueue_each, name=FAN_OUT, max_attempts=100, largest_payload=largest_payload, secret=["secret"]
        )

    def bind(self, kind: str, group: str, request: Request) -> BoundJob[list[str]]:
        """The job that enqueues a delivery to each URL of a group.

        Args:
            kind: The kind of the document of the group, whose body is a list of objects with `url` and maybe `name`.
            group: Its name.
            request: A delivery with all that is sent, to any URL.

        Raises:
            InvalidOption: If an option of the delivery cannot be kept.
        """
        message = request.arguments()
        secret = {name: message.pop(name) for name in _SECRET if name in message}
        return self.job_type.bind(kind, group, message, secret, options_of(request.bind()))

    async def enqueue_each(
        self,
        kind: str,
        group: str,
        message: dict[str, Any],
        secret: dict[str, Any],
        options: str | None,
        ctx: JobContext = injected,
        runner: JobRunner = injected,
    ) -> list[str]:
        """Enqueues the deliveries, in one transaction; returns their keys. Of a group that is gone there are none."""
        found = await runner.documents.get(kind, group)
        made = [
            self._request(one, {**message, **secret}, options, f"{ctx.key}:{place}").bind()
            for place, one in enumerate([] if found is None else found.body)
        ]
        return [handle.key for handle in await runner.enqueue_many(made)]

    def _request(
        self, endpoint: Mapping[str, str], message: Mapping[str, Any], options: str | None, key: str
    ) -> Request:  # fmt: skip
        """The delivery to one URL; an attempt that is repeated finds it by its key."""
        given = {} if options is None else read_options(options)
        url = check_url("url", endpoint["url"])
        place = {"host": host_of(url), "url": url, "path": urlsplit(url).path or "/"}
        named = {"endpoint": endpoint["name"]} if endpoint.get("name") else {}
        metadata = {**(given.get("metadata") or {}), **place, **named}
        return self._delivery.copied({**message, "url": url}, {**given, "metadata": metadata, "idempotency_key": key})
