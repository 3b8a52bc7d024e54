"""What a delivery returns: the answer that completed it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, final


@final  # so that it is stored without being read back
@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The answer that completed a delivery, as its job keeps it.

    Attributes:
        status: Its status.
        headers: Name and value of each header, in their order.
        body: Its body as text; as base64, if it is no UTF-8.
        latency: Seconds from the begin of the request to the end of the answer.
        is_base64: Whether the body is base64.
        is_truncated: Whether there was more of the body, or of the headers, than is kept.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    latency: float
    is_base64: bool = False
    is_truncated: bool = False

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return base64.b64decode(self.body) if self.is_base64 else self.body.encode()

    def json(self) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: If it is none.
        """
        return json.loads(self.content)

    def header(self, name: str) -> str | None:
        """The first value of a header, in whatever case its name is given; None if there is none."""
        wanted = name.lower()
        return next((value for given, value in self.headers if given.lower() == wanted), None)
