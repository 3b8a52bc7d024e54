"""What a step is called, and how often it is tried."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_text, check_whole
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.text import show_duration
from aiojobs_lite.words import WORDS_OF_STEPS, answers

LONGEST_STEP_NAME_CHARS: Final = 200
_MOST_ATTEMPTS: Final = 1_000_000
_REPEATED: Final = "#"


@answers(WORDS_OF_STEPS)
class Step:
    """A step with options of its own, in place of its name.

    Args:
        name: Its name, unique in the handler; a repeated one is counted: `fetch`, `fetch#2`.
        max_attempts: How often it is run at most; None: as often as the job type allows attempts.
        backoff: The waits between; None: those of the job type.
        timeout: How long one run may take; None: as long as the attempt.

    Raises:
        InvalidOption: If one of them cannot work.
    """

    __slots__ = ("backoff", "max_attempts", "name", "timeout")

    def __init__(
        self,
        name: str,
        *,
        max_attempts: int | None = None,
        backoff: Backoff | None = None,
        timeout: Duration | None = None,
    ) -> None:
        self.name = check_name(name)
        self.max_attempts = None if max_attempts is None else check_whole("max_attempts", max_attempts, _MOST_ATTEMPTS)
        if backoff is not None and not isinstance(backoff, Backoff):
            raise InvalidOption("backoff", backoff, 'a Backoff, such as Backoff(base="2s")')
        self.backoff = backoff
        self.timeout = None if timeout is None else seconds(timeout, "timeout", least=0.001)

    def __repr__(self) -> str:
        timeout = None if self.timeout is None else show_duration(self.timeout)
        given = {"max_attempts": self.max_attempts, "backoff": self.backoff, "timeout": timeout}
        options = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
        return f"Step({self.name!r}{options})"


def miswritten(option: str, value: object, expected: str) -> InvalidOption:
    """The error of a call that is written wrong: each attempt of its handler would get it again."""
    error = InvalidOption(option, value, expected)
    error.is_final = True
    return error


def check_name(name: object) -> str:
    """The name of an operation."""
    try:
        checked = check_text("name", name, LONGEST_STEP_NAME_CHARS)
    except InvalidOption as error:
        raise miswritten(error.option, error.value, error.expected) from None
    if _REPEATED in checked:
        raise miswritten("name", name, f"text without {_REPEATED!r}, which counts names that repeat")
    return checked


def repeated(name: str, use: int) -> str:
    """The name of the `use`-th operation of a name, from 1."""
    return name if use == 1 else f"{name}{_REPEATED}{use}"
