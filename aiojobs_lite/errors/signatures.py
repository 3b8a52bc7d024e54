"""A message has no valid signature."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError


class SignatureRefused(AiojobsError):
    """A message has no signature, or none that holds.

    Its text is the same whatever is wrong, so that an answer with it helps no forger.

    Attributes:
        reason: What is wrong, for the log alone.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__("the message has no valid signature. Answer 401, and log the attribute `reason`.")
