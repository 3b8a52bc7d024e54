"""The loggers of the library: each line is one line."""

from __future__ import annotations

import logging

import pytest

from aiojobs_lite.logs import get_log
from tests.helpers.hostile_text import HOSTILE, is_one_printed_line


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_of_a_logger_of_the_library_is_one_line(text: str, caplog: pytest.LogCaptureFixture) -> None:
    log = get_log("engine")
    log.warning("%s %r %d %.1f", text, ValueError(text), 3, 1.25)
    (record,) = caplog.records
    assert is_one_printed_line(record.getMessage())
    assert record.getMessage().endswith(" 3 1.2")
    assert (record.name, record.levelno) == ("aiojobs_lite.engine", logging.WARNING)
    assert record.funcName == "test_a_line_of_a_logger_of_the_library_is_one_line"


def test_a_logged_exception_is_there_for_tools(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("x")
    except ValueError:
        get_log("store").exception("it failed")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError
    assert record.funcName == "test_a_logged_exception_is_there_for_tools"


def test_nothing_is_logged_that_is_not_enabled(caplog: pytest.LogCaptureFixture) -> None:
    get_log("engine").debug("%s", "x")
    assert caplog.records == []
