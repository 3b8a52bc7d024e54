"""The job type of deliveries, and a request: a delivery with all that is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Unpack, cast

from aiojobs_lite.errors import InvalidPayload, PayloadTooLarge
from aiojobs_lite.handlers.job_type import BoundJob, ConfiguredJob, JobType
from aiojobs_lite.handlers.options import AS_DECLARED, Enqueueing, EnqueueOptions, check_together
from aiojobs_lite.handlers.publish import Publish
from aiojobs_lite.handlers.request_parts import JSON_TYPE, has_type
from aiojobs_lite.model.delivery import DeliveryResult
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.payloads import arguments_of

DELIVERY: Final = "http.delivery"
"""The name of the job type of deliveries."""

_SMALLER: Final = "store the data elsewhere and send its URL, or give Http a larger largest_body="


class Request(ConfiguredJob[[], DeliveryResult]):
    """A delivery with all that is sent: what `enqueue` and all else take that takes a job type, without arguments.

    Attributes:
        payload: The arguments of its job as JSON.
    """

    def __init__(self, job_type: JobType[..., DeliveryResult], how: Enqueueing, payload: str) -> None:
        super().__init__(job_type, how)
        self.payload = payload

    def bind(self, /, *args: object, **kwargs: object) -> BoundJob[DeliveryResult]:
        """The same as a bound job, for `enqueue_many`."""
        self._refuse(args, kwargs)
        return BoundJob(self.job_type, self.payload, self.how)

    def row(self, now: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NewJob:
        """See `Enqueueable.row`."""
        self._refuse(args, kwargs)
        return self.how.row(self.job_type, self.payload, now)

    def arguments(self) -> dict[str, Any]:
        """The arguments of its job by name, those that are secret as well."""
        found: dict[str, Any] = json.loads(arguments_of(self.payload))
        return found

    def using(self, **options: Unpack[EnqueueOptions]) -> Request:
        """The same delivery with further options of an enqueue, such as `limits` and `unique`."""
        return Request(self.job_type, check_together(self.how.extended(self.job_type, options)), self.payload)

    def __repr__(self) -> str:
        return f"<Request of {self.job_type.name!r} with {self.how.shown() or 'no options'}>"

    def _refuse(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        if args or kwargs:
            raise InvalidPayload(self.job_type.name, [("arguments", "are in the request already: give none")])


class DeliveryType(JobType[..., DeliveryResult]):
    """The job type of deliveries.

    Attributes:
        check: Checks by the settings of deliveries, such as `allow_http`, whether they may go to a URL, which is given
            with the option that it comes from.
        largest_body: Most bytes of a body that is published.
    """

    check: Callable[[str, str], None]
    largest_body: int

    def request(self, publish: Publish) -> Request:
        """The delivery of what is published.

        Raises:
            InvalidOption: If an option of it cannot work, or deliveries are not allowed to go there.
            PayloadTooLarge: If it is larger than deliveries may be.
        """
        self.check("url", publish.url)
        self._check_size(publish.arguments)
        for option in ("callback", "failure_callback"):
            if (callback := publish.arguments.get(option)) is not None:
                self.check(option, callback["arguments"]["url"])
                self.callback(callback, "")
        return self.copied(publish.arguments, publish.options)

    def callback(self, callback: Mapping[str, Any], body: str) -> Request:
        """The delivery of a callback, as its source keeps it, with a body of JSON."""
        arguments = {**callback["arguments"], "body": body}
        headers = [tuple(pair) for pair in arguments.get("headers", ())]
        if not has_type(headers):
            headers.append(("Content-Type", JSON_TYPE))
        return self.copied({**arguments, "headers": headers}, callback["options"])

    def copied(self, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
        """The delivery with these arguments and options, as another one has them, which was checked."""
        how = check_together(AS_DECLARED.extended(self, cast("EnqueueOptions", options)))
        return Request(self, how, self.signature.dump((), arguments))

    def _check_size(self, arguments: Mapping[str, Any]) -> None:
        text = arguments.get("secret_body") or arguments.get("body", "")
        size = len(base64.b64decode(text) if arguments.get("is_base64") else text.encode())
        if size > self.largest_body:
            raise PayloadTooLarge(self.name, size, self.largest_body, "body", _SMALLER)
