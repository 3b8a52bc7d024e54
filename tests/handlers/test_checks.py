"""Checks of options: the value comes back, or the error names the option and what is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aiojobs_lite import Abandon, InvalidOption, Retry
from aiojobs_lite.handlers.checks import (
    check_aware,
    check_choice,
    check_exceptions,
    check_flag,
    check_instant,
    check_priority,
    check_storable,
    check_text,
    check_whole,
)
from tests.helpers.instants import NOON

FAR_EAST = timezone(timedelta(hours=14))


class Whole(int):
    """A number of the user's own kind."""


@pytest.mark.parametrize(
    ("check", "more", "value"),
    [
        (check_whole, (7,), 1),
        (check_whole, (7,), 7),
        (check_whole, (7,), Whole(2)),
        (check_flag, (), True),
        (check_flag, (), False),
        (check_text, (3,), "a"),
        (check_text, (3,), "äöü"),
        (check_choice, (("skip", "queue"),), "queue"),
        (check_aware, (), NOON),
        (check_aware, (), NOON.astimezone(FAR_EAST)),
        (check_aware, (), datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_what_fits_comes_back_as_it_was_given(check: Any, more: tuple[Any, ...], value: object) -> None:
    assert check("option", value, *more) is value


@pytest.mark.parametrize(
    ("check", "more", "value", "expected"),
    [
        (check_whole, (1_000,), 0, "a whole number from 1 to 1,000"),
        (check_whole, (7,), 8, "a whole number from 1 to 7"),
        (check_whole, (7,), True, "a whole number from 1 to 7"),
        (check_whole, (7,), 2.0, "a whole number from 1 to 7"),
        (check_whole, (7,), "2", "a whole number from 1 to 7"),
        (check_flag, (), 1, "True or False"),
        (check_flag, (), None, "True or False"),
        (check_text, (3,), "", "1 to 3 printable characters"),
        (check_text, (3_000,), "a" * 3_001, "1 to 3,000 printable characters"),
        (check_text, (3,), "a\n", "1 to 3 printable characters"),
        (check_text, (3,), b"a", "text of 1 to 3 printable characters"),
        (check_text, (3,), 7, "text of 1 to 3 printable characters, such as '7'"),
        pytest.param(check_text, (3_000,), 10**4_300, "text of 1 to 3,000 printable characters", id="many digits"),
        (check_text, (3,), True, "text of 1 to 3 printable characters"),
        (check_choice, (("skip", "queue"),), "wait", "'skip' or 'queue'"),
        (check_choice, (("skip", "queue"),), ["skip"], "'skip' or 'queue'"),
        (check_priority, (), 1, "'high' or 'medium' or 'low'"),
        (check_aware, (), datetime(2026, 3, 1), "an aware datetime"),  # noqa: DTZ001  # what is refused
        (check_aware, (), "2026-03-01", "an aware datetime"),
        (check_aware, (), datetime.min.replace(tzinfo=FAR_EAST), "an aware datetime"),  # in UTC a day before the first
        (check_instant, (0,), datetime(2026, 3, 1), "an aware datetime"),  # noqa: DTZ001  # what is refused
        (check_instant, (0,), "soon", '"7d", or an aware datetime'),
        (check_instant, (0,), -1, "from 0s to a century, or an aware datetime"),
        (check_storable, (), "", "text that is not empty"),
        (check_storable, (), "\ud800", "text that is not empty"),
        (check_exceptions, (), ValueError("x"), "an exception class, or a list of them"),
        (check_exceptions, (), (ValueError, int), "an exception class, or a list of them"),
        (check_exceptions, (), [ValueError()], "an exception class, or a list of them"),
        (
            check_exceptions,
            (),
            Retry,
            "classes of faults; Retry is what a handler raises to decide by itself, whatever",
        ),
        (check_exceptions, (), (OSError, Abandon), "classes of faults; Abandon is what a handler raises to decide"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_option(
    check: Any, more: tuple[Any, ...], value: object, expected: str
) -> None:
    with pytest.raises(InvalidOption) as refused:
        check("option", value, *more)
    assert refused.value.option == "option"
    assert expected in str(refused.value)


def test_a_priority_becomes_what_is_stored() -> None:
    assert [check_priority("priority", name) for name in ("high", "medium", "low")] == [0, 1, 2]


def test_exceptions_become_a_tuple() -> None:
    assert check_exceptions("retry_on", ValueError) == (ValueError,)
    assert check_exceptions("retry_on", (ValueError, KeyboardInterrupt)) == (ValueError, KeyboardInterrupt)
    assert check_exceptions("retry_on", [ValueError, OSError]) == (ValueError, OSError)
    assert check_exceptions("retry_on", ()) == ()
