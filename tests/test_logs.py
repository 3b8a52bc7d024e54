"""The loggers of the library: each line is one line."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from aiojobs_lite.logs import get_log
from tests.helpers.hostile_text import HOSTILE, is_one_printed_line
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured


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


BARE = """
import logging, sys
from aiojobs_lite.logs import get_log
if sys.argv[1:] == ["configured"]:
    logging.basicConfig(format="%(message)s")
if sys.argv[1:] == ["below"]:
    logging.getLogger("aiojobs_lite.engine").addHandler(logging.StreamHandler())
if sys.argv[1:] == ["silent"]:
    logging.lastResort = None
get_log("engine").info("not shown")
try:
    raise KeyError("no such key")
except KeyError:
    get_log("engine").exception("it %s", "failed")
"""


@slow
@pytest.mark.parametrize(
    ("how", "first"),
    [("bare", "aiojobs_lite.engine: it failed"), ("configured", "it failed"), ("below", "it failed"), ("silent", "")],
)
def test_where_no_logging_is_configured_a_line_begins_with_the_part_that_speaks(how: str, first: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", BARE, how], capture_output=True, text=True, check=True, env=unmeasured(), cwd=ROOT
    ).stderr
    assert said.partition("\n")[0] == first
    assert said.count("Traceback") == said.count("it failed") == bool(first)
