"""What a test does to the operations of durable handlers: stands in for the functions of steps, and ends a process."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Never

from aiojobs_lite.durable.step import LONGEST_STEP_NAME_CHARS, check_name
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_text, check_whole
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.testing.enqueued import lines_of
from aiojobs_lite.testing.errors import NotReplaced
from aiojobs_lite.text import show

_USE: Final = re.compile(r"(.+)#([1-9][0-9]*)", re.ASCII)
_MOST_TIMES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RanStep:
    """One run of the function of a step, or of what the test put in its place.

    Attributes:
        job: The id of the job.
        type: The name of its job type.
        name: The name of the step, with the count of its use: `fetch`, `fetch#2`.
        args: The arguments of the function.
        kwargs: The same by name.
        result: What it returned.
        error: What it raised, or None; `CancelledError` if it was stopped, as by a crash.
    """

    job: int
    type: str
    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any = None
    error: BaseException | None = None

    def __str__(self) -> str:
        end = f"returned {show(self.result)}" if self.error is None else f"raised {show(self.error)}"
        return f"{self.name} of {self.type} job {self.job} {end}"


class OperationName:
    """The operations of a name.

    Args:
        name: `fetch` stands for each use of the name in a handler, `fetch#2` for the second one.

    Raises:
        InvalidOption: If no operation can have the name.
    """

    def __init__(self, name: object) -> None:
        found = _USE.fullmatch(check_text("name", name, LONGEST_STEP_NAME_CHARS + 8))
        self._name = check_name(found[1] if found else name)
        self._use = found[2] if found else None

    def fits(self, name: str) -> bool:
        """Whether an operation is one of them, by its name with the count of its use."""
        base, _, use = name.partition("#")
        return base == self._name and self._use in {None, use or "1"}

    def __str__(self) -> str:
        return self._name if self._use is None else f"{self._name}#{self._use}"


class _Answer:
    """What stands in place of a step, and how often it does so still; None: always."""

    def __init__(self, name: OperationName, answer: object, times: int | None) -> None:
        self.name, self.answer, self.left = name, answer, times


class StepCalls:
    """Runs the functions of steps, or what stands in their place, and keeps what they did.

    Attributes:
        ran: Each run, in the order in which they ended.
    """

    def __init__(self) -> None:
        self.ran: list[RanStep] = []
        self._answers: list[_Answer] = []

    def replace(self, name: object, answer: object, times: object = None) -> None:
        """Puts something in place of steps; the latest that fits counts.

        Args:
            name: See `OperationName`.
            answer: An exception is raised, a function is called, anything else is returned.
            times: How many runs it stands for; None: for all.
        """
        checked = None if times is None else check_whole("times", times, _MOST_TIMES)
        self._answers.insert(0, _Answer(OperationName(name), answer, checked))

    async def call(
        self,
        claimed: Claimed,
        name: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        call: Callable[[Callable[..., Any]], Awaitable[Any]],
    ) -> Any:
        """Runs a step.

        Args:
            claimed: The attempt.
            name: The name of the step, with the count of its use.
            function: Its function.
            args: The arguments.
            kwargs: The same by name.
            call: Calls a function as one of a step.
        """
        result, raised = None, None
        try:
            result = await call(self._function(name, function))
        except BaseException as error:
            raised = error
            raise
        finally:
            self.ran.append(RanStep(claimed.id, claimed.type, name, tuple(args), dict(kwargs), result, raised))
            del raised  # its traceback holds this frame
        return result

    def check_not_replaced(self, claimed: Claimed, name: str) -> None:
        """Checks that nothing is to stand in place of an operation that is no step.

        Raises:
            NotReplaced: If something is.
        """
        if any(answer.left != 0 and answer.name.fits(name) for answer in self._answers):
            raise NotReplaced(name, claimed.type)

    def of(self, name: object) -> list[RanStep]:
        """The runs of steps of a name."""
        wanted = OperationName(name)
        return [ran for ran in self.ran if wanted.fits(ran.name)]

    def __str__(self) -> str:
        return lines_of(self.ran) or " none"

    def _function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        for answer in self._answers:
            if answer.left != 0 and answer.name.fits(name):
                answer.left = None if answer.left is None else answer.left - 1
                return stand_in(answer.answer)
        return function


def stand_in(answer: object) -> Callable[..., Any]:
    """The function that stands in place of another one: an exception is raised, a function is called, anything else is
    returned.
    """
    if isinstance(answer, BaseException) or (isinstance(answer, type) and issubclass(answer, BaseException)):
        return partial(_raise, answer)
    return answer if callable(answer) else partial(_give, answer)


async def _raise(error: BaseException | type[BaseException], /, *_args: Any, **_kwargs: Any) -> Never:
    raise error


async def _give(value: object, /, *_args: Any, **_kwargs: Any) -> object:
    return value


class Crashes:
    """After which operations the runners crash."""

    def __init__(self) -> None:
        self._after: list[OperationName] = []

    def add(self, name: object) -> None:
        """The runners crash once, when an operation of a name has ended."""
        self._after.append(OperationName(name))

    def is_due(self, ended: Sequence[str]) -> bool:
        """Whether the runners crash now that these operations have ended; it is said once."""
        for wanted in self._after:
            if any(wanted.fits(name) for name in ended):
                self._after.remove(wanted)
                return True
        return False

    def check_made(self, calls: StepCalls) -> None:
        """Checks, at the end of a test, that each crash came about; it is said once.

        Raises:
            AssertionError: If one did not. Its text lists the steps that ran.
        """
        missed, self._after = self._after, []
        if missed:
            raise AssertionError(
                f"crash_after({str(missed[0])!r}) made no crash: no operation of that name has ended in a runner of "
                f"this test. Steps that ran:{calls}"
            )


def check_answers(answers: object) -> Mapping[str, Any]:
    """What a test answers to the operations of a handler, by their names."""
    if not isinstance(answers, Mapping):
        raise InvalidOption("answers", answers, "a dict of names of operations and what they answer")
    return answers
