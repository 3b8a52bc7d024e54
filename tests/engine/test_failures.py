"""What is recorded of an exception, and where a coroutine stands."""

from __future__ import annotations

import asyncio
import traceback
from typing import NoReturn

import pytest

from aiojobs_lite.engine.failures import describe, stack_of
from aiojobs_lite.model.job import Failure
from tests.helpers.engine import turns

NAMED = "; ".join(f"ValueError: {n}" for n in range(10))


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_an_exception_is_recorded_with_its_type_text_and_traceback_without_locals() -> None:
    secret = "hunter2"  # noqa: F841  # in a local variable, which must not be recorded
    failure = describe(caught(ValueError("no")))
    assert (failure.error_type, failure.message) == ("ValueError", "no")
    assert failure.traceback is not None
    assert "in caught\n    raise error\n" in failure.traceback
    assert failure.traceback.endswith("ValueError: no\n")
    assert "hunter2" not in failure.traceback


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([ValueError("no row 7")], "several (1 sub-exception): ValueError: no row 7"),
        ([KeyError("a"), OSError()], "several (2 sub-exceptions): KeyError: 'a'; OSError"),
        (
            [ExceptionGroup("inner", [TypeError("x"), TypeError("y")]), ValueError("z")],
            "several (2 sub-exceptions): TypeError: x; TypeError: y; ValueError: z",
        ),
        ([ValueError(str(n)) for n in range(11)], f"several (11 sub-exceptions): {NAMED}; ..."),
    ],
)
def test_the_message_of_a_group_names_what_is_in_it(parts: list[Exception], said: str) -> None:
    failure = describe(caught(ExceptionGroup("several", parts)))
    assert (failure.error_type, failure.message) == ("ExceptionGroup", said)


class Hidden(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> NoReturn:
        raise SystemExit("no parts")


def test_a_group_that_hides_its_parts_names_them_all_the_same() -> None:
    failure = describe(caught(Hidden("several", [Mute()])))
    assert failure.message == "several (1 sub-exception): Mute: (its __str__ raised SystemExit)"


def test_causes_are_recorded_too() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError as error:
        failure = describe(error)
    assert failure.traceback is not None
    assert "KeyError: 'first'" in failure.traceback
    assert "The above exception was the direct cause" in failure.traceback


def test_what_is_long_is_shortened_at_the_end_that_matters_less() -> None:
    failure = describe(caught(ValueError("a" * 50_000 + "z")))
    assert failure.message == "a" * 1_997 + "..."
    assert failure.traceback is not None
    assert failure.traceback.startswith("...aaa")
    assert failure.traceback.endswith("az\n")
    assert len(failure.traceback) == 20_000


def test_what_becomes_longer_when_it_is_written_out_is_shortened_after_that() -> None:
    kind = type("Odd", (Exception,), {})
    kind.__qualname__ = "N" * 10_000 + "\x00"
    failure = describe(caught(kind("\ud800" * 50_000)))
    assert failure.error_type == "N" * 197 + "..."
    assert failure.message == ("\\ud800" * 2_000)[:1_997] + "..."
    assert failure.traceback is not None
    assert len(failure.traceback) == 20_000


def test_text_that_no_database_takes_is_written_out() -> None:
    failure = describe(caught(ValueError("\ud800 and \x00")))
    assert failure.message == "\\ud800 and \\x00"
    assert "\\ud800 and \\x00" in (failure.traceback or "")
    "".join(filter(None, failure)).encode()


class Mute(Exception):
    def __str__(self) -> NoReturn:
        raise SystemExit("no text")


def test_an_exception_that_has_no_text_says_so() -> None:
    failure = describe(caught(Mute()))
    assert (failure.error_type, failure.message) == ("Mute", "(its __str__ raised SystemExit)")
    assert "raise error" in (failure.traceback or "")


def test_a_traceback_that_cannot_be_formatted_still_names_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise RecursionError

    error = caught(ValueError("no"))
    monkeypatch.setattr(traceback, "format_exception", fail)
    failure = describe(error)
    assert "raise error" in (failure.traceback or "")
    assert failure.message == "no"


def test_an_exception_that_gives_no_attribute_away_is_recorded() -> None:
    class Closed(Exception):
        def __getattribute__(self, name: str) -> object:
            raise KeyboardInterrupt

    failure = describe(caught(Closed("no")))
    assert failure.error_type.endswith("Closed")
    assert failure.traceback is not None
    assert "raise error" in failure.traceback


def test_an_exception_that_was_never_raised_has_no_lines() -> None:
    error = ValueError("no")
    assert error.__traceback__ is None
    assert describe(error) == Failure("ValueError", "no", "ValueError: no\n")


async def test_the_stack_of_a_coroutine_goes_down_to_what_it_waits_for() -> None:
    gate = asyncio.Event()

    async def inner() -> None:
        await gate.wait()

    async def outer() -> None:
        await inner()

    task = asyncio.get_running_loop().create_task(outer())
    await turns(3)
    stack = stack_of(task.get_coro())
    assert stack.index("await inner()") < stack.index("await gate.wait()")
    gate.set()
    await task
    assert stack_of(task.get_coro()) == ""
