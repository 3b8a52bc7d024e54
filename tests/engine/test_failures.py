"""What is recorded of an exception, and where a coroutine stands."""

from __future__ import annotations

import asyncio
import sys
import traceback
from typing import Any, NoReturn

import pytest

from aiojobs_lite import Abandon, Retry
from aiojobs_lite.engine.failures import describe, stack_of
from aiojobs_lite.model.job import Failure
from tests.helpers.waiting import quiet

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


class Hostile(Retry):
    @property
    def keeps_traceback(self) -> bool:  # type: ignore[override]  # what is tested
        raise SystemExit


class Plain(Abandon):
    keeps_traceback = False


def test_a_signal_may_say_that_its_traceback_is_not_kept() -> None:
    said = Retry("busy")
    said.keeps_traceback = False
    assert [describe(one).traceback for one in (Plain("gone"), said)] == [None, None]
    assert describe(said).message == "busy"
    for kept in (Retry("busy"), Hostile("busy"), ValueError("busy")):
        assert str(describe(kept).traceback).endswith("busy\n")


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


def chain(length: int, *, causes: bool) -> BaseException:
    """An exception, each of whose causes, or contexts, has one."""
    error = caught(ValueError("number 0"))
    for number in range(1, length):
        later = caught(KeyError(f"number {number}"))
        if causes:
            later.__cause__ = error
        later.__context__ = error
        error = later
    return error


def nested(depth: int) -> BaseException:
    """A group in a group in a group."""
    error = caught(ValueError("innermost"))
    for _ in range(depth):
        error = caught(BaseExceptionGroup("around", [error]))
    return error


def recursion(depth: int) -> BaseException:
    """An exception with very many lines."""

    def again(left: int) -> None:
        if left:
            again(left - 1)
        raise ValueError("at the bottom")

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 1000)
    try:
        again(depth)
    except ValueError as error:
        return error
    finally:
        sys.setrecursionlimit(limit)
    raise AssertionError


class Several(ExceptionGroup[Exception]):
    pass


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            caught(Several("all", [ValueError("number 0") for _ in range(3000)])),
            ["Several: all (3000 sub-exceptions)", "(15 of 3,000 exceptions are shown)", "ValueError: number 0"],
        ),
        (
            chain(3000, causes=True),
            ["the direct cause", "(what came before it is not shown)", "KeyError: 'number 2999'"],
        ),
        (
            chain(3000, causes=False),
            ["During handling", "(what came before it is not shown)", "KeyError: 'number 2999'"],
        ),
        (nested(1500), ["ExceptionGroup: around (1 sub-exception)", "(0 of 1 exceptions are shown)"]),
        (recursion(5000), ["again(left - 1)", "ValueError: at the bottom"]),
    ],
    ids=["group", "causes", "contexts", "nested", "lines"],
)
def test_of_a_large_exception_an_excerpt_is_rendered(
    error: BaseException, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To render all of it would stop the event loop: what is counted are the lines of code that are looked up."""
    looked_up = 0
    summary = traceback.FrameSummary

    def counted(*args: Any, **kwargs: Any) -> traceback.FrameSummary:
        nonlocal looked_up
        looked_up += 1
        return summary(*args, **kwargs)

    monkeypatch.setattr(traceback, "FrameSummary", counted)
    text = describe(error).traceback
    assert text is not None
    assert [part for part in shown if part not in text] == []
    assert 1 <= looked_up <= 200


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
    await quiet()
    stack = stack_of(task.get_coro())
    assert stack.index("await inner()") < stack.index("await gate.wait()")
    gate.set()
    await task
    assert stack_of(task.get_coro()) == ""
