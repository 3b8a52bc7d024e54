"""An expression, such as `event.data.id == async.data.id`, cannot be used."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError
from aiojobs_lite.text import show


class ExpressionError(AiojobsError):
    """The text is no expression, or a larger one than is taken.

    Attributes:
        text: What was given.
        position: Where in the text the error begins, in characters from 0; that of the whole expression is 0.
        why: What is wrong, and what to write instead.
    """

    def __init__(self, text: str, position: int, why: str) -> None:
        self.text = text
        self.position = position
        self.why = why
        super().__init__(f"expression {show(text)}, at character {position}: {why}")
